// The part of VolumeManager that works from what is on disk: tear down, reconstruct, usage.
#include <utility>

#include "base/log.hpp"
#include "volumes/manager.hpp"
#include "volumes/manager_state.hpp"
#include "volumes/on_disk.hpp"
#include "volumes/sub_path.hpp"

namespace keelson::volumes {

Awaitable<void> VolumeManager::tear_down_all(std::unique_ptr<Token> token, std::string uid) {
  Result<void> done = co_await tear_down_volumes(std::move(uid));
  if (done) {
    token->record();
  } else {
    token->fail(done.error());
  }
}

Awaitable<Result<void>> VolumeManager::tear_down_volumes(std::string uid) {
  using Found = std::vector<VolumeOnDisk>;
  std::function<Result<Found>()> look = [context = context_, uid]() -> Result<Found> {
    // subPath mounts hold the volumes that they show busy.
    CHECK_OK(remove_sub_paths(context->mounter, context->paths.sub_paths(uid).string()));
    return volumes_on_disk(context->mounter, context->paths, uid);
  };
  Result<Found> found = co_await jobs_.run(Lane::unbounded, std::move(look));
  if (!found) co_return found.error();

  std::optional<Error> failure;  // the first; the other volumes are torn down all the same
  for (VolumeOnDisk& volume : *found) {
    const std::string what = "UnmountVolume.TearDown failed for volume \"" + volume.inner_name + "\" ";
    VolumeKind* kind = find_kind(volume.plugin);
    Result<void> done;
    if (kind == nullptr) {
      done = make_error(Errc::unimplemented, volume.path + ": no volume plugin " + volume.plugin);
    } else {
      done = co_await kind->tear_down(std::move(volume));
    }
    if (!done && !failure) failure = done.error().context(what);
  }
  if (failure) co_return *failure;
  std::function<Result<void>()> finish = [context = context_, uid] {
    return remove_volume_folders(context->paths, uid);
  };
  Result<void> finished = co_await jobs_.run(Lane::bounded, std::move(finish));
  co_return finished;
}

Awaitable<Result<void>> VolumeManager::tear_down(std::string pod_uid, Nanoseconds timeout) {
  CO_CHECK_OK(check_component("metadata.uid", pod_uid));
  const SteadyTime deadline = deadline_after(timeout);
  const PodStatePtr state = pod_state(pod_uid);
  Result<void> idle = co_await wait_idle(state, deadline);
  if (!idle) co_return idle.error();
  auto batch = std::make_shared<Batch>();
  auto token = std::make_unique<Token>(state, batch, "");
  std::string task = "tear down volumes of pod " + pod_uid;
  tasks_.spawn(std::move(task), tear_down_all(std::move(token), pod_uid));
  Result<void> done = co_await wait_done(state, batch, deadline);
  if (!done && done.error().code == Errc::deadline_exceeded) {
    co_return make_error(Errc::deadline_exceeded, "volumes not unmounted and removed in time: an operation hangs");
  }
  if (!done) co_return done.error();
  if (!batch->errors.empty()) co_return batch->errors.front();
  pods_.erase(pod_uid);
  co_return Result<void>();
}

Awaitable<Result<std::map<std::string, std::vector<VolumeOnDisk>>>> VolumeManager::reconstruct() {
  using Found = std::map<std::string, std::vector<VolumeOnDisk>>;
  std::function<Result<Found>()> look = [context = context_] {
    return all_volumes_on_disk(context->mounter, context->paths);
  };
  Result<Found> found = co_await jobs_.run(Lane::unbounded, std::move(look));
  if (!found) co_return found.error();
  for (const auto& [uid, volumes] : *found) {
    for (const VolumeOnDisk& volume : volumes) {
      VolumeKind* kind = find_kind(volume.plugin);
      if (kind == nullptr) continue;  // reported when the pod is torn down
      Result<void> done = co_await kind->reconstruct(volume);
      if (!done) log_warn("volume not reconstructed", {{"path", volume.path}, {"error", done.error()}});
    }
  }
  co_return found;
}

namespace {

// Measures the pod's volumes, all of them or those of one plugin; `take` gets each. One that vanished is left out.
Result<void> measure(const KindContext& context, const std::string& pod_uid, std::string_view plugin,
                     const std::function<void(const VolumeOnDisk&, VolumeUsage)>& take) {
  TRY(const auto found, volumes_on_disk(context.mounter, context.paths, pod_uid));
  for (const VolumeOnDisk& volume : found) {
    if (!plugin.empty() && volume.plugin != plugin) continue;
    auto used = volume.mounted ? measure_filesystem(volume.path) : measure_tree(volume.path);
    if (!used && used.error().code == Errc::not_found) continue;
    if (!used) return used.error();
    take(volume, *used);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<void>> VolumeManager::begin_measuring(const std::string& name) {
  std::erase_if(measuring_, [](const auto& entry) { return entry.second.expired(); });
  if (measuring_.contains(name)) {
    return make_error(Errc::unavailable, "an earlier measurement of the pod's volumes still runs");
  }
  auto held = std::make_shared<int>();
  measuring_[name] = held;
  return std::shared_ptr<void>(std::move(held));
}

Awaitable<Result<std::map<std::string, VolumeUsage>>> VolumeManager::usage(std::string pod_uid) {
  CO_CHECK_OK(check_component("metadata.uid", pod_uid));
  using Usages = std::map<std::string, VolumeUsage>;
  CO_TRY(auto held, begin_measuring(pod_uid));
  std::function<Result<Usages>()> work = [context = context_, pod_uid, held = std::move(held)]() -> Result<Usages> {
    Usages usages;
    CHECK_OK(measure(*context, pod_uid, "",
                     [&](const VolumeOnDisk& volume, VolumeUsage used) { usages[volume.inner_name] = used; }));
    return usages;
  };
  Result<Usages> usages = co_await jobs_.run(Lane::unbounded, std::move(work));
  co_return usages;
}

Awaitable<Result<std::map<std::string, EmptyDirUsage>>> VolumeManager::empty_dir_usage(std::string pod_uid) {
  CO_CHECK_OK(check_component("metadata.uid", pod_uid));
  using Usages = std::map<std::string, EmptyDirUsage>;
  CO_TRY(auto held, begin_measuring(pod_uid + " emptyDir"));
  std::function<Result<Usages>()> work = [context = context_, pod_uid, held = std::move(held)]() -> Result<Usages> {
    Usages usages;
    CHECK_OK(measure(*context, pod_uid, kEmptyDirPlugin, [&](const VolumeOnDisk& volume, VolumeUsage used) {
      usages[volume.inner_name] = EmptyDirUsage{used, volume.mounted};
    }));
    return usages;
  };
  Result<Usages> usages = co_await jobs_.run(Lane::unbounded, std::move(work));
  co_return usages;
}

}  // namespace keelson::volumes
