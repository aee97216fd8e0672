// The Service proxy's part of the daemon: passes whole sets of Services and EndpointSlices on as differences.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/options.hpp"
#include "base/blocking_pool.hpp"
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

  void set_services(const ServiceList& services);
  void set_slices(const SliceList& slices);
  // The Node's podCIDRs, for detectLocalMode NodeCIDR; no rule is written before they are known there.
  void set_node_cidrs(const std::vector<std::string>& cidrs);
  // Writes rules until cancelled; returns at once where the proxy is switched off.
  Awaitable<void> run();

  [[nodiscard]] const ServiceList& services() const { return services_; }
  [[nodiscard]] const SliceList& slices() const { return slices_; }
  [[nodiscard]] const proxy::Proxier* proxier() const { return proxier_ ? &*proxier_ : nullptr; }

 private:
  proxy::SystemIptables iptables_;
  proxy::NetlinkNft nft_;
  proxy::NetlinkConntrack conntrack_;
  std::optional<proxy::Proxier> proxier_;
  ServiceList services_;
  SliceList slices_;
};

}  // namespace keelson::agent
