// What has to be told to the API server about the Node, and when. Pure; after upstream's component-helpers/node/util
// and tryUpdateNodeStatus() of pkg/kubelet/kubelet_node_status.go.
#pragma once

#include <optional>
#include <string>

#include "base/chrono.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

inline constexpr Nanoseconds kStatusUpdateFrequency = std::chrono::seconds(10);  // nodeStatusUpdateFrequency
inline constexpr Nanoseconds kStatusReportFrequency = std::chrono::minutes(5);   // nodeStatusReportFrequency

// The strategic merge patch for nodes/NAME/status that makes `before` into `after`: labels, annotations and status; the
// spec is left out. Only what differs, heartbeat times included; lists the API replaces whole are whole, conditions
// are by type, and addresses are replaced (their merge key is not unique). Nothing when nothing differs.
[[nodiscard]] std::optional<std::string> node_status_patch(const kube::Node& before, const kube::Node& after);

enum class NodeChange {
  none,    // at most heartbeat times
  minor,   // something nobody waits for: images, addresses, sizes, ...
  urgent,  // a condition, or volumesInUse, which attachments wait for
};
[[nodiscard]] NodeChange node_change(const kube::Node& before, const kube::Node& after);

// When the status is sent. `spread` is a random number of [0, 1) that keeps nodes apart: after a change the next
// report without one comes 2.5 to 7.5 minutes later, after a mere report 5 minutes.
class ReportSchedule {
 public:
  ReportSchedule() = default;
  ReportSchedule(Nanoseconds update, Nanoseconds report) : update_(update), report_(report) {}

  // The moment at which a status that differs by `change` is to be sent; in the past or now: at once.
  [[nodiscard]] SteadyTime due(NodeChange change) const;
  void sent(NodeChange change, SteadyTime now, double spread);

 private:
  Nanoseconds update_ = kStatusUpdateFrequency;
  Nanoseconds report_ = kStatusReportFrequency;
  Nanoseconds extra_{};
  std::optional<SteadyTime> last_;  // unset: never, since the agent's start
};

}  // namespace keelson::agent
