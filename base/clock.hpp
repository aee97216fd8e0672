// The time, injectable: decisions take `now` from here, so that a test can set it.
#pragma once

#include "base/chrono.hpp"

namespace keelson {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SystemTime now() const = 0;         // wall clock, for what people and objects show
  [[nodiscard]] virtual SteadyTime steady_now() const = 0;  // monotonic, for intervals
};

// The machine's clocks.
[[nodiscard]] const Clock& system_clock();

// A clock that stands still until it is told to move.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(SystemTime start) : now_(start) {}
  [[nodiscard]] SystemTime now() const override { return now_; }
  [[nodiscard]] SteadyTime steady_now() const override {
    return SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(now_.time_since_epoch()));
  }
  void advance(Nanoseconds by) { now_ += by; }

 private:
  SystemTime now_;
};

}  // namespace keelson
