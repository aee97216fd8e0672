// What became of changes: when they were queued and written, how long that took, and what failed. From it come the
// proxy's health and kube-proxy's metrics (k8s.io/kubernetes pkg/proxy/metrics and pkg/proxy/healthcheck). No I/O.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/chrono.hpp"
#include "base/histogram.hpp"
#include "proxy/ip.hpp"

namespace keelson::proxy {

// kube-proxy's bounds, in seconds: of a sync 1 ms doubled 15 times; of the time from the change of an object to the
// rule in the kernel 0.25, 0.5, 1 to 59 by 1, 60 to 115 by 5, 120 to 300 by 30.
[[nodiscard]] std::span<const double> sync_bounds();
[[nodiscard]] std::span<const double> programming_bounds();

struct FamilyRecord {
  Histogram syncs{sync_bounds()}, full_syncs{sync_bounds()}, partial_syncs{sync_bounds()};
  Histogram programming{programming_bounds()};  // of EndpointSlices that say when they were triggered
  std::size_t full_failures = 0, partial_failures = 0;
  std::optional<SystemTime> last_sync;  // that succeeded
  // Internal: what a running or failed sync has taken up.
  std::optional<SteadyTime> taken_since;
  std::vector<SystemTime> taken_triggers;
};

struct ChangeCount {
  std::size_t total = 0, pending = 0;
};

class SyncRecord {
 public:
  // Triggers before `start` tell nothing about this process.
  explicit SyncRecord(SystemTime start) : start_(start) {}

  void service_changed() { count(services_); }
  // `trigger`: the annotation endpoints.kubernetes.io/last-change-trigger-time, where the slice has it.
  void slice_changed(std::optional<SystemTime> trigger);
  // Something waits to be written from now on.
  void queued(SteadyTime now, SystemTime time);

  // A sync of these families begins with everything that changed so far.
  void begin(const std::vector<Family>& families);
  // It ended for one of them. `now`, `time`: of the end.
  void ended(Family family, bool full, Nanoseconds took, bool succeeded, SystemTime time);

  // How long the oldest change waits that `family` has not written; zero where there is none.
  [[nodiscard]] Nanoseconds waiting(Family family, SteadyTime now) const;
  [[nodiscard]] const FamilyRecord& of(Family family) const { return families_[index_of(family)]; }
  [[nodiscard]] std::optional<SystemTime> last_queued() const { return last_queued_; }
  [[nodiscard]] const ChangeCount& services() const { return services_; }
  [[nodiscard]] const ChangeCount& slices() const { return slices_; }

 private:
  static void count(ChangeCount& c) {
    ++c.total;
    ++c.pending;
  }

  SystemTime start_;
  std::array<FamilyRecord, 2> families_;
  ChangeCount services_, slices_;
  std::optional<SteadyTime> queued_since_;  // the oldest that no sync has taken up
  std::optional<SystemTime> last_queued_;
  std::vector<SystemTime> triggers_;  // likewise
};

}  // namespace keelson::proxy
