#include "agent/standalone/allocate.hpp"

#include <arpa/inet.h>

#include <nlohmann/json.hpp>
#include <set>

namespace keelson::agent {
namespace {

constexpr std::int32_t kFirstNodePort = 30000;
constexpr std::int32_t kLastNodePort = 32767;

struct Range {
  std::uint32_t first = 0;  // the first address that is given out
  std::uint32_t count = 0;
};

std::string text_of(std::uint32_t address) {
  const in_addr in{htonl(address)};
  char buffer[INET_ADDRSTRLEN] = {};
  return ::inet_ntop(AF_INET, &in, buffer, sizeof buffer);
}

Result<Range> parse_range(const std::string& cidr) {
  const auto slash = cidr.find('/');
  in_addr in{};
  int bits = -1;
  if (slash != std::string::npos && cidr.size() - slash <= 3) {
    bits = std::atoi(cidr.c_str() + slash + 1);
  }
  if (bits < 8 || bits > 30 || ::inet_pton(AF_INET, cidr.substr(0, slash).c_str(), &in) != 1) {
    return make_error(Errc::invalid_argument, "\"" + cidr + "\" is not an IPv4 range such as 10.96.0.0/16 (/8 to /30)");
  }
  const std::uint32_t size = 1u << (32 - bits);
  return Range{(ntohl(in.s_addr) & ~(size - 1)) + 1, size - 2};  // neither the network's nor the broadcast address
}

std::string port_key(const kube::ServicePort& port) { return std::to_string(port.port) + "/" + port.protocol; }

bool wants_cluster_ip(const kube::Service& s) { return s.spec.type != "ExternalName" && s.spec.cluster_ip != "None"; }

bool wants_node_ports(const kube::Service& s) {
  return s.spec.type == "NodePort" ||
         (s.spec.type == "LoadBalancer" && s.spec.allocate_load_balancer_node_ports.value_or(true));
}

// Node ports that a manifest sets itself count in either of these types.
bool may_have_node_ports(const kube::Service& s) { return s.spec.type == "NodePort" || s.spec.type == "LoadBalancer"; }

class Allocator {
 public:
  Allocator(const kube::ObjectMap<kube::Service>& services, const ServiceTable& table, Range range)
      : services_(services), table_(table), range_(range) {}

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
    const auto& ip = s.spec.cluster_ip;
    if (wants_cluster_ip(s) && !ip.empty() && (had.cluster_ip == ip) == owners) claim_ip(key, s, ip, true);
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
      if (wants_cluster_ip(*s) && s->spec.cluster_ip.empty() && in_range(it->second.cluster_ip)) {
        claim_ip(key, *s, it->second.cluster_ip, false);
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
      fresh_[key].cluster_ip = ip;
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

  [[nodiscard]] bool in_range(const std::string& ip) const {
    in_addr in{};
    if (::inet_pton(AF_INET, ip.c_str(), &in) != 1) return false;
    const auto address = ntohl(in.s_addr);
    return address >= range_.first && address - range_.first < range_.count;
  }

  void allocate(const std::string& key, const kube::Service& s) {
    auto copy = std::make_shared<kube::Service>(s);
    auto& given = fresh_[key];
    if (wants_cluster_ip(s)) {
      if (given.cluster_ip.empty() && s.spec.cluster_ip.empty()) given.cluster_ip = next_ip(key, s);
      copy->spec.cluster_ip = given.cluster_ip;
      copy->spec.cluster_ips.clear();
      if (!given.cluster_ip.empty()) copy->spec.cluster_ips.push_back(given.cluster_ip);
    }
    for (auto& port : copy->spec.ports) {
      const auto it = given.node_ports.find(port_key(port));
      const bool wants_one = wants_node_ports(s) && port.node_port == 0;
      port.node_port = it != given.node_ports.end() ? it->second : wants_one ? next_port(key, s, port) : 0;
      if (port.node_port != 0) given.node_ports[port_key(port)] = port.node_port;
    }
    if (!given.cluster_ip.empty() || !given.node_ports.empty()) out_.table[key] = given;
    out_.services.push_back(std::move(copy));
  }

  std::string next_ip(const std::string& key, const kube::Service& s) {
    for (std::uint32_t i = 0; i < range_.count; ++i) {
      const auto ip = text_of(range_.first + (cursor_ + i) % range_.count);
      if (!ips_.emplace(ip, key).second) continue;
      cursor_ += i + 1;
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
  Range range_;
  std::uint32_t cursor_ = 9;  // the first ten are left to those who write addresses by hand (kubernetes, DNS)
  std::map<std::string, std::string> ips_;
  std::map<std::pair<std::int32_t, std::string>, std::string> node_ports_;
  ServiceTable fresh_;
  AllocatedServices out_;
};

}  // namespace

Result<AllocatedServices> allocate_services(const kube::ObjectMap<kube::Service>& services, const ServiceTable& table,
                                            const std::string& cidr) {
  TRY(const auto range, parse_range(cidr));
  return Allocator(services, table, range).run();
}

std::string encode_table(const ServiceTable& table) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [key, a] : table) out[key] = {{"clusterIP", a.cluster_ip}, {"nodePorts", a.node_ports}};
  return out.dump();
}

Result<ServiceTable> decode_table(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    ServiceTable out;
    for (const auto& [key, value] : json.items()) {
      out[key] = {value.at("clusterIP").get<std::string>(),
                  value.at("nodePorts").get<std::map<std::string, std::int32_t>>()};
    }
    return out;
  } catch (const nlohmann::json::exception& e) {
    return make_error(Errc::invalid_argument, e.what());
  }
}

}  // namespace keelson::agent
