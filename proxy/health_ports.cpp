#include "proxy/health_ports.hpp"

#include <algorithm>
#include <set>

namespace keelson::proxy {

std::size_t ready_local_endpoints(const ServiceEntry& service) {
  std::array<std::set<IpAddress>, 2> ready;
  constexpr std::uint8_t wanted = kReady | kLocal;
  for (const Slice& slice : service.slices) {
    if (slice.ports.empty()) continue;
    for (const SliceEndpoint& e : slice.endpoints) {
      if ((e.flags & wanted) == wanted) ready[index_of(slice.family)].insert(e.ip);
    }
  }
  return std::max(ready[0].size(), ready[1].size());
}

bool update_health_ports(const Model& model, const std::vector<std::string>& keys, HealthPorts& ports) {
  bool changed = false;
  for (const std::string& key : keys) {
    const ServiceEntry* service = model.find(key);
    if (service == nullptr || !service->spec || service->spec->health_check_node_port == 0) {
      changed = ports.erase(key) > 0 || changed;
      continue;
    }
    const HealthPort now{service->spec->health_check_node_port, ready_local_endpoints(*service)};
    HealthPort& known = ports[key];
    changed = changed || known != now;
    known = now;
  }
  return changed;
}

}  // namespace keelson::proxy
