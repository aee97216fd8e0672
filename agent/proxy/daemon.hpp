// `keelson proxy`: the Service proxy alone, in the place of kube-proxy beside another node agent. Follows Services,
// EndpointSlices and its own Node, writes the rules, serves health and metrics, answers `keelson explain service`.
// After k8s.io/kubernetes cmd/kube-proxy/app/server.go.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "agent/config/options.hpp"
#include "base/async.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

struct ProxyRun {
  Options options;
  std::string api_server;  // --master: in place of the kubeconfig's; empty: that
  bool init_only = false;  // set kernel settings and end: what comes after needs no privilege but CAP_NET_ADMIN
};

class ProxyDaemon {
 public:
  explicit ProxyDaemon(ProxyRun run);
  ~ProxyDaemon();

  // Runs until SIGTERM or SIGINT and leaves the rules as they are; the process' exit code.
  int run();
  // Removes the rules of every mode: `keelson proxy --cleanup`. The process' exit code.
  int clean_up();

 private:
  struct Parts;
  int drive(Awaitable<void> main);
  Awaitable<void> serve();
  Awaitable<Result<void>> start();
  Awaitable<void> stop();
  Awaitable<void> remove_rules();

  ProxyRun run_;
  asio::io_context loop_{1};
  std::unique_ptr<Parts> parts_;
  int exit_code_ = 0;
};

// The node's addresses, the primary one's family first, one for each family: `bind_address`, those of the Node, or the
// loopback's. `ipv6`: the kernel has it. Pure. (cmd/kube-proxy/app/server.go detectNodeIPs)
[[nodiscard]] std::vector<std::string> proxy_node_ips(const std::string& bind_address, const kube::Node* node,
                                                      bool ipv6);

}  // namespace keelson::agent
