// Stale UDP flows: a UDP client keeps its source port, so a conntrack entry made for an endpoint that went away would
// swallow its packets for as long as it goes on sending. After k8s.io/kubernetes pkg/proxy/conntrack/cleanup.go, and
// beyond it: entries of removed Services and ports go too. Deciding is pure; deleting goes over netlink.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/async.hpp"
#include "proxy/model.hpp"

namespace keelson {
class BlockingPool;
}

namespace keelson::proxy {

// Where clients send UDP packets for a Service.
struct UdpFrontend {
  IpAddress ip;  // not set: a node port, on any address
  std::uint16_t port = 0;
  auto operator<=>(const UdpFrontend&) const = default;
};

struct UdpTarget {
  IpAddress ip;
  std::uint16_t port = 0;
  auto operator<=>(const UdpTarget&) const = default;
};

// One UDP entry of the table: where the client sent to, and who answers.
struct UdpFlow {
  UdpTarget original_destination;
  UdpTarget reply_source;
};

// Tells stale flows from good ones. A value: it travels to the thread that reads the table.
class StaleUdp {
 public:
  // `endpoints` may serve what is sent to `frontend`. None at all: the frontend is left alone, as upstream does.
  void serve(const UdpFrontend& frontend, std::set<UdpTarget> endpoints) {
    frontends_.insert_or_assign(frontend, Frontend{std::move(endpoints), false});
  }
  // `frontend` is no longer anybody's: what was translated for it is stale.
  void retire(const UdpFrontend& frontend) { frontends_.insert_or_assign(frontend, Frontend{{}, true}); }
  void set_node_ips(std::vector<IpAddress> ips) { node_ips_ = std::move(ips); }

  [[nodiscard]] bool is_stale(const UdpFlow& flow) const;
  [[nodiscard]] bool empty() const { return frontends_.empty(); }

 private:
  struct Frontend {
    std::set<UdpTarget> endpoints;
    bool retired = false;
  };
  std::map<UdpFrontend, Frontend> frontends_;
  std::vector<IpAddress> node_ips_;
};

// The UDP frontends of a Service in one family, each with its serving endpoints.
using UdpServices = std::map<UdpFrontend, std::set<UdpTarget>>;
[[nodiscard]] UdpServices udp_services(const ServiceEntry& service, Family family);

// Remembers the UDP frontends of one family's Services, to tell what changed. Pure.
class UdpTracker {
 public:
  // Adds to `stale` what to look for after the Services `keys` changed: nothing when it did not concern UDP.
  void update(const Model& model, Family family, const std::vector<std::string>& keys, StaleUdp& stale);

 private:
  std::unordered_map<std::string, UdpServices> known_;  // only Services with UDP ports
};

class ConntrackCleaner {
 public:
  virtual ~ConntrackCleaner() = default;
  // Deletes the family's UDP entries that are stale; the number of them.
  virtual Awaitable<Result<std::size_t>> remove_stale(Family family, StaleUdp stale) = 0;
};

// The kernel's table, over netlink, on a thread of the pool: a full table takes a while to read.
class NetlinkConntrack final : public ConntrackCleaner {
 public:
  explicit NetlinkConntrack(BlockingPool& pool) : pool_(pool) {}
  Awaitable<Result<std::size_t>> remove_stale(Family family, StaleUdp stale) override;

 private:
  BlockingPool& pool_;
};

// The blocking call behind NetlinkConntrack.
Result<std::size_t> remove_stale_udp(Family family, const StaleUdp& stale);

}  // namespace keelson::proxy
