// The vocabulary of the nftables backend: its sets and maps, their elements, and the chains that handle packets of a
// Service. Pure. How they play together is told in README.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/model.hpp"

namespace keelson::proxy {

// Tables are called this in both families, as upstream's (pkg/proxy/nftables/proxier.go).
inline constexpr const char* kNftTable = "kube-proxy";

// Names of our own, because upstream's maps of the same purpose hold verdicts; cluster-ips and nodeport-ips are alike.
enum class NftSet : std::uint8_t {
  service_frontends,    // address . protocol . port : 0 . handler . service (two words)
  nodeport_frontends,   // protocol . port : likewise
  service_endpoints,    // service . index : address . port
  sticky_choices,       // service . index : 0 . address . port, where clients have affinity
  sticky_endpoints,     // address . port . service: endpoints that stand, policy Cluster
  sticky_local,         // the same for policy Local
  rejected_services,    // address . protocol . port without any endpoint
  rejected_nodeports,   // protocol . port likewise
  dropped_services,     // whose endpoints are all elsewhere, where the policy is Local
  dropped_nodeports,    //
  firewalled_services,  // address . protocol . port that only some sources may reach
  firewall_sources,     // address . protocol . port . source network . its prefix length
  cluster_ips,          // every ClusterIP: ports that no Service has are rejected
  nodeport_ips,         // addresses that take NodePorts
  hairpin_endpoints,    // address . address: a packet from an endpoint to itself
  handlers,             // number of a handler : goto its chain
  affinity,             // service . client address : 0 . address . port; written by packets, with timeouts
};
inline constexpr std::size_t kNftSets = 17;

// One component of a key or of a value, as it lies in registers: padded to four bytes.
enum class NftField : std::uint8_t { address, protocol, port, number };
[[nodiscard]] std::size_t size_of(NftField field, Family family);  // bytes

struct NftSetInfo {
  const char* name;
  std::vector<NftField> key;
  std::vector<NftField> data;  // empty: a set; for `handlers`, whose values are verdicts, too
};
[[nodiscard]] const NftSetInfo& info_of(NftSet set);
[[nodiscard]] std::size_t key_size(NftSet set, Family family);
[[nodiscard]] std::size_t data_size(NftSet set, Family family);

// An element as the kernel wants it: the set, then key and value in register layout. A service's elements are records
// of this form one after the other, which is also how they are remembered.
struct NftElement {
  NftSet set = NftSet::service_frontends;
  std::string_view key, data;
};
// The record at the start of `records`, which is cut off from it.
[[nodiscard]] NftElement take_element(std::string_view& records, Family family);
// "service-frontends 10.96.0.1 . tcp . 443 : 0x00000002 . 0x89abcdef . 0x01234567": for errors and tests.
[[nodiscard]] std::string describe(const NftElement& element, Family family);

// What stands for a service port in keys: 64 bits of SHA-256, so that nobody can choose a name that meets another's,
// and the same in every run, so that affinity outlives the agent.
using NftServiceId = std::array<std::uint32_t, 2>;
[[nodiscard]] NftServiceId nft_service_id(std::string_view port_name, Protocol protocol);

// Puts records together.
class NftRecord {
 public:
  NftRecord(std::string& out, NftSet set, Family family);
  NftRecord& address(const IpAddress& ip);
  NftRecord& protocol(Protocol protocol);
  NftRecord& port(std::uint16_t port);
  NftRecord& number(std::uint32_t value);
  NftRecord& service(const NftServiceId& id) { return number(id[0]).number(id[1]); }

 private:
  std::string& out_;
  Family family_;
};

// What is to be done with packets to a frontend. One chain serves all frontends with the same handler: it knows how
// many endpoints there are, because the kernel's `numgen` takes only a constant, and asks maps for everything else.
struct NftHandler {
  enum class Kind : std::uint8_t { internal, internal_local, external, external_local, nodeport, nodeport_local };
  Kind kind = Kind::internal;
  std::uint32_t affinity_seconds = 0;  // below 2^28
  std::uint16_t cluster = 0;           // number of endpoints, policy Cluster; 0 where they play no role
  std::uint16_t local = 0;             // policy Local

  // "internal-2", "external-local-5-2", "nodeport-3-sticky-10800"
  [[nodiscard]] std::string chain() const;
  [[nodiscard]] bool for_node_ports() const { return kind == Kind::nodeport || kind == Kind::nodeport_local; }
  auto operator<=>(const NftHandler&) const = default;
};

// Numbers of handlers. They hold until the next full sync, which begins anew.
class NftHandlers {
 public:
  std::uint32_t number(const NftHandler& handler);
  [[nodiscard]] const NftHandler& at(std::uint32_t number) const { return handlers_.at(number); }
  void clear();

 private:
  std::map<NftHandler, std::uint32_t> numbers_;
  std::vector<NftHandler> handlers_;
};

// Indices of policy Local's endpoints in service_endpoints start here.
inline constexpr std::uint32_t kLocalIndex = 0x10000;

}  // namespace keelson::proxy
