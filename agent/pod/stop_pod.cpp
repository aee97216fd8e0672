// PodWorker: from running to gone. Every step can be repeated, so an error or a kill -9 anywhere only means that it is
// done again. After upstream's SyncTerminatingPod and SyncTerminatedPod (pkg/kubelet/kubelet.go).
#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <filesystem>

#include "agent/housekeeping/log_files.hpp"
#include "agent/pod/hooks.hpp"
#include "agent/pod/observer.hpp"
#include "agent/pod/status.hpp"
#include "agent/pod/stop_order.hpp"
#include "agent/pod/worker.hpp"
#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/names.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {
namespace {

// Upstream gives a container at least this long, however short the grace is (minimumGracePeriodInSeconds).
constexpr std::int64_t kMinimumGrace = 2;

bool is_gone(const Error& error) { return error.code == Errc::not_found; }

// Links whose target names the pod, of containers that the runtime has forgotten.
Result<void> remove_dangling_links(const std::filesystem::path& dir, const std::string& mark) {
  const auto names = list_dir(dir);
  if (!names) return names.error().code == Errc::not_found ? Result<void>() : Result<void>(names.error());
  for (const auto& name : *names) {
    std::error_code ec;
    const auto target = std::filesystem::read_symlink(dir / name, ec).string();
    if (!ec && target.find(mark) != std::string::npos) CHECK_OK(remove_file(dir / name));
  }
  return {};
}

// The pod's folders and log links: what is left on disk once its volumes are gone.
Result<void> remove_files(const spec::NodeFacts& facts, const kube::Pod& pod, const PodObservation& observed) {
  for (const auto& c : observed.containers) {
    CHECK_OK(remove_file(spec::container_log_link(facts, pod, c.name, c.id)));
  }
  CHECK_OK(remove_dangling_links(facts.container_log_dir, "_" + pod.metadata.uid + "/"));
  // By UID, not by name: an orphan's name may not be known.
  const auto names = list_dir(facts.pod_log_dir);
  if (!names && names.error().code != Errc::not_found) return names.error();
  for (const auto& name : names ? *names : std::vector<std::string>()) {
    if (name.ends_with("_" + pod.metadata.uid)) CHECK_OK(remove_tree(facts.pod_log_dir / name));
  }
  return remove_tree(spec::pod_dir(facts, pod.metadata.uid));
}

}  // namespace

Awaitable<void> PodWorker::stop_one(StopContainer container, std::int64_t grace, std::shared_ptr<StopOrder> order,
                                    std::shared_ptr<Result<void>> out) {
  const auto* spec = find_container(container.name);
  const auto seconds = std::max(container.grace_seconds.value_or(grace), kMinimumGrace);
  StepTimer timer(journal(), "container " + container.name, "stop", ctx_.clock);
  if (spec != nullptr && !container.message.empty()) {
    journal().event(EntryKind::normal, "container " + container.name, "Killing", container.message);
  }
  const auto begin = ctx_.clock.steady_now();
  if (spec != nullptr) co_await run_pre_stop(*spec, container.id, Seconds(seconds));
  co_await order->wait_turn(container.name, begin + std::chrono::duration_cast<SteadyTime::duration>(Seconds(seconds)));
  const auto spent = std::chrono::duration_cast<Seconds>(ctx_.clock.steady_now() - begin).count();
  cri::v1::StopContainerRequest request;
  request.set_container_id(container.id);
  request.set_timeout(std::max(seconds - spent, kMinimumGrace));
  const auto stopped = co_await ctx_.runtime.stop_container(std::move(request));
  const bool ok = stopped || is_gone(stopped.error());
  timer.finish(ok ? "" : stopped.error().message);
  order->ended(container.name);
  if (!ok) {
    journal().wait("container " + container.name, "its end", stopped.error().message, "the runtime cannot stop it");
    *out = stopped.error();
  }
}

// Once per container, within the grace period; what is not done by then is abandoned. It may fail: the container is
// stopped all the same.
Awaitable<void> PodWorker::run_pre_stop(const kube::Container& container, std::string id, Seconds patience) {
  using boost::asio::experimental::awaitable_operators::operator||;
  if (!container.lifecycle || !container.lifecycle->pre_stop || patience.count() <= 0) co_return;
  const auto* seen = observed_.find(container.name);
  if (seen == nullptr || seen->id != id || seen->state != RunState::running) co_return;
  if (!pre_stop_ran_.insert(id).second) co_return;
  StepTimer timer(journal(), "container " + container.name, "preStop", ctx_.clock);
  const auto ips = pod_ips();
  HookTarget target{container, std::move(id), ips.empty() ? std::string() : ips.front()};
  const auto done = co_await (run_hook(ctx_, *container.lifecycle->pre_stop, std::move(target)) || sleep_for(patience));
  if (done.index() == 0 && std::get<0>(done)) {
    timer.finish();
    co_return;
  }
  timer.finish(done.index() == 0 ? std::get<0>(done).error().message : "not done within the grace period");
  journal().event(EntryKind::warning, "container " + container.name, "FailedPreStopHook", "PreStopHook failed");
}

Awaitable<Result<void>> PodWorker::stop_containers(std::vector<StopContainer> containers, std::int64_t grace) {
  const auto result = std::make_shared<Result<void>>();
  std::set<std::string> names;
  for (const auto& c : containers) names.insert(c.name);
  const auto order = std::make_shared<StopOrder>(ctx_.executor, pod_->spec, std::move(names));
  TaskGroup stops(ctx_.executor);
  for (auto& c : containers) stops.spawn("stop " + c.name, stop_one(std::move(c), grace, order, result));
  co_await stops.join();
  co_return *result;
}

Awaitable<Result<void>> PodWorker::stop_everything(std::int64_t grace) {
  std::vector<StopContainer> stops;
  for (const auto& c : observed_.containers) {
    if (c.state == RunState::running || c.state == RunState::unknown) {
      stops.push_back({c.id, c.name, "Stopping container " + c.name, {}});
    }
  }
  CO_CHECK_OK(co_await stop_containers(std::move(stops), grace));
  look_at_all_ = true;
  for (auto& sandbox : observed_.sandboxes) {
    if (sandbox.released) continue;
    StepTimer timer(journal(), "pod", "stop sandbox", ctx_.clock);
    cri::v1::StopPodSandboxRequest request;
    request.set_pod_sandbox_id(sandbox.id);
    const auto stopped = co_await ctx_.runtime.stop_pod_sandbox(std::move(request));
    const bool ok = stopped || is_gone(stopped.error());
    timer.finish(ok ? "" : stopped.error().message);
    if (!ok) {
      journal().event(EntryKind::warning, "pod", "FailedKillPod", "error killing pod: " + stopped.error().message);
      journal().wait("pod", "the end of its sandbox", stopped.error().message,
                     "the runtime or a CNI plugin cannot let go of it");
      co_return stopped.error();
    }
    sandbox.released = true;
    sandbox.ready = false;
  }
  retries_.reset("stop");
  failures_.erase("sandbox stop");
  journal().clear_wait("pod");
  co_return Result<void>();
}

// A pod that ran to its end: its volumes go, its containers stay for their logs until the pod is removed.
Awaitable<void> PodWorker::finish() {
  if (blocked("volumes")) co_return;
  ctx_.probes.remove(uid());
  const auto down = co_await ctx_.volumes.tear_down(uid());
  if (!down) {
    journal().wait("volumes", "their removal", down.error().message, "something still uses a volume of the pod");
    fail("volumes", {}, retries_.fail("volumes", ctx_.clock.now()));
    co_return;
  }
  failures_.clear();
  journal().clear_waits();
  volumes_ready_ = false;
  finished_ = true;
  publish(Plan{});
  journal().event(EntryKind::normal, "phase", status_->phase, "every container has ended");
}

Awaitable<Result<void>> PodWorker::remove_everything() {
  ctx_.probes.remove(uid());
  const OpenStep step(journal(), "pod", "remove");
  for (const auto& sandbox : observed_.sandboxes) {
    const auto removed = co_await remove_sandbox(sandbox.id);
    if (!removed) co_return removed.error().context("remove sandbox");
  }
  CO_CHECK_OK(co_await ctx_.volumes.tear_down(uid()));
  struct Rest {
    spec::NodeFacts facts;
    std::shared_ptr<const kube::Pod> pod;
    PodObservation observed;
    spec::Cgroups cgroups;
  };
  Rest rest{ctx_.facts, pod_, observed_, ctx_.cgroups};
  auto work = [rest = std::move(rest)]() mutable -> Result<void> {
    for (const auto qos : {spec::Qos::guaranteed, spec::Qos::burstable, spec::Qos::best_effort}) {
      CHECK_OK(rest.cgroups.remove_pod(spec::pod_cgroup(rest.facts.cgroup_root, qos, rest.pod->metadata.uid)));
    }
    return remove_files(rest.facts, *rest.pod, rest.observed);
  };
  co_return co_await ctx_.pool.run(std::move(work));
}

// The log of an instance that the runtime has forgotten, all that was rotated of it, and the link to it.
Awaitable<void> PodWorker::remove_logs(std::string container_id) {
  const auto* seen = observed_.find_id(container_id);
  if (seen == nullptr) co_return;
  const auto log = seen->log_path.empty() ? spec::pod_log_dir(ctx_.facts, *pod_) /
                                                spec::container_log_path(seen->name, seen->attempt)
                                          : std::filesystem::path(seen->log_path);
  const auto link = spec::container_log_link(ctx_.facts, *pod_, seen->name, container_id);
  auto work = [log, link]() -> Result<void> {
    CHECK_OK(remove_file(link));
    return remove_log(log);
  };
  const auto removed = co_await run_job(std::move(work));
  if (!removed) log_warn("log not removed", {{"pod", key()}, {"log", log.string()}, {"error", removed.error()}});
}

Awaitable<void> PodWorker::stop_and_remove() {
  while (*jobs_ > 0) co_await sleep_for(Milliseconds(1));  // what a cancelled start still does on the pool
  using boost::asio::experimental::awaitable_operators::operator||;
  failures_.clear();
  journal().clear_waits();
  update_probes();
  publish(Plan{});
  look_at_all_ = true;
  for (;;) {
    auto done = co_await look();
    if (done) {
      // A shorter grace period takes effect while the longer one still runs.
      auto stopped = co_await (stop_everything(grace()) || stop_requested_.wait());
      look_at_all_ = true;
      if (stopped.index() == 1) continue;
      done = std::get<0>(std::move(stopped));
    }
    if (done) {
      done = co_await look();
      if (done) publish(Plan{});
    }
    if (done) done = co_await remove_everything();
    if (done) co_return;
    const auto delay = retries_.fail("stop", ctx_.clock.now());
    log_warn("pod not removed yet", {{"pod", key()}, {"error", done.error()}});
    journal().wait("pod", "its removal", done.error().message, "the agent tries again by itself",
                   ctx_.clock.now() + delay);
    look_at_all_ = true;
    co_await wake_.wait_until(ctx_.clock.steady_now() + std::chrono::duration_cast<SteadyTime::duration>(delay));
  }
}

}  // namespace keelson::agent
