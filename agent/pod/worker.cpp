#include "agent/pod/worker.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "agent/pod/observer.hpp"
#include "agent/pod/status.hpp"
#include "agent/spec/names.hpp"
#include "agent/spec/resources.hpp"
#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr BackoffPolicy kRetryPolicy{Milliseconds(500), Seconds(10), Seconds(120)};

// What an earlier agent said of the pod, or what the API server shows of it. A pod of the folder that a shutdown ended
// starts again: nobody else would replace it.
kube::PodStatus initial_status(const kube::Pod& pod, const std::optional<Checkpoint>& checkpoint) {
  if (checkpoint && checkpoint->status.reason == kTerminatedByShutdown) return pod.status;
  return checkpoint ? checkpoint->status : pod.status;
}

const kube::ContainerStatus* status_of(const kube::PodStatus& status, const std::string& name) {
  for (const auto* list :
       {&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses}) {
    const auto it = std::find_if(list->begin(), list->end(), [&](const auto& s) { return s.name == name; });
    if (it != list->end()) return &*it;
  }
  return nullptr;
}

// Whether the status has told the end of that very container.
bool says_ended(const kube::ContainerStatus* status, const std::string& id) {
  const auto is_it = [&](const kube::ContainerState& s) {
    return s.terminated && s.terminated->container_id.ends_with(id);
  };
  return status != nullptr && (is_it(status->state) || is_it(status->last_state));
}

}  // namespace

PodWorker::PodWorker(PodContext& context, std::shared_ptr<const kube::Pod> pod, std::optional<Checkpoint> checkpoint,
                     bool known_absent)
    : ctx_(context),
      pod_(std::move(pod)),
      status_(std::make_shared<const kube::PodStatus>(initial_status(*pod_, checkpoint))),
      objects_(std::make_shared<const kube::ObjectSet>()),
      retries_(kRetryPolicy),
      wake_(context.executor),
      stop_requested_(context.executor),
      end_requested_(context.executor),
      look_at_all_(!known_absent),
      adopting_(!known_absent),
      hosts_written_(!known_absent) {
  if (!checkpoint) return;
  backoff_ = std::move(checkpoint->backoff);
  actuated_ = std::move(checkpoint->actuated);
}

void PodWorker::update(std::shared_ptr<const kube::Pod> pod) {
  pod_ = std::move(pod);
  failures_.clear();
  objects_stale_ = true;
  wake_.notify();
}

void PodWorker::stop(std::optional<std::int64_t> grace) {
  const bool first = !stopping_;
  if (!first && (!grace || *grace >= this->grace())) return;
  stop_grace_ = grace;
  stopping_ = true;
  stop_requested_.notify();
  wake_.notify();
}

void PodWorker::end(Waiting why, std::int64_t grace) {
  if (failure_ || is_terminal_phase(status_->phase)) return;
  log_warn("pod is ended", {{"pod", key()}, {"reason", why.reason}, {"message", why.message}});
  journal().event(EntryKind::warning, "pod", why.reason, why.message);
  journal().wait("pod", "its end: " + why.reason, why.message, "a controller replaces it where it belongs to one");
  failure_ = std::move(why);
  end_grace_ = grace;
  end_requested_.notify();
}

void PodWorker::runtime_changed(const std::string& id) {
  if (id.empty()) {
    look_at_all_ = true;
  } else {
    look_at_.insert(id);
  }
  wake_.notify();
}

void PodWorker::objects_changed() {
  objects_stale_ = true;
  failures_.clear();
  wake_.notify();
}

void PodWorker::reconcile(const std::map<std::string, RunState>& containers,
                          const std::map<std::string, bool>& sandboxes) {
  bool differs = containers.size() != observed_.containers.size() || sandboxes.size() != observed_.sandboxes.size();
  for (const auto& c : observed_.containers) {
    const auto it = containers.find(c.id);
    differs = differs || it == containers.end() || it->second != c.state;
  }
  for (const auto& s : observed_.sandboxes) {
    const auto it = sandboxes.find(s.id);
    differs = differs || it == sandboxes.end() || it->second != s.ready;
  }
  if (differs) runtime_changed("");
}

std::vector<std::string> PodWorker::pod_ips() const {
  if (pod_->spec.host_network) return ctx_.facts.ips;
  return observed_.sandboxes.empty() ? std::vector<std::string>() : observed_.sandboxes.front().ips;
}

const kube::Container* PodWorker::find_container(const std::string& name) const {
  for (const auto* list : {&pod_->spec.containers, &pod_->spec.init_containers}) {
    const auto it = std::find_if(list->begin(), list->end(), [&](const auto& c) { return c.name == name; });
    if (it != list->end()) return &*it;
  }
  const auto& extra = pod_->spec.ephemeral_containers;
  const auto it = std::find_if(extra.begin(), extra.end(), [&](const auto& c) { return c.name == name; });
  return it == extra.end() ? nullptr : &*it;
}

void PodWorker::fail(const std::string& object, Waiting waiting, Nanoseconds retry_after) {
  failures_[object] = {std::move(waiting), ctx_.clock.now() + retry_after};
}

bool PodWorker::blocked(const std::string& object) const {
  const auto it = failures_.find(object);
  return it != failures_.end() && it->second.retry_at > ctx_.clock.now();
}

Nanoseconds PodWorker::retry_in(Nanoseconds usual) const {
  const bool changed = objects_stale_ && !blocked("objects");  // those that cannot be read stay stale
  return changed ? Nanoseconds(0) : usual;
}

Awaitable<void> PodWorker::run() {
  using boost::asio::experimental::awaitable_operators::operator||;
  // An end that is asked for cuts short whatever the pod waits for, and the next round sees to it.
  while (!stopping_) co_await (sync_until_stopped() || stop_requested_.wait() || end_requested_.wait());
  permit_.release();
  co_await stop_and_remove();
}

Awaitable<void> PodWorker::sync_until_stopped() {
  for (;;) {
    bool again = false;
    try {
      again = co_await round();
    } catch (const boost::system::system_error&) {
      look_at_all_ = true;  // cancelled midway: what was under way is unknown
      throw;
    }
    if (again) continue;
    permit_.release();
    if (checkpoint_stale_) co_await save_checkpoint();
    co_await wake_.wait_until(wake_deadline());
  }
}

std::optional<SteadyTime> PodWorker::wake_deadline() const {
  std::optional<SystemTime> next = plan_wake_;
  for (const auto& [object, failure] : failures_) {
    if (failure.retry_at <= round_began_) continue;  // the round could have tried it: something else comes first
    if (!next || failure.retry_at < *next) next = failure.retry_at;
  }
  if (!next) return std::nullopt;
  const auto in = std::max(*next - ctx_.clock.now(), Nanoseconds(0));
  return ctx_.clock.steady_now() + std::chrono::duration_cast<SteadyTime::duration>(in) + Milliseconds(1);
}

// One turn: look, plan, act. True when something was done, so that it is worth another look at once.
Awaitable<bool> PodWorker::round() {
  round_began_ = ctx_.clock.now();
  const auto looked = co_await look();
  if (!looked) {
    log_debug("pod not readable from the runtime", {{"pod", key()}, {"error", looked.error()}});
    journal().wait("pod", "the runtime's answer", looked.error().message, "is the container runtime running?");
    fail("runtime", {}, Seconds(2));
    look_at_all_ = true;
    co_return false;
  }
  failures_.erase("runtime");
  co_await refresh_objects();
  update_probes();
  const auto facts = probe_facts();
  const auto deadline = check_active_deadline();
  auto resizes = plan_resize(*pod_, observed_, actuated_);
  auto next = plan({*pod_, observed_, facts, backoff_, restart_policy_, ctx_.clock.now(),
                    failure_ || is_terminal_phase(status_->phase), resizes.restart});
  publish(next);
  plan_wake_ = next.wake_at;
  if (deadline && (!plan_wake_ || *deadline < *plan_wake_)) plan_wake_ = deadline;
  bool acted = co_await perform(next);
  if (!acted) acted = co_await resize(std::move(resizes));
  if (!acted) publish(next);  // what could not be done shows, too
  co_return acted;
}

// When the pod's activeDeadlineSeconds end; past that it has failed (pkg/kubelet/active_deadline.go).
std::optional<SystemTime> PodWorker::check_active_deadline() {
  if (!pod_->spec.active_deadline_seconds || !status_->start_time || is_terminal_phase(status_->phase))
    return std::nullopt;
  const SystemTime end = *status_->start_time + Seconds(*pod_->spec.active_deadline_seconds);
  if (ctx_.clock.now() < end) return end;
  if (!failure_) {
    failure_ = Waiting{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"};
    journal().event(EntryKind::normal, "pod", failure_->reason, failure_->message);
  }
  return std::nullopt;
}

Awaitable<Result<void>> PodWorker::look() {
  if (look_at_all_ || !look_at_.empty()) {
    look_at_all_ = false;
    look_at_.clear();
    const OpenStep step(journal(), "pod", "look");
    auto seen = co_await observe_pod(ctx_.runtime, ctx_.pool, uid(), observed_);
    if (!seen) co_return seen.error();
    observed_ = std::move(*seen);
    if (std::exchange(adopting_, false)) note_half_started();
    if (!half_started_.empty()) co_await forget_cut_starts();
    for (const auto& c : observed_.containers) ctx_.learn_id(c.id, uid());
    for (const auto& s : observed_.sandboxes) ctx_.learn_id(s.id, uid());
  }
  co_return Result<void>();
}

// Containers that never ran and whose end no status has told: an earlier agent died while they were being started, and
// may have taken the start with it.
void PodWorker::note_half_started() {
  for (const auto& c : observed_.containers) {
    if (c.started_at == SystemTime{} && !says_ended(status_of(*status_, c.name), c.id)) half_started_.insert(c.id);
  }
}

// Those of them that came to nothing are removed, to be started anew: that is not a restart, and what the runtime let
// such a container say before it ended it is not the log of the next.
Awaitable<void> PodWorker::forget_cut_starts() {
  const auto observed = observed_.containers;
  for (const auto& c : observed) {
    if (half_started_.count(c.id) == 0 || c.state == RunState::created) continue;
    half_started_.erase(c.id);
    if (c.state != RunState::exited || c.started_at != SystemTime{}) continue;
    const auto removed = co_await remove_container(c.id);
    if (!removed) continue;
    co_await remove_logs(c.id);
    log_info("a start that an earlier agent began is made again", {{"pod", key()}, {"container", c.name}});
    std::erase_if(observed_.containers, [&](const auto& other) { return other.id == c.id; });
  }
}

void PodWorker::update_probes() {
  probes::PodProbes update;
  update.pod = pod_;
  const auto ips = pod_ips();
  if (!ips.empty()) update.pod_ip = ips.front();
  update.terminating = stopping_;
  const auto add = [&](const kube::Container& c) {
    const auto* seen = observed_.find(c.name);
    if (seen == nullptr) return;
    probes::ObservedContainer o{.name = c.name,
                                .id = seen->id,
                                .running = seen->state == RunState::running,
                                .started_at = seen->started_at,
                                .was_started = {},
                                .was_ready = {}};
    const auto* before = status_of(*status_, c.name);
    if (before != nullptr && before->container_id.ends_with("/" + seen->id) && before->state.running) {
      o.was_started = before->started;
      o.was_ready = before->ready;
    }
    update.containers.push_back(std::move(o));
  };
  for (const auto& c : pod_->spec.containers) add(c);
  for (const auto& c : pod_->spec.init_containers) {
    if (spec::is_sidecar(c)) add(c);
  }
  ctx_.probes.update(std::move(update));
}

ProbeFactsMap PodWorker::probe_facts() const {
  ProbeFactsMap out;
  const auto add = [&](const kube::Container& c) {
    out[c.name] = {.started = ctx_.probes.started(uid(), c.name),
                   .ready = ctx_.probes.ready(uid(), c.name),
                   .liveness_failure = ctx_.probes.liveness_failure(uid(), c.name),
                   .startup_failure = ctx_.probes.startup_failure(uid(), c.name)};
  };
  for (const auto& c : pod_->spec.containers) add(c);
  for (const auto& c : pod_->spec.init_containers) {
    if (spec::is_sidecar(c)) add(c);
  }
  return out;
}

void PodWorker::publish(const Plan& plan) {
  waiting_ = plan.waiting;
  show();
  tell_back_offs(plan);
}

void PodWorker::show() {
  std::map<std::string, Waiting> waiting = waiting_;
  for (const auto& [object, failure] : failures_) {
    if (find_container(object) != nullptr) waiting.emplace(object, failure.waiting);
  }
  const auto facts = probe_facts();
  auto status = make_status({*pod_, observed_, facts, waiting, *status_, ctx_.facts.ips, ctx_.runtime_name,
                             ctx_.clock.now(), stopping_, failure_ ? &*failure_ : nullptr, ctx_.recursive_read_only,
                             &actuated_, resizing_ ? &*resizing_ : nullptr});
  for (const auto& c : status.container_statuses) {
    if (c.state.running) journal().clear_wait("container " + c.name);
  }
  if (status == *status_) return;
  status_ = std::make_shared<const kube::PodStatus>(std::move(status));
  checkpoint_stale_ = true;
  ctx_.publish(uid(), status_);
}

void PodWorker::tell_back_offs(const Plan& plan) {
  for (const auto& [name, wait] : plan.waiting) {
    journal().event(EntryKind::warning, "container " + name, "BackOff",
                    "Back-off restarting failed container " + name + " in pod " + spec::pod_description(*pod_));
    const auto* before = status_of(*status_, name);
    const auto& last = before != nullptr ? before->last_state.terminated : std::nullopt;
    journal().wait("container " + name, wait.reason, wait.message,
                   last
                       ? "it exited with code " + std::to_string(last->exit_code) + " (" + last->reason +
                             (last->reason == "OOMKilled" ? "): raise its memory limit or let it need less; " : "): ") +
                             "see `keelson logs`" + (last->message.empty() ? "" : "; it said: " + last->message)
                       : "see `keelson logs`",
                   plan.wake_at);
  }
}

Awaitable<bool> PodWorker::perform(Plan next) {
  if (next.stop_pod) {
    if (blocked("sandbox stop")) co_return false;
    const auto grace = end_grace_.value_or(pod_->spec.termination_grace_period_seconds.value_or(30));
    const auto stopped = co_await stop_everything(grace);
    if (!stopped) fail("sandbox stop", {}, retries_.fail("stop", ctx_.clock.now()));
    co_return stopped.has_value();
  }
  if (next.finished) {
    if (!finished_) co_await finish();
    co_return false;
  }
  bool acted = false;
  if (!next.stop.empty()) {
    const auto stopped = co_await stop_containers(next.stop, pod_->spec.termination_grace_period_seconds.value_or(30));
    if (!stopped) fail("container stop", {}, Seconds(2));
    look_at_all_ = true;
    co_return stopped.has_value();
  }
  for (const auto& id : next.remove) {
    const auto removed = co_await remove_container(id);
    if (!removed) log_warn("container not removed", {{"pod", key()}, {"container", id}, {"error", removed.error()}});
    if (removed) co_await remove_logs(id);
    look_at_all_ = true;
  }
  for (const auto& id : next.remove_sandboxes) {
    const auto removed = co_await remove_sandbox(id);
    if (!removed) log_warn("sandbox not removed", {{"pod", key()}, {"sandbox", id}, {"error", removed.error()}});
    look_at_all_ = true;
  }
  if (next.create_sandbox) co_return blocked("sandbox") ? false : co_await start_sandbox(next.sandbox_attempt);
  if (!volumes_ready_) {
    const bool ready = co_await set_up_volumes();
    if (!ready) co_return false;
  }
  for (auto& start : next.start) {
    if (blocked(start.name)) continue;
    const bool init = start.init;
    const bool started = co_await start_container(std::move(start));
    acted = acted || started;
    if (init && !started) break;
  }
  co_return acted;
}

Awaitable<void> PodWorker::save_checkpoint() {
  checkpoint_stale_ = false;
  Checkpoint checkpoint{pod_, *status_, backoff_, actuated_};
  auto write = [dir = spec::pod_dir(ctx_.facts, uid()), checkpoint = std::move(checkpoint)]() -> Result<void> {
    if (auto made = make_dirs(dir, 0750); !made) return made;
    return store_checkpoint(dir, checkpoint);
  };
  const auto stored = co_await run_job(std::move(write));
  if (!stored) log_warn("pod checkpoint not written", {{"pod", key()}, {"error", stored.error()}});
}

}  // namespace keelson::agent
