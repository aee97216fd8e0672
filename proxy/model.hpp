// What the proxy knows: Services and EndpointSlices in a compact form, and which Services changed since a backend last
// looked. No I/O and no rules here; compile.hpp turns one Service into rules, model_input.hpp API objects into these.
// Sized for 50,000 Services with 100,000 endpoints: addresses are 16-byte values, repeated names are interned.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "proxy/ip.hpp"

namespace keelson::proxy {

enum class Protocol : std::uint8_t { tcp, udp, sctp };
// "tcp", "udp" or "sctp", as iptables and the chain hashes write it.
[[nodiscard]] std::string_view to_string(Protocol protocol);

// A name that occurs in many objects (port names, zones). Id 0 is the empty name. Names are never forgotten.
using NameId = std::uint32_t;
class NamePool {
 public:
  NamePool() { intern(""); }
  NameId intern(std::string_view name);
  [[nodiscard]] std::string_view text(NameId id) const { return names_[id]; }

 private:
  std::deque<std::string> names_;
  std::unordered_map<std::string_view, NameId> ids_;
};

struct ServicePort {
  NameId name = 0;
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;  // 0: none
  Protocol protocol = Protocol::tcp;
  bool operator==(const ServicePort&) const = default;
};

// Addresses beside the ClusterIP; most Services have none.
struct ExternalAddresses {
  std::vector<IpAddress> external_ips;
  std::vector<IpAddress> vips;          // load balancer ingress IPs whose ipMode is VIP
  std::vector<IpPrefix> source_ranges;  // loadBalancerSourceRanges; a /0 has already cleared its family
  bool operator==(const ExternalAddresses&) const = default;
};

struct ServiceSpec {
  std::array<IpAddress, 2> cluster_ips;  // by family
  std::vector<ServicePort> ports;
  std::unique_ptr<ExternalAddresses> external;
  std::uint32_t affinity_seconds = 0;  // 0: sessionAffinity None
  std::uint32_t created = 0;           // seconds since 1970; 0: not known
  std::uint16_t health_check_node_port = 0;
  bool internal_local = false;
  bool external_local = false;
};

// A Service that has no rules here, kept to be told of and nothing else.
struct RulelessService {
  enum class Why : std::uint8_t {
    headless,       // DNS gives the addresses of its pods
    external_name,  // DNS gives another name: `text`
    other_proxy,    // a label leaves it to another proxy: `text`, "name=value" or "name"
    no_address,     // it has no ClusterIP yet
    unusable,       // its name is none that the API server lets through
  };
  Why why = Why::headless;
  std::string text;
  std::string cluster_ip;  // as written
  std::vector<ServicePort> ports;
  std::uint32_t created = 0;
};

// Endpoint conditions and topology of one address, as bits.
enum EndpointFlag : std::uint8_t {
  kReady = 1,
  kServing = 2,
  kTerminating = 4,
  kLocal = 8,          // on this node
  kHasNodeHints = 16,  // hints.forNodes is not empty
  kHintedToNode = 32,  // and names this node
};

struct SliceEndpoint {
  IpAddress ip;
  NameId zone_hints = 0;  // interned ",zone1,zone2,"; 0: no zone hints
  std::uint8_t flags = 0;
  NameId node = 0, zone = 0;  // nodeName and zone
};

struct SlicePort {
  NameId name = 0;
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
};

struct Slice {
  const std::string* id = nullptr;  // "namespace/name", owned by the model's index
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
  Family family = Family::ipv4;
};

// One Service and the slices that name it; either may be missing.
struct ServiceEntry {
  std::string key;  // "namespace/name"
  std::unique_ptr<ServiceSpec> spec;
  std::vector<Slice> slices;
};

class Model {
 public:
  // Puts the Service in place of the one with the same key; a null spec removes it, or says by `ruleless` that it is
  // there without rules.
  void apply_service(const std::string& key, std::unique_ptr<ServiceSpec> spec,
                     std::unique_ptr<RulelessService> ruleless = nullptr);
  // Puts the slice `id` ("namespace/name") in place, for the Service `service`, which may not exist yet and may differ
  // from the one the slice named before.
  void apply_endpoint_slice(const std::string& id, const std::string& service, Slice slice);
  void remove_endpoint_slice(const std::string& id);
  // The node's topology zone (its label topology.kubernetes.io/zone). Returns true when it differs from before: then
  // everything has to be compiled anew.
  bool set_zone(std::string_view zone);

  [[nodiscard]] const ServiceEntry* find(const std::string& key) const;
  [[nodiscard]] const std::unordered_map<std::string_view, std::unique_ptr<ServiceEntry>>& services() const {
    return services_;
  }
  // By "namespace/name".
  [[nodiscard]] const std::unordered_map<std::string, std::unique_ptr<RulelessService>>& ruleless() const {
    return ruleless_;
  }
  // Keys of the Services of which something changed since the last call.
  [[nodiscard]] std::vector<std::string> take_dirty();
  [[nodiscard]] bool has_dirty() const { return !dirty_.empty(); }
  void mark_dirty(const std::string& key) { dirty_.insert(key); }

  // Endpoints times ports over all slices of the family: what upstream's large-cluster limit counts.
  [[nodiscard]] std::size_t endpoint_count(Family family) const { return endpoint_counts_[index_of(family)]; }
  [[nodiscard]] std::string_view zone() const { return zone_; }
  NamePool& names() { return names_; }
  [[nodiscard]] const NamePool& names() const { return names_; }

 private:
  ServiceEntry& entry(const std::string& key);
  void drop_slice(ServiceEntry& from, const std::string* id);
  void drop_if_empty(const ServiceEntry& entry);

  NamePool names_;
  std::unordered_map<std::string_view, std::unique_ptr<ServiceEntry>> services_;  // keyed by the entry's own key
  std::unordered_map<std::string, std::unique_ptr<RulelessService>> ruleless_;
  std::unordered_map<std::string, ServiceEntry*> slice_index_;  // slice id -> the Service it names
  std::unordered_set<std::string> dirty_;
  std::array<std::size_t, 2> endpoint_counts_{};
  std::string zone_;
};

}  // namespace keelson::proxy
