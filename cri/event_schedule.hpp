// The decisions of EventStream, without I/O and without a clock: which source next, after how long, and when to ask for
// a full look again. Times are passed in.
#pragma once

#include <optional>
#include <string_view>

#include "base/async.hpp"

namespace keelson::cri {

enum class EventSource {
  cri,         // GetContainerEvents
  containerd,  // containerd.services.events.v1.Events/Subscribe
  relist,      // no events: a resync every second to every ten
};
[[nodiscard]] std::string_view to_string(EventSource source);

class EventSchedule {
 public:
  static constexpr Nanoseconds kSettle = std::chrono::milliseconds(500);
  static constexpr Nanoseconds kSafetyResync = std::chrono::seconds(60);
  static constexpr Nanoseconds kRelistBusy = std::chrono::seconds(1);
  static constexpr Nanoseconds kRelistQuiet = std::chrono::seconds(10);
  static constexpr Nanoseconds kMinBackoff = std::chrono::milliseconds(100);
  static constexpr Nanoseconds kMaxBackoff = std::chrono::seconds(3);
  static constexpr Nanoseconds kLived = std::chrono::seconds(10);
  static constexpr int kMaxFailures = 5;  // as the kubelet's evented PLEG

  [[nodiscard]] EventSource source() const { return source_; }

  // The source is subscribed to (or relisting begins): a resync is due now, and, for a stream, once more after kSettle:
  // a server says nothing when it has begun to collect events, so some may have been lost since our look.
  void opened(SteadyTime now);

  // The stream ended; `error` is nothing when the server closed it in good order. Returns how long to wait before the
  // next try, of source() as it is then:
  // - unimplemented: the next source, at once;
  // - unavailable: the runtime is gone; another one may come back, so from the first source again;
  // - otherwise the same source; after kMaxFailures in a row that lived less than kLived, the next one.
  // Waits double from kMinBackoff to kMaxBackoff and start afresh after a stream that lived.
  Nanoseconds ended(std::optional<Errc> error, SteadyTime now);

  // The runtime did not answer to a ping: wait that long before the next.
  Nanoseconds unreachable();

  // The runtime went and came back while relisting: from the first source again, maybe it is a newer one.
  void restart();

  // When the next resync is due; nothing while no source is open.
  [[nodiscard]] std::optional<SteadyTime> next_resync() const { return next_resync_; }
  void resynced(SteadyTime now);

  // Something changed: while relisting, ticks come each kRelistBusy again; each quiet tick makes them half as long
  // again.
  void activity(SteadyTime now);

 private:
  Nanoseconds backoff();
  void next_source();

  EventSource source_ = EventSource::cri;
  std::optional<SteadyTime> opened_at_;
  std::optional<SteadyTime> next_resync_;
  bool settled_ = false;
  Nanoseconds relist_interval_ = kRelistBusy;
  int short_lived_ = 0;
  Nanoseconds backoff_{};
};

}  // namespace keelson::cri
