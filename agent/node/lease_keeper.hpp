// Keeps the node's Lease in kube-node-lease fresh: the heartbeat that the node controller looks at. After upstream's
// component-helpers/apimachinery/lease/controller.go and pkg/kubelet/util/nodelease.go. Lives on the loop's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "kube/client/api.hpp"
#include "kube/lease.hpp"

namespace keelson::agent {

inline constexpr const char* kLeaseNamespace = "kube-node-lease";

struct LeaseOptions {
  std::string node;
  Seconds duration{40};                         // nodeLeaseDurationSeconds
  Nanoseconds interval{};                       // between renewals; zero: a quarter of the duration
  Nanoseconds first_retry = Milliseconds(200);  // doubling up to the interval
};

// `base` renewed at `now`, or a new Lease; owned by the Node `uid` where it has no owner yet and the UID is known.
[[nodiscard]] kube::Lease renewed_lease(const std::optional<kube::Lease>& base, const LeaseOptions& options,
                                        const std::string& uid, SystemTime now);

class LeaseKeeper {
 public:
  // `node_uid` gives the Node's UID, "" while there is no Node: no Lease is made then, one that is there is renewed.
  // `api` and `clock` must outlive this.
  LeaseKeeper(const Executor& executor, kube::Api& api, const Clock& clock, LeaseOptions options,
              std::function<std::string()> node_uid);

  // Until cancelled. A failure is logged once, not each time.
  Awaitable<void> run();
  // The Node's UID became known.
  void node_changed() {
    if (waits_for_node_) wake_.notify();
  }
  // When the Lease was last renewed; none: not yet.
  [[nodiscard]] std::optional<SystemTime> renewed() const { return renewed_; }

 private:
  Awaitable<Result<void>> renew();
  Awaitable<Result<void>> create();

  kube::Api& api_;
  const Clock& clock_;
  const LeaseOptions options_;
  std::function<std::string()> node_uid_;
  Notifier wake_;                     // node_changed() -> run()
  std::optional<kube::Lease> lease_;  // as the API server last gave it
  std::optional<SystemTime> renewed_;
  bool waits_for_node_ = false;
};

}  // namespace keelson::agent
