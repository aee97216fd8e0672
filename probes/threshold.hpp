// When a probe is due and what its results amount to: a pure state machine, one per probe, fed with outcomes and times.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/async.hpp"
#include "probes/outcome.hpp"

namespace keelson::kube {
struct Probe;
}

namespace keelson::probes {

enum class ProbeType : std::uint8_t { liveness, readiness, startup };
enum class Verdict : std::uint8_t { unknown, success, failure };

// "Liveness", "Readiness", "Startup", as events name them.
[[nodiscard]] std::string_view title(ProbeType type);
// "unknown", "success", "failure".
[[nodiscard]] std::string_view to_string(Verdict verdict);

// The numbers of a kube::Probe, unset ones replaced by the API's defaults.
struct Timing {
  Nanoseconds initial_delay{0};
  Nanoseconds timeout = Seconds(1);
  Nanoseconds period = Seconds(10);
  int success_threshold = 1;
  int failure_threshold = 3;
  Nanoseconds early_step = Seconds(1);  // see Threshold; shorter for the kinds that cost little
  Nanoseconds grid{0};                  // see Threshold; 0: none
};
[[nodiscard]] Timing timing_of(const kube::Probe& probe);

// One container instance's probe. Regular runs are one period apart; a result counts when `*_threshold` equal ones came
// in a row; after a liveness failure or any startup verdict the probe holds until begin() for the next instance.
//
// Early looks: upstream's first probe comes up to a period after the container has started, so a container that needs
// 0.3 s is often seen ready only after 10 s. Here readiness and startup probes look at once, and after early_step,
// twice that, and so on within the first period. An early look can only succeed: its failures are not counted, so that
// the budget failureThreshold * periodSeconds stays what the API promises, and those of the first second are not shown.
//
// Grid: while all is well, the runs of cheap kinds fall on multiples of timing.grid, at most 1/20 of the period, so
// that one wake-up serves many pods' probes: on an idle node the wake-ups, with cold caches, are most of what probes
// cost.
class Threshold {
 public:
  explicit Threshold(ProbeType type) : type_(type) {}

  // A new container instance, started at `started`. `now` is when it may be probed: after it was seen running and, for
  // liveness and readiness, after its startup probe has passed.
  void begin(const Timing& timing, SteadyTime started, SteadyTime now);
  // An instance found running by a restarted agent: `kept` stands until a result counts, the first run is at `due` or,
  // if that is later, after the initial delay.
  void adopt(const Timing& timing, Verdict kept, SteadyTime started, SteadyTime due);
  // No instance can be probed now: the verdict is `verdict`, nothing is due.
  void halt(Verdict verdict);

  // An attempt begins.
  void start(SteadyTime now) { attempt_at_ = now; }
  struct Step {
    bool changed = false;  // the verdict is another one than before
    bool quiet = false;    // a failure that is no event: an early look of the first second
  };
  // The attempt's outcome.
  Step record(const Timing& timing, OutcomeKind outcome, SteadyTime now);
  // Somebody looks at the container and it is not ready: due at once, unless an attempt was made within a second.
  void hurry(SteadyTime now);

  [[nodiscard]] SteadyTime due() const { return due_; }  // SteadyTime::max(): on hold
  [[nodiscard]] Verdict verdict() const { return verdict_; }
  [[nodiscard]] ProbeType type() const { return type_; }

 private:
  [[nodiscard]] SteadyTime next_due(const Timing& timing, SteadyTime now) const;

  ProbeType type_;
  Verdict verdict_ = Verdict::unknown;
  Verdict last_ = Verdict::unknown;  // the last result, and how often it came in a row
  int run_ = 0;
  SteadyTime due_ = SteadyTime::max();
  SteadyTime attempt_at_ = SteadyTime::min();
  SteadyTime first_at_ = SteadyTime::min();  // of the early looks
  Nanoseconds early_{0};                     // distance to the next early look; 0: the runs are regular
};

}  // namespace keelson::probes
