#include "agent/daemon/node_shutdown.hpp"

#include <algorithm>

#include "agent/pod/status.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kMessage = "Pod was terminated in response to imminent node shutdown.";

std::vector<ShutdownStep> steps_of(const ShutdownOptions& options) {
  if (options.by_priority.empty()) return two_steps(options.grace_period, options.critical_grace_period);
  std::vector<ShutdownStep> out;
  for (const auto& group : options.by_priority) out.push_back({group.priority, Seconds(group.seconds)});
  return out;
}

}  // namespace

NodeShutdown::NodeShutdown(Executor executor, BlockingPool& pool, const Clock& clock, PodManager& pods,
                           const ShutdownOptions& options, std::function<void()> on_change)
    : executor_(std::move(executor)),
      pool_(pool),
      clock_(clock),
      pods_(pods),
      steps_(steps_of(options)),
      on_change_(std::move(on_change)),
      told_(executor_),
      changed_(executor_) {}

Awaitable<void> NodeShutdown::run() {
  if (total_grace(steps_).count() <= 0) co_return;
  LogindOptions options;
  options.delay = total_grace(steps_);
  logind_ = std::make_shared<Logind>(executor_, options, [this](bool begins) { told(begins); });
  auto work = [logind = logind_] { return logind->start(); };
  const auto started = co_await pool_.run(std::move(work));
  if (!started) {
    log_warn("a shutdown of the machine is not waited for", {{"error", started.error()}});
    logind_.reset();
    co_return;
  }
  log_info("a shutdown of the machine waits for pods", {{"seconds", total_grace(steps_).count()}});
  for (;;) {
    co_await told_.wait();
    if (!under_way_) continue;
    co_await end_pods();
    logind_->release();
  }
}

void NodeShutdown::told(bool begins) {
  if (begins == under_way_) return;
  log_warn(begins ? "the machine shuts down" : "the shutdown was called off");
  under_way_ = begins;
  on_change_();
  told_.notify();
}

Awaitable<void> NodeShutdown::end_pods() {
  std::vector<ShutdownPod> pods;
  for (const auto& view : pods_.pods()) {
    if (is_terminal_phase(view.status->phase)) continue;
    pods.push_back({view.pod->metadata.uid, view.pod->spec.priority.value_or(0)});
  }
  for (const auto& round : shutdown_rounds(steps_, pods)) {
    for (const auto& uid : round.uids) {
      const auto view = pods_.find_uid(uid);
      if (!view) continue;
      const auto own = view->pod->spec.termination_grace_period_seconds.value_or(30);
      pods_.end(uid, {kTerminatedByShutdown, kMessage}, std::min<std::int64_t>(own, round.grace.count()));
    }
    const auto deadline = clock_.steady_now() + round.grace;
    for (bool in_time = true; in_time && any_runs(round.uids);) in_time = co_await changed_.wait_until(deadline);
    if (any_runs(round.uids)) log_warn("pods did not end in time", {{"seconds", round.grace.count()}});
  }
}

bool NodeShutdown::any_runs(const std::vector<std::string>& uids) const {
  return std::any_of(uids.begin(), uids.end(), [this](const std::string& uid) {
    const auto view = pods_.find_uid(uid);
    return view && view->observed->any_running();
  });
}

}  // namespace keelson::agent
