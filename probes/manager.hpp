// Probes of all pods of the node: when each is due, what it last found, and who is told.
//
// ProbeManager lives on the loop's thread. The agent tells it what it has observed of each pod; it answers whether the
// containers are started and ready, and whether one of them must be restarted because a probe gave it up. One sleeping
// coroutine serves every probe, an attempt is a coroutine that lives as long as the attempt; a probe never overlaps
// itself, and a slow target delays no other probe.
// Follows kl/prober/{prober_manager,worker,prober}.go of upstream; the deliberate differences are in README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/histogram.hpp"
#include "probes/exec_probe.hpp"
#include "probes/observed.hpp"
#include "probes/threshold.hpp"

namespace keelson::probes {

struct ProbeCallbacks {
  // Runs a command in a container (CRI ExecSync); see exec_probe.hpp.
  ExecCallback exec;
  // A verdict changed: started(), ready(), liveness_failure() or startup_failure() of this pod may answer differently.
  // Never called from within update() or remove().
  std::function<void(const std::string& uid)> on_change;
  // A Warning event of a container is due; reason "Unhealthy" or "ProbeWarning".
  std::function<void(const std::string& uid, const std::string& container, std::string_view reason,
                     const std::string& message)>
      on_event;
};

// prober_probe_total and prober_probe_duration_seconds of upstream's /metrics/probes, for one probe of one container.
struct ProbeTotals {
  std::string ns, pod, uid, container;
  ProbeType type = ProbeType::liveness;
  std::uint64_t successful = 0, failed = 0, unknown = 0;
  Histogram seconds{kDefaultBounds};  // of runs that did not fail, as upstream has it
};

class ProbeManager {
 public:
  // Construction marks the agent's start: probes of containers that run since before it begin after a random part of
  // their period, so that a restarted agent does not probe everything at once.
  ProbeManager(Executor executor, const Clock& clock, ProbeCallbacks callbacks);
  ~ProbeManager();  // after stop(), or when the executor runs no more
  ProbeManager(const ProbeManager&) = delete;
  ProbeManager& operator=(const ProbeManager&) = delete;

  // Ends every attempt and waits for it. After it nothing is probed; the answers stand.
  Awaitable<void> stop();

  // The pod as observed now; call it after each look at the runtime, before the answers below are read. Cheap when
  // nothing changed. A readiness probe of a started container that is not ready runs soon after each call.
  void update(PodProbes pod);
  // The pod's containers are gone: forgets it, and drops the results of attempts under way.
  void remove(const std::string& uid);

  // The answers are for the container instance of the last update(); false or none for what is unknown.
  // ContainerStatus.started: it runs and has passed its startup probe, if it has one.
  [[nodiscard]] bool started(const std::string& uid, std::string_view container) const;
  // ContainerStatus.ready: started, and its readiness probe, if any, succeeds.
  [[nodiscard]] bool ready(const std::string& uid, std::string_view container) const;
  // The last output of the probe that gave the container up: it has to be killed. None while it is well.
  [[nodiscard]] std::optional<std::string> liveness_failure(const std::string& uid, std::string_view container) const;
  [[nodiscard]] std::optional<std::string> startup_failure(const std::string& uid, std::string_view container) const;

  // One entry for each probe of each pod known now.
  [[nodiscard]] std::vector<ProbeTotals> totals() const;
  // Attempts under way.
  [[nodiscard]] std::size_t in_flight() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::probes
