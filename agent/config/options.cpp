#include "agent/config/options.hpp"

#include "proxy/ip.hpp"

namespace keelson::agent {

Result<void> check_options(const Options& o) {
  if (o.manifests.empty() && !o.cluster.enabled()) {
    return make_error(Errc::invalid_argument,
                      "nothing to run: give --manifests DIR (or staticPodPath in --config) or --kubeconfig FILE");
  }
  for (const auto& ip : o.node_ips) {
    if (!proxy::IpAddress::parse(ip))
      return make_error(Errc::invalid_argument, "--node-ip \"" + ip + "\" is not an IP address");
  }
  if (o.node_ips.size() > 2)
    return make_error(Errc::invalid_argument, "--node-ip: at most one IPv4 and one IPv6 address");
  if (!o.root_dir.is_absolute()) return make_error(Errc::invalid_argument, "--root-dir must be an absolute path");
  return {};
}

}  // namespace keelson::agent
