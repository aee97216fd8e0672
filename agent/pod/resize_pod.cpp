// PodWorker: CPU and memory of running containers are set to what the pod has been granted.
#include "agent/pod/resize.hpp"
#include "agent/pod/worker.hpp"
#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/linux_resources.hpp"
#include "agent/spec/qos.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kResizeRetry = Seconds(10);

std::string usage_text(const std::string& name, std::int64_t limit, std::uint64_t used) {
  return "attempting to set container \"" + name + "\" memory limit (" + std::to_string(limit) +
         ") below current usage (" + std::to_string(used) + ")";
}

}  // namespace

Awaitable<Result<void>> PodWorker::set_pod_cgroup(spec::CgroupResources resources) {
  auto work = [cgroups = ctx_.cgroups, resources = std::move(resources),
               name = spec::pod_cgroup(ctx_.facts.cgroup_root, spec::qos_class(*pod_), uid())]() mutable {
    return cgroups.apply(name, resources);
  };
  co_return co_await run_job(std::move(work));
}

// A limit below what is in use would end the container, or be refused half-way.
Awaitable<Result<void>> PodWorker::check_memory_use(ContainerResize resize) {
  cri::v1::ContainerStatsRequest request;
  request.set_container_id(resize.id);
  const auto stats = co_await ctx_.runtime.container_stats(std::move(request));
  if (!stats) co_return Result<void>();  // not known: the kernel has the last word
  const auto used = stats->stats().memory().working_set_bytes().value();
  if (used < static_cast<std::uint64_t>(resize.memory_limit)) co_return Result<void>();
  co_return make_error(Errc::failed_precondition,
                       "cannot decrease memory limits: " + usage_text(resize.name, resize.memory_limit, used));
}

Awaitable<Result<void>> PodWorker::resize_container(ContainerResize resize) {
  StepTimer timer(journal(), "container " + resize.name, "resize", ctx_.clock);
  const auto* container = find_container(resize.name);
  const auto wanted = container->resources;
  if (resize.lowers_memory_limit) CO_CHECK_OK(co_await check_memory_use(resize));
  cri::v1::UpdateContainerResourcesRequest request;
  request.set_container_id(resize.id);
  *request.mutable_linux() = spec::container_resources(*pod_, *container, ctx_.facts);
  const auto updated = co_await ctx_.runtime.update_container_resources(std::move(request));
  timer.finish(updated ? "" : updated.error().message);
  if (!updated) co_return updated.error();
  actuated_[resize.name] = wanted;
  checkpoint_stale_ = true;
  co_return Result<void>();
}

Awaitable<Result<void>> PodWorker::resize_all(std::vector<ContainerResize> updates) {
  const auto before = spec::pod_cgroup_resources(with_resources_of(*pod_, actuated_), ctx_.facts);
  const auto after = spec::pod_cgroup_resources(*pod_, ctx_.facts);
  auto both = widest(before, after);
  CO_CHECK_OK(co_await set_pod_cgroup(std::move(both)));
  for (auto& update : updates) CO_CHECK_OK(co_await resize_container(std::move(update)));
  co_return Result<void>();
}

// True when something was changed.
Awaitable<bool> PodWorker::resize(ResizePlan plan) {
  if (!plan.in_progress) {
    if (!resizing_) co_return false;
    resizing_.reset();
    const auto set = co_await set_pod_cgroup(spec::pod_cgroup_resources(*pod_, ctx_.facts));
    if (!set) log_warn("pod's cgroup not resized", {{"pod", key()}, {"error", set.error()}});
    journal().clear_wait("resize");
    journal().event(EntryKind::normal, "pod", "ResizeCompleted", resize_message(*pod_, "Pod resize completed"));
    co_return true;
  }
  if (!resizing_) resizing_ = Waiting{};
  if (blocked("resize")) co_return false;
  const auto done = co_await resize_all(std::move(plan.update));
  if (done) {
    failures_.erase("resize");
    co_return true;
  }
  resizing_ = Waiting{"Error", done.error().message};
  journal().event(EntryKind::warning, "pod", "ResizeError",
                  resize_message(*pod_, "Pod resize error", done.error().message));
  journal().wait("resize", "the new resources", done.error().message, "free memory in the container, or ask for more",
                 ctx_.clock.now() + kResizeRetry);
  fail("resize", {}, kResizeRetry);
  co_return false;
}

}  // namespace keelson::agent
