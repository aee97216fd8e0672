#include "probes/manager.hpp"

#include <algorithm>
#include <exception>
#include <random>
#include <unordered_map>
#include <utility>

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "probes/pod_entry.hpp"

namespace keelson::probes {
namespace {

constexpr int kTries = 3;                   // of one run whose attempts end in an error
constexpr std::size_t kMaxInFlight = 1024;  // a backstop for file descriptors, far above a full node's hung probes

}  // namespace

class ProbeManager::Impl {
 public:
  Impl(Executor executor, const Clock& clock, ProbeCallbacks callbacks)
      : clock_(clock), callbacks_(std::move(callbacks)), born_(clock.now()), wake_(executor), tasks_(executor) {
    tasks_.spawn("probe scheduler", run());
  }

  Awaitable<void> stop() {
    stopped_ = true;
    tasks_.cancel();
    co_await tasks_.join();
  }

  void update(PodProbes observed);
  void remove(const std::string& uid);
  [[nodiscard]] const ContainerEntry* find(const std::string& uid, std::string_view name) const {
    const auto it = pods_.find(uid);
    return it == pods_.end() ? nullptr : it->second->find(name);
  }
  [[nodiscard]] std::optional<std::string> failure(const std::string& uid, std::string_view name, ProbeType type) const;
  [[nodiscard]] std::vector<ProbeTotals> totals() const;
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

 private:
  void schedule(const ContainerEntry& container);
  void schedule(Worker& worker);
  void unqueue(Worker& worker);
  Awaitable<void> run();
  void launch(Worker& worker, SteadyTime now);
  Awaitable<void> make_run(std::shared_ptr<Worker> worker, std::uint32_t epoch);
  void finish(Worker& worker, std::uint32_t epoch, Outcome outcome);
  void report(Worker& worker, const Outcome& outcome, const Threshold::Step& step);

  const Clock& clock_;
  ProbeCallbacks callbacks_;
  SystemTime born_;
  std::minstd_rand random_{std::random_device{}()};
  std::unordered_map<std::string, std::unique_ptr<PodEntry>> pods_;
  Queue queue_;                           // schedule() -> run(): probes by the time they are due
  SteadyTime armed_ = SteadyTime::min();  // until when run() sleeps
  std::size_t in_flight_ = 0;
  bool stopped_ = false;
  Notifier wake_;
  TaskGroup tasks_;
};

// ---- what the agent observed ----

void ProbeManager::Impl::update(PodProbes observed) {
  const Moment moment{clock_.now(), clock_.steady_now(), born_,
                      [this] { return std::uniform_real_distribution<double>(0.0, 1.0)(random_); }};
  auto& slot = pods_[observed.pod->metadata.uid];
  if (!slot) {
    slot = std::make_unique<PodEntry>();
    slot->uid = observed.pod->metadata.uid;
  }
  PodEntry& pod = *slot;
  const bool changed = pod.pod != observed.pod || pod.pod_ip != observed.pod_ip;
  pod.pod = std::move(observed.pod);
  pod.pod_ip = std::move(observed.pod_ip);
  pod.terminating = pod.terminating || observed.terminating;
  if (changed) {
    for (const auto& gone : read_spec(pod, moment.now)) unqueue(*gone);
  }

  for (const auto& container : pod.containers) {
    const auto it = std::find_if(observed.containers.begin(), observed.containers.end(),
                                 [&](const ObservedContainer& candidate) { return candidate.name == container->name; });
    observe(*container, it == observed.containers.end() ? nullptr : &*it, moment);
    if (pod.terminating && container->running) end_decisions(*container, moment.now);
    Worker* readiness = container->worker(ProbeType::readiness);
    if (readiness && is_started(*container) && readiness->threshold.verdict() != Verdict::success) {
      readiness->threshold.hurry(moment.now);
    }
    schedule(*container);
  }
  if (!queue_.empty() && queue_.begin()->first <= moment.now) wake_.notify();
}

void ProbeManager::Impl::remove(const std::string& uid) {
  const auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  for (const auto& container : it->second->containers) {
    for (const auto& worker : container->workers) {
      if (!worker) continue;
      unqueue(*worker);
      worker->container = nullptr;
    }
  }
  pods_.erase(it);
}

// ---- answers ----

std::optional<std::string> ProbeManager::Impl::failure(const std::string& uid, std::string_view name,
                                                       ProbeType type) const {
  const ContainerEntry* container = find(uid, name);
  const Worker* worker = container && container->running ? container->worker(type) : nullptr;
  if (!worker || worker->threshold.verdict() != Verdict::failure) return std::nullopt;
  return worker->output;
}

std::vector<ProbeTotals> ProbeManager::Impl::totals() const {
  std::vector<ProbeTotals> out;
  for (const auto& [uid, pod] : pods_) {
    for (const auto& container : pod->containers) {
      for (const auto& worker : container->workers) {
        if (!worker) continue;
        const auto& meta = pod->pod->metadata;
        out.push_back({meta.ns, meta.name, uid, container->name, worker->threshold.type(), worker->successful,
                       worker->failed, worker->unknown, worker->seconds});
      }
    }
  }
  return out;
}

// ---- running what is due ----

void ProbeManager::Impl::schedule(const ContainerEntry& container) {
  for (const auto& worker : container.workers) {
    if (worker) schedule(*worker);
  }
}

void ProbeManager::Impl::schedule(Worker& worker) {
  const bool idle = worker.busy || worker.blocked || !worker.container->running;
  const SteadyTime due = idle ? SteadyTime::max() : worker.threshold.due();
  if (due == worker.queued) return;
  unqueue(worker);
  if (due == SteadyTime::max()) return;
  // The set's node is kept with the worker: a probe that goes round allocates nothing.
  if (worker.node.empty()) {
    queue_.emplace(due, &worker);
  } else {
    worker.node.value() = {due, &worker};
    queue_.insert(std::move(worker.node));
  }
  worker.queued = due;
  if (due < armed_) wake_.notify();
}

void ProbeManager::Impl::unqueue(Worker& worker) {
  if (worker.queued == SteadyTime::max()) return;
  worker.node = queue_.extract({worker.queued, &worker});
  worker.queued = SteadyTime::max();
}

Awaitable<void> ProbeManager::Impl::run() {
  for (;;) {
    const SteadyTime now = clock_.steady_now();
    while (!queue_.empty() && queue_.begin()->first <= now && in_flight_ < kMaxInFlight) {
      launch(*queue_.begin()->second, now);
    }
    std::optional<SteadyTime> wake_at;
    armed_ = SteadyTime::max();
    if (!queue_.empty() && in_flight_ < kMaxInFlight) {
      armed_ = queue_.begin()->first;
      wake_at = std::chrono::steady_clock::now() + (armed_ - now);
    }
    co_await wake_.wait_until(wake_at);
  }
}

void ProbeManager::Impl::launch(Worker& worker, SteadyTime now) {
  unqueue(worker);
  worker.busy = true;
  worker.threshold.start(now);
  worker.launched = now;
  ++in_flight_;
  const auto& workers = worker.container->workers;
  const auto& shared = workers[static_cast<std::size_t>(worker.threshold.type())];
  tasks_.spawn("probe", make_run(shared, worker.epoch));
}

Awaitable<void> ProbeManager::Impl::make_run(std::shared_ptr<Worker> worker, std::uint32_t epoch) {
  Outcome outcome;
  const std::string id = worker->container->id;
  const Nanoseconds timeout = worker->timing.timeout;
  for (int i = 0; i < kTries && worker->container && worker->epoch == epoch; ++i) {
    if (!worker->target) {
      outcome.text = worker->target.error().message;
      break;
    }
    try {
      outcome = co_await attempt(*worker->target, callbacks_.exec, id, timeout);
    } catch (const std::exception& e) {
      if (stopped_) throw;
      outcome.kind = OutcomeKind::error;
      outcome.text = e.what();
    }
    if (outcome.kind != OutcomeKind::error) break;
  }
  if (in_flight_-- == kMaxInFlight) wake_.notify();
  worker->busy = false;
  if (!worker->container) co_return;
  finish(*worker, epoch, std::move(outcome));
}

void ProbeManager::Impl::finish(Worker& worker, std::uint32_t epoch, Outcome outcome) {
  if (epoch != worker.epoch) {
    schedule(worker);
    return;
  }
  const SteadyTime now = clock_.steady_now();
  const Threshold::Step step = worker.threshold.record(worker.timing, outcome.kind, now);
  if (!step.quiet) {
    auto& count = outcome.kind == OutcomeKind::failure ? worker.failed
                  : outcome.kind == OutcomeKind::error ? worker.unknown
                                                       : worker.successful;
    ++count;
    if (outcome.kind != OutcomeKind::failure) {
      worker.seconds.observe(std::chrono::duration<double>(now - worker.launched).count());
    }
  }
  if (outcome.kind == OutcomeKind::failure) worker.output = outcome.text;
  schedule(worker);
  if (step.changed && worker.threshold.type() == ProbeType::startup && worker.threshold.verdict() == Verdict::success) {
    open_gate(*worker.container, now);
    schedule(*worker.container);
  }
  report(worker, outcome, step);
}

// Comes last: a callback may call update() or remove(), so nothing of the worker is used after the first one.
void ProbeManager::Impl::report(Worker& worker, const Outcome& outcome, const Threshold::Step& step) {
  const bool event = outcome.kind != OutcomeKind::success && !step.quiet;
  if (!event && !step.changed) return;
  const std::string uid = worker.container->pod->uid;
  const std::string container = worker.container->name;
  const std::string probe(title(worker.threshold.type()));
  if (event && callbacks_.on_event) {
    std::string_view reason = "Unhealthy";
    std::string message = probe + " probe failed: " + outcome.text;
    if (outcome.kind == OutcomeKind::warning) {
      reason = "ProbeWarning";
      message = probe + " probe warning: " + outcome.text;
    } else if (outcome.kind == OutcomeKind::error) {
      message = probe + " probe errored and resulted in unknown state: " + outcome.text;
    }
    callbacks_.on_event(uid, container, reason, message);
  }
  if (step.changed && callbacks_.on_change) callbacks_.on_change(uid);
}

// ---- the public face ----

ProbeManager::ProbeManager(Executor executor, const Clock& clock, ProbeCallbacks callbacks)
    : impl_(std::make_unique<Impl>(std::move(executor), clock, std::move(callbacks))) {}
ProbeManager::~ProbeManager() = default;

Awaitable<void> ProbeManager::stop() { return impl_->stop(); }
void ProbeManager::update(PodProbes pod) { impl_->update(std::move(pod)); }
void ProbeManager::remove(const std::string& uid) { impl_->remove(uid); }

bool ProbeManager::started(const std::string& uid, std::string_view container) const {
  const ContainerEntry* entry = impl_->find(uid, container);
  return entry && is_started(*entry);
}

bool ProbeManager::ready(const std::string& uid, std::string_view container) const {
  const ContainerEntry* entry = impl_->find(uid, container);
  if (!entry || !is_started(*entry)) return false;
  const Worker* readiness = entry->worker(ProbeType::readiness);
  return !readiness || readiness->threshold.verdict() == Verdict::success;
}

std::optional<std::string> ProbeManager::liveness_failure(const std::string& uid, std::string_view container) const {
  return impl_->failure(uid, container, ProbeType::liveness);
}
std::optional<std::string> ProbeManager::startup_failure(const std::string& uid, std::string_view container) const {
  return impl_->failure(uid, container, ProbeType::startup);
}
std::vector<ProbeTotals> ProbeManager::totals() const { return impl_->totals(); }
std::size_t ProbeManager::in_flight() const { return impl_->in_flight(); }

}  // namespace keelson::probes
