#include "volumes/manager.hpp"

#include <algorithm>
#include <utility>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "volumes/empty_dir.hpp"
#include "volumes/host_path.hpp"
#include "volumes/iscsi.hpp"
#include "volumes/local.hpp"
#include "volumes/manager_state.hpp"
#include "volumes/nfs.hpp"
#include "volumes/payload_volume.hpp"
#include "volumes/plan.hpp"
#include "volumes/sub_path.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;

namespace {

Error joined(const std::vector<Error>& errors) {
  if (errors.size() == 1) return errors.front();
  std::vector<std::string> texts;
  for (const Error& error : errors) texts.push_back(error.message);
  return make_error(errors.front().code, join(texts, "; "), errors.front().reason);
}

Error timed_out(const std::multiset<std::string>& pending) {
  const std::vector<std::string> names(pending.begin(), pending.end());
  return make_error(Errc::deadline_exceeded,
                    "Unable to attach or mount volumes: unmounted volumes=[" + join(names, " ") +
                        "], unattached volumes=[], failed to process volumes=[]: context deadline exceeded",
                    std::string(kFailedMount));
}

// The mount table knows paths without links, and so must we.
fs::path resolved(const fs::path& root) {
  std::error_code ec;
  const fs::path real = fs::weakly_canonical(root, ec);
  return ec ? root : real;
}

}  // namespace

Nanoseconds next_retry(std::optional<Nanoseconds> previous) {
  constexpr Nanoseconds kFirst = Milliseconds(500);
  constexpr Nanoseconds kLast = Seconds(122);
  return previous ? std::clamp(*previous * 2, kFirst, kLast) : kFirst;
}

VolumeManager::VolumeManager(const Executor& executor, BlockingPool& pool, Mounter& mounter, const fs::path& root,
                             NodeFacts node, const Clock& clock)
    : context_(
          std::make_shared<const KindContext>(KindContext{mounter, Paths(resolved(root)), std::move(node), clock})),
      jobs_(executor, pool),
      refresh_times_changed_(executor),
      tasks_(executor) {
  add_kind(make_empty_dir_kind(context_, jobs_));
  add_kind(make_host_path_kind(jobs_));
  add_kind(make_config_map_kind(context_, jobs_));
  add_kind(make_secret_kind(context_, jobs_));
  add_kind(make_local_kind(context_, jobs_));
  add_kind(make_nfs_kind(context_, jobs_, host_runner()));
  add_kind(make_iscsi_kind(context_, jobs_, host_runner()));
}

VolumeManager::~VolumeManager() = default;

void VolumeManager::add_kind(std::unique_ptr<VolumeKind> kind) {
  std::string name(kind->plugin());
  kinds_[std::move(name)] = std::move(kind);
}

void VolumeManager::add_pod_sources(FieldSource fields, TokenSource* tokens) {
  add_kind(make_downward_api_kind(context_, jobs_, fields));
  add_kind(make_projected_kind(context_, jobs_, std::move(fields), tokens));
}

VolumeKind* VolumeManager::find_kind(std::string_view plugin) {
  const auto found = kinds_.find(plugin);
  return found == kinds_.end() ? nullptr : found->second.get();
}

Awaitable<Result<void>> VolumeManager::start() {
  std::function<Result<void>()> work = [context = context_]() -> Result<void> {
    CHECK_OK(make_dirs(context->paths.root(), 0750));
    CHECK_OK(make_dirs(context->paths.pods(), 0750));
    return ensure_shared(context->mounter, context->paths.root().string());
  };
  Result<void> done = co_await jobs_.run(Lane::bounded, std::move(work));
  co_return done;
}

Awaitable<void> VolumeManager::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

VolumeManager::PodStatePtr VolumeManager::pod_state(const std::string& uid) {
  PodStatePtr& state = pods_[uid];
  if (!state) state = std::make_shared<PodState>(tasks_.executor());
  return state;
}

Awaitable<Result<void>> VolumeManager::wait_idle(PodStatePtr state, SteadyTime deadline) {
  while (state->running > 0) {
    const bool in_time = co_await state->changed.wait_until(deadline);
    if (!in_time && state->running > 0) {
      co_return make_error(Errc::deadline_exceeded, "an earlier operation on the pod's volumes still hangs",
                           std::string(kFailedMount));
    }
  }
  co_return Result<void>();
}

Awaitable<Result<void>> VolumeManager::wait_done(PodStatePtr state, BatchPtr batch, SteadyTime deadline) {
  while (!batch->pending.empty()) {
    const bool in_time = co_await state->changed.wait_until(deadline);
    if (!in_time && !batch->pending.empty()) co_return timed_out(batch->pending);
  }
  if (batch->recorded != batch->started) {
    co_return make_error(Errc::internal, "an operation on the pod's volumes ended abnormally, see the log",
                         std::string(kFailedMount));
  }
  co_return Result<void>();
}

Awaitable<void> VolumeManager::set_up_one(std::unique_ptr<Token> token, VolumeKind* kind,
                                          std::vector<VolumeRequest> requests) {
  for (const VolumeRequest& request : requests) {
    Result<MountedVolume> mounted = co_await kind->set_up(request);
    if (!mounted) {
      token->fail(failed_to_mount(request.inner_name, mounted.error()));
      co_return;
    }
    mounted->supplemental_groups = supplemental_groups(request);
    set_refresh_time(*token->state, request.volume.name, mounted->refresh_at);
    token->batch->mounted.insert_or_assign(request.volume.name, std::move(*mounted));
  }
  token->record();
}

Awaitable<void> VolumeManager::refresh_one(std::unique_ptr<Token> token, VolumeKind* kind, VolumeRequest request) {
  const std::string inner_name = request.inner_name;
  Result<Refreshed> done = co_await kind->refresh(std::move(request));
  if (!done) {
    token->fail(failed_to_mount(inner_name, done.error()));
    co_return;
  }
  set_refresh_time(*token->state, token->name, done->refresh_at);
  token->record();
  token->batch->written = token->batch->written || done->written;
}

Awaitable<Result<MountedVolumes>> VolumeManager::set_up(PodVolumes pod) {
  const std::string uid = pod.pod->metadata.uid;
  CO_CHECK_OK(check_component("metadata.uid", uid));
  const SteadyTime deadline = deadline_after(pod.timeout);
  VolumePlan plan = plan_volumes(pod, context_->node);
  const PodStatePtr state = pod_state(uid);
  Result<void> idle = co_await wait_idle(state, deadline);
  if (!idle) co_return idle.error();

  // Two volumes of a pod may name the same claim: they are one folder, and set up one after the other.
  std::map<std::pair<std::string, std::string>, std::vector<VolumeRequest>> by_folder;
  for (VolumeRequest& request : plan.requests) {
    std::pair<std::string, std::string> folder(request.plugin, request.inner_name);
    by_folder[std::move(folder)].push_back(std::move(request));
  }
  auto batch = std::make_shared<Batch>();
  for (auto& [folder, requests] : by_folder) {
    const std::string& name = requests.front().volume.name;
    VolumeKind* kind = find_kind(folder.first);
    if (kind == nullptr) {
      plan.failures.push_back({name, make_error(Errc::unimplemented, "no volume plugin " + folder.first)});
      continue;
    }
    auto token = std::make_unique<Token>(state, batch, name);
    std::string task = "set up volume " + folder.second;
    tasks_.spawn(std::move(task), set_up_one(std::move(token), kind, std::move(requests)));
  }
  Result<void> done = co_await wait_done(state, batch, deadline);
  if (!done) co_return done.error();
  std::vector<Error> errors = batch->errors;
  if (!plan.failures.empty()) errors.push_back(failed_to_process(plan.failures));
  if (!errors.empty()) co_return joined(errors);
  co_return std::move(batch->mounted);
}

Awaitable<Result<bool>> VolumeManager::refresh(PodVolumes pod) {
  const std::string uid = pod.pod->metadata.uid;
  CO_CHECK_OK(check_component("metadata.uid", uid));
  const SteadyTime deadline = deadline_after(pod.timeout);
  VolumePlan plan = plan_volumes(pod, context_->node);
  const PodStatePtr state = pod_state(uid);
  Result<void> idle = co_await wait_idle(state, deadline);
  if (!idle) co_return idle.error();

  auto batch = std::make_shared<Batch>();
  for (VolumeRequest& request : plan.requests) {
    VolumeKind* kind = find_kind(request.plugin);
    if (kind == nullptr || !kind->refreshes()) continue;
    auto token = std::make_unique<Token>(state, batch, request.volume.name);
    std::string task = "refresh volume " + request.inner_name;
    tasks_.spawn(std::move(task), refresh_one(std::move(token), kind, std::move(request)));
  }
  Result<void> done = co_await wait_done(state, batch, deadline);
  if (!done) co_return done.error();
  if (!batch->errors.empty()) co_return joined(batch->errors);
  co_return batch->written;
}

Awaitable<void> VolumeManager::prepare_one(std::unique_ptr<Token> token, std::string uid, SubPathRequest request) {
  std::string target = context_->paths.sub_path(uid, request.inner_name, request.container, request.index).string();
  std::function<Result<void>()> work = [context = context_, request, target] {
    return bind_sub_path(context->mounter, request.volume_path, request.sub_path, target);
  };
  Result<void> bound = co_await jobs_.run(Lane::unbounded, std::move(work));
  if (!bound) {
    const std::string what = "failed to prepare subPath for volumeMount \"" + request.volume + "\" of container \"" +
                             request.container + "\"";
    token->fail(bound.error().context(what).with_reason("CreateContainerConfigError"));
    co_return;
  }
  token->record();
  token->batch->sub_paths[request.index] = std::move(target);
}

Awaitable<Result<SubPathMounts>> VolumeManager::prepare_sub_paths(std::string pod_uid,
                                                                  std::vector<SubPathRequest> requests) {
  if (requests.empty()) co_return SubPathMounts();
  CO_CHECK_OK(check_component("metadata.uid", pod_uid));
  const SteadyTime deadline = deadline_after(kTearDownTimeout);
  const PodStatePtr state = pod_state(pod_uid);
  Result<void> idle = co_await wait_idle(state, deadline);
  if (!idle) co_return idle.error();
  auto batch = std::make_shared<Batch>();
  for (SubPathRequest& request : requests) {
    auto token = std::make_unique<Token>(state, batch, request.volume);
    std::string task = "prepare subPath of volume " + request.volume;
    tasks_.spawn(std::move(task), prepare_one(std::move(token), pod_uid, std::move(request)));
  }
  Result<void> done = co_await wait_done(state, batch, deadline);
  if (!done) co_return done.error();
  if (!batch->errors.empty()) co_return joined(batch->errors);
  co_return std::move(batch->sub_paths);
}

}  // namespace keelson::volumes
