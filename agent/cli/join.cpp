#include "agent/cli/join.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <optional>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "kube/client/client.hpp"
#include "kube/client/discovery.hpp"
#include "kube/client/objects.hpp"
#include "kube/config.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kConfigName = "kubelet-config";

// What is learned on the way; each step needs the one before.
struct Joined {
  kube::ClientConfig cluster;
  std::string kubelet_config;  // the cluster's own; empty: not for this token to read
};

Awaitable<Result<kube::ConfigMap>> cluster_info(Executor executor, kube::ClientConfig config) {
  kube::ApiClient client(executor, std::move(config));
  co_return co_await kube::get<kube::ConfigMap>(client, "kube-public", "cluster-info");
}

Awaitable<Result<Joined>> discover(Executor executor, JoinArgs args, kube::BootstrapToken token) {
  kube::ClientConfig unknown;
  unknown.server = "https://" + args.server;
  unknown.insecure_skip_tls_verify = true;
  const auto seen = co_await cluster_info(executor, std::move(unknown));
  if (!seen) co_return seen.error().context("cluster-info of " + args.server);
  CO_TRY(auto cluster, kube::verified_cluster(seen->data, token, args.ca_hashes));
  // Again, now over TLS that the CA vouches for: what was said is said by the cluster itself.
  const auto again = co_await cluster_info(executor, cluster);
  if (!again) co_return again.error().context("cluster-info of " + cluster.server + ", verified by its CA");
  CO_TRY(auto confirmed, kube::verified_cluster(again->data, token, args.ca_hashes));

  Joined out;
  out.cluster = std::move(confirmed);
  out.cluster.token = token.text();
  kube::ApiClient client(executor, out.cluster);
  const auto config = co_await kube::get<kube::ConfigMap>(client, "kube-system", kConfigName);
  if (config) {
    const auto text = config->data.find("kubelet");
    if (text != config->data.end()) out.kubelet_config = text->second;
  }
  co_return out;
}

std::string own_config(const std::filesystem::path& ca_file) {
  return "apiVersion: kubelet.config.k8s.io/v1beta1\n"
         "kind: KubeletConfiguration\n"
         "authentication:\n  anonymous:\n    enabled: false\n  webhook:\n    enabled: true\n"
         "  x509:\n    clientCAFile: " +
         ca_file.string() +
         "\n"
         "authorization:\n  mode: Webhook\n"
         "rotateCertificates: true\n";
}

Result<void> write_files(const JoinArgs& args, const Joined& joined) {
  const auto ca_file = args.folder / "ca.crt";
  CHECK_OK(make_dirs(args.folder, 0755));
  CHECK_OK(write_file_atomic(ca_file, joined.cluster.ca.data, 0644));
  CHECK_OK(kube::write_kubeconfig(args.folder / "bootstrap.conf", joined.cluster));
  // kubeadm's configuration expects the CA where kubeadm puts it.
  if (joined.kubelet_config.find("/etc/kubernetes/pki/ca.crt") != std::string::npos) {
    CHECK_OK(make_dirs("/etc/kubernetes/pki", 0755));
    CHECK_OK(write_file_atomic("/etc/kubernetes/pki/ca.crt", joined.cluster.ca.data, 0644));
  }
  const auto& config = joined.kubelet_config.empty() ? own_config(ca_file) : joined.kubelet_config;
  return write_file_atomic(args.folder / "config.yaml", config, 0644);
}

Result<Joined> run_discovery(const JoinArgs& args, const kube::BootstrapToken& token) {
  asio::io_context loop;
  std::optional<Result<Joined>> result;
  asio::co_spawn(loop, discover(loop.get_executor(), args, token),
                 [&](const std::exception_ptr& failure, Result<Joined> found) {
                   if (failure) std::rethrow_exception(failure);
                   result.emplace(std::move(found));
                   loop.stop();
                 });
  loop.run();
  return *result;
}

Result<void> join_cluster(const JoinArgs& args) {
  TRY(const auto token, kube::parse_bootstrap_token(args.token));
  if (args.ca_hashes.empty()) {
    return make_error(Errc::invalid_argument,
                      "--discovery-token-ca-cert-hash sha256:HEX is needed: without it anybody could "
                      "pretend to be the cluster");
  }
  TRY(const auto joined, run_discovery(args, token));
  return write_files(args, joined);
}

}  // namespace

int run_join(const JoinArgs& args) {
  if (const auto joined = join_cluster(args); !joined) {
    std::cerr << "keelson: join: " << joined.error().message << "\n";
    return 1;
  }
  const auto folder = args.folder.string();
  std::cout << "Wrote " << folder << "/{ca.crt,bootstrap.conf,config.yaml}. Now start the node agent:\n"
            << "  keelson run --config " << folder << "/config.yaml --bootstrap-kubeconfig " << folder
            << "/bootstrap.conf --kubeconfig " << folder << "/kubeconfig\n";
  return 0;
}

}  // namespace keelson::agent
