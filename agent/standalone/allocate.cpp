#include "agent/standalone/allocate.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/standalone/service_range.hpp"

namespace keelson::agent {
namespace {

using proxy::Family;
using proxy::IpAddress;

constexpr std::int32_t kFirstNodePort = 30000;
constexpr std::int32_t kLastNodePort = 32767;

std::string port_key(const kube::ServicePort& port) { return std::to_string(port.port) + "/" + port.protocol; }

bool wants_cluster_ip(const kube::Service& s) { return s.spec.type != "ExternalName" && s.spec.cluster_ip != "None"; }

bool wants_node_ports(const kube::Service& s) {
  return s.spec.type == "NodePort" ||
         (s.spec.type == "LoadBalancer" && s.spec.allocate_load_balancer_node_ports.value_or(true));
}

// Node ports that a manifest sets itself count in either of these types.
bool may_have_node_ports(const kube::Service& s) { return s.spec.type == "NodePort" || s.spec.type == "LoadBalancer"; }

// Of the addresses in `list` that of the family, as it is spelt everywhere else; empty: none.
std::string of_family(const std::vector<std::string>& list, Family family) {
  for (const std::string& text : list) {
    if (const auto ip = IpAddress::parse(text); ip && ip->family() == family) return ip->to_string();
  }
  return {};
}

// The addresses that the manifest asks for by number.
std::vector<std::string> explicit_ips(const kube::Service& s) {
  if (!wants_cluster_ip(s)) return {};
  if (!s.spec.cluster_ips.empty()) return s.spec.cluster_ips;
  return s.spec.cluster_ip.empty() ? std::vector<std::string>{} : std::vector<std::string>{s.spec.cluster_ip};
}

class Allocator {
 public:
  Allocator(const kube::ObjectMap<kube::Service>& services, const ServiceTable& table, std::vector<ServiceRange> ranges)
      : services_(services), table_(table), ranges_(std::move(ranges)) {}

  AllocatedServices run() {
    reserve_explicit();
    reserve_kept();
    for (const auto& [key, service] : services_) allocate(key, *service);
    return std::move(out_);
  }

 private:
  // What the manifests say themselves goes first, whatever an earlier run gave out; of two Services that ask for the
  // same the one that has it already keeps it.
  void reserve_explicit() {
    for (const bool owners : {true, false}) {
      for (const auto& [key, s] : services_) reserve_explicit(key, *s, owners);
    }
  }

  void reserve_explicit(const std::string& key, const kube::Service& s, bool owners) {
    const auto it = table_.find(key);
    const auto had = it == table_.end() ? ServiceAllocation{} : it->second;
    for (const Family family : proxy::kFamilies) {
      const std::string ip = of_family(explicit_ips(s), family);
      if (!ip.empty() && (of_family(had.cluster_ips, family) == ip) == owners) claim_ip(key, s, ip, true);
    }
    for (const auto& port : s.spec.ports) {
      if (port.node_port == 0 || !may_have_node_ports(s)) continue;
      const auto old = had.node_ports.find(port_key(port));
      const bool owner = old != had.node_ports.end() && old->second == port.node_port;
      if (owner == owners) claim_port(key, s, port, port.node_port, true);
    }
  }

  void reserve_kept() {
    for (const auto& [key, s] : services_) {
      const auto it = table_.find(key);
      if (it == table_.end()) continue;
      for (const Family family : families(*s)) {
        const std::string kept = of_family(it->second.cluster_ips, family);
        const bool open = of_family(explicit_ips(*s), family).empty();
        if (open && !kept.empty() && in_range(kept)) claim_ip(key, *s, kept, false);
      }
      for (const auto& port : s->spec.ports) {
        const auto kept = it->second.node_ports.find(port_key(port));
        if (!wants_node_ports(*s) || port.node_port != 0 || kept == it->second.node_ports.end()) continue;
        claim_port(key, *s, port, kept->second, false);
      }
    }
  }

  void claim_ip(const std::string& key, const kube::Service& s, const std::string& ip, bool asked_for) {
    const auto [it, fresh] = ips_.emplace(ip, key);
    if (fresh) {
      fresh_[key].cluster_ips.push_back(ip);
    } else if (asked_for) {
      problem(s, "spec.clusterIP: " + ip + " is taken by Service " + it->second);
    }
  }

  void claim_port(const std::string& key, const kube::Service& s, const kube::ServicePort& port, std::int32_t number,
                  bool asked_for) {
    const auto [it, fresh] = node_ports_.emplace(std::pair(number, port.protocol), key);
    if (fresh) {
      fresh_[key].node_ports[port_key(port)] = number;
    } else if (asked_for) {
      problem(s, "spec.ports: nodePort " + std::to_string(number) + "/" + port.protocol + " is taken by Service " +
                     it->second);
    }
  }

  [[nodiscard]] const ServiceRange* range_of(Family family) const {
    const auto it =
        std::find_if(ranges_.begin(), ranges_.end(), [family](const auto& r) { return r.family() == family; });
    return it == ranges_.end() ? nullptr : &*it;
  }

  [[nodiscard]] bool in_range(const std::string& text) const {
    const auto ip = IpAddress::parse(text);
    const ServiceRange* range = ip ? range_of(ip->family()) : nullptr;
    return range != nullptr && range->has(*ip);
  }

  // Those that the Service has addresses of, its primary one first.
  [[nodiscard]] std::vector<Family> families(const kube::Service& s) const {
    std::vector<Family> out;
    if (!wants_cluster_ip(s)) return out;
    for (const auto& text : s.spec.ip_families) out.push_back(text == "IPv6" ? Family::ipv6 : Family::ipv4);
    for (const auto& text : out.empty() ? explicit_ips(s) : std::vector<std::string>{}) {
      if (const auto ip = IpAddress::parse(text)) out.push_back(ip->family());
    }
    if (out.empty()) out.push_back(ranges_.front().family());
    const std::string policy = s.spec.ip_family_policy.value_or("SingleStack");
    const Family other = out.front() == Family::ipv4 ? Family::ipv6 : Family::ipv4;
    const bool both = policy == "RequireDualStack" || (policy == "PreferDualStack" && range_of(other) != nullptr);
    if (out.size() == 1 && both) out.push_back(other);
    return out;
  }

  void allocate(const std::string& key, const kube::Service& s) {
    auto copy = std::make_shared<kube::Service>(s);
    auto& given = fresh_[key];
    if (wants_cluster_ip(s)) give_addresses(key, s, given, copy->spec);
    for (auto& port : copy->spec.ports) {
      const auto it = given.node_ports.find(port_key(port));
      const bool wants_one = wants_node_ports(s) && port.node_port == 0;
      port.node_port = it != given.node_ports.end() ? it->second : wants_one ? next_port(key, s, port) : 0;
      if (port.node_port != 0) given.node_ports[port_key(port)] = port.node_port;
    }
    if (!given.cluster_ips.empty() || !given.node_ports.empty()) out_.table[key] = given;
    out_.services.push_back(std::move(copy));
  }

  void give_addresses(const std::string& key, const kube::Service& s, ServiceAllocation& given,
                      kube::ServiceSpec& out) {
    out.cluster_ips.clear();
    out.ip_families.clear();
    for (const Family family : families(s)) {
      std::string ip = of_family(given.cluster_ips, family);
      if (ip.empty() && of_family(explicit_ips(s), family).empty()) ip = next_ip(key, s, family);
      if (ip.empty()) continue;
      out.cluster_ips.push_back(std::move(ip));
      out.ip_families.emplace_back(to_string(family));
    }
    out.cluster_ip = out.cluster_ips.empty() ? "" : out.cluster_ips.front();
    given.cluster_ips = out.cluster_ips;
  }

  std::string next_ip(const std::string& key, const kube::Service& s, Family family) {
    const ServiceRange* range = range_of(family);
    if (range == nullptr) {
      problem(s, std::string("spec.ipFamilies: the service range has no ") + to_string(family) + " addresses");
      return {};
    }
    std::uint32_t& cursor = cursors_[index_of(family)];
    for (std::uint32_t i = 0; i < range->count; ++i) {
      auto ip = range->at((cursor + i) % range->count);
      if (!ips_.emplace(ip, key).second) continue;
      cursor += i + 1;
      return ip;
    }
    problem(s, "spec.clusterIP: no address is left in the service range");
    return {};
  }

  std::int32_t next_port(const std::string& key, const kube::Service& s, const kube::ServicePort& port) {
    for (auto number = kFirstNodePort; number <= kLastNodePort; ++number) {
      if (node_ports_.emplace(std::pair(number, port.protocol), key).second) return number;
    }
    problem(s, "spec.ports: no node port is left");
    return 0;
  }

  void problem(const kube::Service& s, std::string message) {
    out_.problems.push_back({"", "Service " + kube::object_key(s.metadata), std::move(message)});
  }

  const kube::ObjectMap<kube::Service>& services_;
  const ServiceTable& table_;
  std::vector<ServiceRange> ranges_;  // not empty
  // By family. The first ten are left to those who write addresses by hand (kubernetes, DNS).
  std::array<std::uint32_t, proxy::kFamilies.size()> cursors_{9, 9};
  std::map<std::string, std::string> ips_;
  std::map<std::pair<std::int32_t, std::string>, std::string> node_ports_;
  ServiceTable fresh_;
  AllocatedServices out_;
};

}  // namespace

Result<AllocatedServices> allocate_services(const kube::ObjectMap<kube::Service>& services, const ServiceTable& table,
                                            const std::string& cidr) {
  TRY(auto ranges, parse_service_ranges(cidr));
  return Allocator(services, table, std::move(ranges)).run();
}

std::string encode_table(const ServiceTable& table) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [key, a] : table) out[key] = {{"clusterIPs", a.cluster_ips}, {"nodePorts", a.node_ports}};
  return out.dump();
}

Result<ServiceTable> decode_table(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    ServiceTable out;
    for (const auto& [key, value] : json.items()) {
      // Before there were several addresses "clusterIP" was the one, or empty.
      std::vector<std::string> ips;
      if (const auto one = value.value("clusterIP", ""); !one.empty()) ips.push_back(one);
      if (value.contains("clusterIPs")) ips = value["clusterIPs"].get<std::vector<std::string>>();
      out[key] = {std::move(ips), value.at("nodePorts").get<std::map<std::string, std::int32_t>>()};
    }
    return out;
  } catch (const nlohmann::json::exception& e) {
    return make_error(Errc::invalid_argument, e.what());
  }
}

}  // namespace keelson::agent
