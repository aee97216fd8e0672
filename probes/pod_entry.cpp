#include "probes/pod_entry.hpp"

#include <algorithm>
#include <chrono>

namespace keelson::probes {
namespace {

const std::optional<kube::Probe>& probe_of(const kube::Container& container, ProbeType type) {
  switch (type) {
    case ProbeType::liveness:
      return container.liveness_probe;
    case ProbeType::readiness:
      return container.readiness_probe;
    case ProbeType::startup:
      break;
  }
  return container.startup_probe;
}

Verdict initial_verdict(ProbeType type) {
  switch (type) {
    case ProbeType::liveness:
      return Verdict::success;
    case ProbeType::readiness:
      return Verdict::failure;
    case ProbeType::startup:
      break;
  }
  return Verdict::unknown;
}

void begin(Worker& worker, SteadyTime started, SteadyTime now) {
  ++worker.epoch;
  worker.output.clear();
  worker.threshold.begin(worker.timing, started, now);
}

void adopt(Worker& worker, Verdict kept, SteadyTime started, SteadyTime due) {
  ++worker.epoch;
  worker.output.clear();
  worker.threshold.adopt(worker.timing, kept, started, due);
}

void halt(Worker& worker, Verdict verdict) {
  ++worker.epoch;
  worker.threshold.halt(verdict);
}

void read_probe(ContainerEntry& container, const kube::Container& spec, ProbeType type, SteadyTime now) {
  auto& worker = container.workers[static_cast<std::size_t>(type)];
  const kube::Probe& probe = *probe_of(spec, type);
  const bool added = !worker;
  if (added) worker = std::make_shared<Worker>(type);
  worker->container = &container;
  worker->timing = timing_of(probe);
  worker->target = make_target(probe, spec, container.pod->pod_ip);
  worker->blocked = container.pod->pod_ip.empty() && needs_pod_ip(probe);
  if (!added) return;
  halt(*worker, initial_verdict(type));
  // A probe that a running container gains takes it as it is: a started one has nothing to prove again.
  if (!container.running) return;
  adopt(*worker, type == ProbeType::startup ? Verdict::success : initial_verdict(type), container.started_at, now);
}

// Upstream's jitter: what a restarted agent finds is spread over the first period.
SteadyTime first_run(const Timing& timing, SystemTime started, const Moment& moment) {
  if (started >= moment.agent_start || moment.wall - moment.agent_start >= timing.period) return moment.now;
  const double part = static_cast<double>(timing.period.count()) * moment.random();
  return moment.now + SteadyTime::duration(static_cast<SteadyTime::rep>(part));
}

void begin_instance(ContainerEntry& container, const ObservedContainer& observed, const Moment& moment) {
  const SteadyTime now = moment.now;
  const auto age = std::chrono::duration_cast<SteadyTime::duration>(moment.wall - observed.started_at);
  container.started_at = now - std::max(age, SteadyTime::duration::zero());
  const SteadyTime started = container.started_at;
  Worker* startup = container.worker(ProbeType::startup);
  const bool older = observed.started_at < moment.agent_start;
  const bool passed = !startup || observed.was_started.value_or(false);

  if (startup && passed) {
    halt(*startup, Verdict::success);
  } else if (startup && older) {
    adopt(*startup, Verdict::unknown, started, first_run(startup->timing, observed.started_at, moment));
  } else if (startup) {
    begin(*startup, started, now);
  }
  for (const ProbeType type : {ProbeType::liveness, ProbeType::readiness}) {
    Worker* worker = container.worker(type);
    if (!worker) continue;
    const bool was_ready = type == ProbeType::readiness && observed.was_ready.value_or(false);
    const Verdict verdict = was_ready ? Verdict::success : initial_verdict(type);
    if (!passed) {
      halt(*worker, verdict);
    } else if (older || was_ready) {
      adopt(*worker, verdict, started, first_run(worker->timing, observed.started_at, moment));
    } else {
      begin(*worker, started, now);
    }
  }
}

}  // namespace

std::vector<std::shared_ptr<Worker>> read_spec(PodEntry& pod, SteadyTime now) {
  std::vector<std::shared_ptr<Worker>> gone;
  std::vector<std::unique_ptr<ContainerEntry>> kept;
  const auto take = [&](const kube::Container& spec) {
    auto it = std::find_if(pod.containers.begin(), pod.containers.end(),
                           [&](const auto& entry) { return entry && entry->name == spec.name; });
    if (it == pod.containers.end()) it = pod.containers.insert(it, std::make_unique<ContainerEntry>());
    kept.push_back(std::move(*it));
    ContainerEntry& container = *kept.back();
    container.pod = &pod;
    container.name = spec.name;
    for (const ProbeType type : kTypes) {
      auto& worker = container.workers[static_cast<std::size_t>(type)];
      if (probe_of(spec, type)) {
        read_probe(container, spec, type, now);
      } else if (worker) {
        gone.push_back(std::move(worker));
      }
    }
  };
  for (const auto& spec : pod.pod->spec.init_containers) {
    if (spec.restart_policy == "Always") take(spec);
  }
  for (const auto& spec : pod.pod->spec.containers) take(spec);
  for (const auto& container : pod.containers) {
    if (!container) continue;
    for (auto& worker : container->workers) {
      if (worker) gone.push_back(std::move(worker));
    }
  }
  for (const auto& worker : gone) worker->container = nullptr;
  pod.containers = std::move(kept);
  return gone;
}

void observe(ContainerEntry& container, const ObservedContainer* observed, const Moment& moment) {
  const bool running = observed && observed->running && !observed->id.empty();
  const bool same = container.id == (observed ? observed->id : std::string());
  if (same && running == container.running) return;
  container.id = observed ? observed->id : std::string();
  container.running = running;
  if (running) {
    begin_instance(container, *observed, moment);
    return;
  }
  for (const auto& worker : container.workers) {
    if (worker) halt(*worker, initial_verdict(worker->threshold.type()));
  }
}

void open_gate(ContainerEntry& container, SteadyTime now) {
  for (const ProbeType type : {ProbeType::liveness, ProbeType::readiness}) {
    if (Worker* worker = container.worker(type)) begin(*worker, container.started_at, now);
  }
}

void end_decisions(ContainerEntry& container, SteadyTime now) {
  Worker* startup = container.worker(ProbeType::startup);
  if (startup && startup->threshold.verdict() != Verdict::success) {
    halt(*startup, Verdict::success);
    open_gate(container, now);
  }
  Worker* liveness = container.worker(ProbeType::liveness);
  if (!liveness) return;
  const bool ended =
      liveness->threshold.due() == SteadyTime::max() && liveness->threshold.verdict() == Verdict::success;
  if (!ended) halt(*liveness, Verdict::success);
}

bool is_started(const ContainerEntry& container) {
  const Worker* startup = container.worker(ProbeType::startup);
  return container.running && (!startup || startup->threshold.verdict() == Verdict::success);
}

}  // namespace keelson::probes
