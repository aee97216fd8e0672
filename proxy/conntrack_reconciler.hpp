// Keeps the conntrack table free of flows that the model no longer stands behind. After each sync it is told which
// Services were written; it looks at the table when that concerned UDP or SCTP, on its own time: a sync never waits for
// it. Looks follow each other at a distance that grows with what they cost, and a failed one is repeated.
//   producer: Proxier, after a sync (written)  ->  what to look for, per family (newest wins)  ->  consumer: run()
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "proxy/conntrack.hpp"

namespace keelson::proxy {

struct ConntrackStatus {
  std::size_t looks = 0, removed = 0, failures = 0;
  Nanoseconds last_duration{};
  bool pending = false;    // the table is to be looked at, or just is
  std::string last_error;  // empty after a success
};

class ConntrackReconciler {
 public:
  ConntrackReconciler(const Executor& executor, const Clock& clock, ConntrackCleaner& cleaner)
      : clock_(clock), cleaner_(cleaner), wake_(executor) {}

  // The kernel's rules of the family are as the model says for the Services `keys`, or with `all` for every one.
  // `node_ips`: the node's own, which node ports are reached by.
  void written(const Model& model, Family family, std::vector<std::string> keys, bool all,
               const std::vector<IpAddress>& node_ips);
  // Until cancelled.
  Awaitable<void> run();
  [[nodiscard]] const ConntrackStatus& status(Family family) const { return families_[index_of(family)].status; }

 private:
  struct FamilyState {
    FlowTracker tracker;
    StaleFlows pending;
    ConntrackStatus status;
    Nanoseconds retry_delay{};
    SteadyTime not_before{};
  };

  Awaitable<void> look(Family family);
  [[nodiscard]] std::optional<SteadyTime> next_look() const;

  const Clock& clock_;
  ConntrackCleaner& cleaner_;
  std::array<FamilyState, 2> families_;
  Notifier wake_;
};

}  // namespace keelson::proxy
