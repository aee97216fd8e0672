// The Service proxy's part of the daemon. A cluster's objects are passed on one by one and not kept; the manifest
// folder gives whole lists, which are passed on as differences.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/options.hpp"
#include "base/blocking_pool.hpp"
#include "kube/node.hpp"
#include "kube/service.hpp"
#include "proxy/nft_kernel.hpp"
#include "proxy/proxier.hpp"

namespace keelson::agent {

class Services {
 public:
  using ServiceList = std::vector<std::shared_ptr<const kube::Service>>;
  using SliceList = std::vector<std::shared_ptr<const kube::EndpointSlice>>;

  Services(Executor executor, BlockingPool& pool, const Options& options, const std::string& node_name,
           const std::vector<std::string>& node_ips, const Clock& clock);

  // One object of a cluster, as Proxier takes it.
  void set_service(const kube::Service& service);
  void remove_service(const std::string& key);  // "namespace/name"
  void set_slice(const kube::EndpointSlice& slice);
  void remove_slice(const std::string& key);
  // All that the cluster had was given.
  void services_synced();
  void slices_synced();

  // All of the folder's.
  void set_services(const ServiceList& services);
  void set_slices(const SliceList& slices);

  // The own Node as the API server has it, null: there is none. Its podCIDRs are for detectLocalMode NodeCIDR (no rule
  // is written before they are known there), its zone label for topology hints.
  void set_node(const kube::Node* node);
  // Whether load balancers may choose the node (agent/proxy/health.hpp); nothing before set_node().
  [[nodiscard]] std::optional<bool> node_eligible() const { return node_eligible_; }
  // Writes rules until cancelled; returns at once where the proxy is switched off.
  Awaitable<void> run();

  // For people to look at: the folder's, or what the proxy knows of the cluster's (proxy/describe.hpp). Builds them.
  [[nodiscard]] ServiceList services() const;
  [[nodiscard]] SliceList slices() const;
  [[nodiscard]] std::size_t service_count() const;
  // Null where the proxy is switched off.
  [[nodiscard]] const proxy::Proxier* proxier() const { return proxier_ ? &*proxier_ : nullptr; }
  [[nodiscard]] proxy::Proxier* proxier() { return proxier_ ? &*proxier_ : nullptr; }

 private:
  proxy::SystemIptables iptables_;
  proxy::NetlinkNft nft_;
  proxy::NetlinkConntrack conntrack_;
  std::optional<proxy::Proxier> proxier_;
  std::optional<bool> node_eligible_;
  ServiceList services_;
  SliceList slices_;
};

}  // namespace keelson::agent
