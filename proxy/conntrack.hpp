// Stale flows: a client of UDP or SCTP keeps its source port, so a conntrack entry made for an endpoint that went away
// would swallow its packets for as long as it goes on sending. After k8s.io/kubernetes pkg/proxy/conntrack/cleanup.go,
// and beyond it: SCTP, and entries of removed Services and ports. TCP is left alone: its connections end by themselves.
// Deciding is pure; reading and deleting goes over netlink (conntrack_netlink.cpp).
#pragma once

#include <map>
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

// Where clients send a Service's packets.
struct FlowFrontend {
  Protocol protocol = Protocol::udp;
  IpAddress ip;  // not set: a node port, on any address
  std::uint16_t port = 0;
  auto operator<=>(const FlowFrontend&) const = default;
};

struct FlowTarget {
  IpAddress ip;
  std::uint16_t port = 0;
  auto operator<=>(const FlowTarget&) const = default;
};

// One entry of the table: where the client sent to, and who answers.
struct Flow {
  Protocol protocol = Protocol::udp;
  FlowTarget original_destination;
  FlowTarget reply_source;
};

// Tells stale flows from good ones. A value: it travels to the thread that reads the table.
class StaleFlows {
 public:
  using Targets = std::vector<FlowTarget>;  // sorted, each once

  // Only `endpoints` may serve what was sent to `frontend`. None: what was translated has lost its endpoint; what was
  // not meets the rules by itself.
  void serve(const FlowFrontend& frontend, Targets endpoints) {
    frontends_.insert_or_assign(frontend, Frontend{std::move(endpoints), false});
  }
  // `frontend` is no longer anybody's: what was translated for it is stale.
  void retire(const FlowFrontend& frontend) { frontends_.insert_or_assign(frontend, Frontend{{}, true}); }
  void set_node_ips(std::vector<IpAddress> ips) { node_ips_ = std::move(ips); }
  // Adds what `older` looked for and this says nothing of.
  void add_older(StaleFlows older) {
    frontends_.merge(older.frontends_);
    if (node_ips_.empty()) node_ips_ = std::move(older.node_ips_);
  }

  [[nodiscard]] bool is_stale(const Flow& flow) const;
  [[nodiscard]] bool empty() const { return frontends_.empty(); }
  // Whether flows of the protocol are looked for: the others need not be read.
  [[nodiscard]] bool concerns(Protocol protocol) const;

 private:
  struct Frontend {
    Targets endpoints;
    bool retired = false;
  };
  std::map<FlowFrontend, Frontend> frontends_;
  std::vector<IpAddress> node_ips_;
};

// The UDP and SCTP frontends of a Service in one family, each with the endpoints that may serve it: the serving ones,
// or while there is none all that the slices name (as upstream, flows to those are left alone).
using ServiceFlows = std::map<FlowFrontend, StaleFlows::Targets>;
[[nodiscard]] ServiceFlows service_flows(const ServiceEntry& service, Family family);

// Remembers the frontends of one family's Services, to tell what changed. Pure.
class FlowTracker {
 public:
  // Adds to `stale` what to look for after the Services `keys` changed: nothing when it did not concern UDP or SCTP.
  void update(const Model& model, Family family, const std::vector<std::string>& keys, StaleFlows& stale);

 private:
  std::unordered_map<std::string, ServiceFlows> known_;  // only Services with such ports
};

class ConntrackCleaner {
 public:
  virtual ~ConntrackCleaner() = default;
  // Deletes the family's entries that are stale; the number of them. An error: some may be left.
  virtual Awaitable<Result<std::size_t>> remove_stale(Family family, StaleFlows stale) = 0;
};

// The kernel's table, over netlink, on a thread of the pool: a full table takes a while to read.
class NetlinkConntrack final : public ConntrackCleaner {
 public:
  explicit NetlinkConntrack(BlockingPool& pool) : pool_(pool) {}
  Awaitable<Result<std::size_t>> remove_stale(Family family, StaleFlows stale) override;

 private:
  BlockingPool& pool_;
};

// The blocking call behind NetlinkConntrack. The kernel is asked for entries of the family and of each protocol alone
// (since 5.8; an older one gives all, which costs time only), so a table full of TCP is walked but not copied. A dump
// that was cut short (EINTR: the table was resized; ENOBUFS) is repeated a few times. Entries are deleted by tuple and
// id: one that was made anew meanwhile stays. Errors: unavailable when every dump was cut, io for what else the kernel
// refuses.
Result<std::size_t> remove_stale_flows(Family family, const StaleFlows& stale);

}  // namespace keelson::proxy
