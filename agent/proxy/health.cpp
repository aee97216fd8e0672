#include "agent/proxy/health.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr const char* kToBeDeleted = "ToBeDeletedByClusterAutoscaler";

}  // namespace

std::vector<FamilyHealth> family_health(const proxy::Proxier& proxier, SystemTime now, SteadyTime steady) {
  std::vector<FamilyHealth> out;
  for (const proxy::FamilyStatus& f : proxier.status().families) {
    const bool healthy = proxier.record().waiting(f.family, steady) <= proxier.patience();
    out.push_back({f.family, healthy, healthy ? now : f.last_sync.value_or(SystemTime())});
  }
  return out;
}

bool is_healthy(const std::vector<FamilyHealth>& families) {
  return std::all_of(families.begin(), families.end(), [](const FamilyHealth& f) { return f.healthy; });
}

bool is_eligible(const kube::Node* node) {
  if (node == nullptr || node->metadata.deletion_timestamp) return false;
  const auto& taints = node->spec.taints;
  return std::none_of(taints.begin(), taints.end(), [](const kube::Taint& t) { return t.key == kToBeDeleted; });
}

HealthAnswer health_answer(const std::vector<FamilyHealth>& families, std::optional<bool> eligible, SystemTime now) {
  const bool healthy = is_healthy(families);
  SystemTime last = now;
  json status = json::object();
  for (const FamilyHealth& f : families) {
    last = std::min(last, f.last_updated);
    status[proxy::to_string(f.family)] = {{"lastUpdated", kube::format_nano_time(f.last_updated)},
                                          {"healthy", f.healthy}};
  }
  json body = {{"lastUpdated", kube::format_nano_time(last)},
               {"currentTime", kube::format_nano_time(now)},
               {"healthy", healthy},
               {"status", std::move(status)}};
  if (eligible) body["nodeEligible"] = *eligible;
  return {healthy && eligible.value_or(true) ? 200 : 503, body.dump()};
}

HealthAnswer service_health_answer(const std::string& service, std::size_t local_endpoints, bool proxy_healthy) {
  const auto slash = service.find('/');
  const json body = {{"service", {{"namespace", service.substr(0, slash)}, {"name", service.substr(slash + 1)}}},
                     {"localEndpoints", local_endpoints},
                     {"serviceProxyHealthy", proxy_healthy}};
  return {local_endpoints > 0 && proxy_healthy ? 200 : 503, body.dump()};
}

}  // namespace keelson::agent
