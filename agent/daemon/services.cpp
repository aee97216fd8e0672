#include "agent/daemon/services.hpp"

#include "agent/proxy/health.hpp"
#include "kube/endpoint_slice.hpp"
#include "proxy/describe.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

template <class T>
std::map<std::string, std::shared_ptr<const T>> by_key(const std::vector<std::shared_ptr<const T>>& list) {
  std::map<std::string, std::shared_ptr<const T>> out;
  for (const auto& item : list) out[kube::object_key(item->metadata)] = item;
  return out;
}

// Calls set(object) for what is new or other than before, remove(key) for what is gone.
template <class T, class Set, class Remove>
void pass_differences(const std::vector<std::shared_ptr<const T>>& before,
                      const std::vector<std::shared_ptr<const T>>& now, Set set, Remove remove) {
  const auto old = by_key(before);
  const auto fresh = by_key(now);
  for (const auto& [key, object] : old) {
    if (fresh.count(key) == 0) remove(key);
  }
  for (const auto& [key, object] : fresh) {
    const auto it = old.find(key);
    if (it == old.end() || (it->second != object && !(*it->second == *object))) set(*object);
  }
}

std::vector<proxy::IpAddress> parse_ips(const std::vector<std::string>& texts) {
  std::vector<proxy::IpAddress> out;
  for (const auto& text : texts) {
    if (const auto ip = proxy::IpAddress::parse(text)) out.push_back(*ip);
  }
  return out;
}

}  // namespace

Services::Services(Executor executor, BlockingPool& pool, const Options& options, const std::string& node_name,
                   const std::vector<std::string>& node_ips, const Clock& clock)
    : nft_(pool), conntrack_(pool) {
  if (!options.proxy_enabled) return;
  proxier_.emplace(executor, options.proxy, node_name, parse_ips(node_ips), clock, iptables_, conntrack_, &nft_);
}

void Services::set_service(const kube::Service& service) {
  if (proxier_) proxier_->set_service(service);
}

void Services::remove_service(const std::string& key) {
  if (proxier_) proxier_->remove_service(key);
}

void Services::set_slice(const kube::EndpointSlice& slice) {
  if (proxier_) proxier_->set_slice(slice);
}

void Services::remove_slice(const std::string& key) {
  if (proxier_) proxier_->remove_slice(key);
}

void Services::services_synced() {
  if (proxier_) proxier_->services_synced();
}

void Services::slices_synced() {
  if (proxier_) proxier_->slices_synced();
}

void Services::set_services(const ServiceList& services) {
  if (proxier_) {
    pass_differences(
        services_, services, [this](const kube::Service& s) { proxier_->set_service(s); },
        [this](const std::string& key) { proxier_->remove_service(key); });
    proxier_->services_synced();
  }
  services_ = services;
}

void Services::set_slices(const SliceList& slices) {
  if (proxier_) {
    pass_differences(
        slices_, slices, [this](const kube::EndpointSlice& s) { proxier_->set_slice(s); },
        [this](const std::string& key) { proxier_->remove_slice(key); });
    proxier_->slices_synced();
  }
  slices_ = slices;
}

Services::ServiceList Services::services() const {
  return services_.empty() && proxier_ ? proxy::describe_services(proxier_->model()) : services_;
}

Services::SliceList Services::slices() const {
  return slices_.empty() && proxier_ ? proxy::describe_slices(proxier_->model(), proxier_->node_name()) : slices_;
}

std::size_t Services::service_count() const {
  return services_.empty() && proxier_ ? proxier_->model().services().size() : services_.size();
}

void Services::set_node(const kube::Node* node) {
  node_eligible_ = is_eligible(node);
  if (!proxier_ || node == nullptr) return;
  if (!node->spec.pod_cidrs.empty()) proxier_->set_node_cidrs(node->spec.pod_cidrs);
  const auto zone = node->metadata.labels.find(kZoneLabel);
  proxier_->set_zone(zone == node->metadata.labels.end() ? std::string() : zone->second);
}

Awaitable<void> Services::run() {
  if (proxier_) co_await proxier_->run();
}

}  // namespace keelson::agent
