#include "kube/client/client_identity.hpp"

#include "base/files.hpp"

namespace keelson::kube {
namespace {

Subject node_subject(const std::string& node) { return Subject{"system:node:" + node, {"system:nodes"}}; }

bool is_valid(const std::string& certificate_pem, Time now) {
  const auto facts = read_certificate(certificate_pem);
  return facts && facts->not_before <= now && now < facts->not_after;
}

Result<std::string> text_of(const PemSource& source) {
  if (!source.data.empty()) return source.data;
  return read_file(source.file);
}

// Copies the kubeconfig's client certificate into the store where that has no valid one.
Result<void> adopt(const ClientConfig& config, const CertificateStore& store, Time now) {
  if (config.client_certificate.empty()) return {};
  const auto stored = store.current();
  if (stored && is_valid(stored->certificate_pem, now)) return {};
  if (config.client_certificate.data.empty() && config.client_certificate.file == store.current_path()) return {};
  CertificatePair pair;
  TRY(pair.certificate_pem, text_of(config.client_certificate));
  TRY(pair.key_pem, text_of(config.client_key));
  if (stored && !is_valid(pair.certificate_pem, now)) return {};  // neither is of use
  return store.store(pair, now);
}

void use_store(ClientConfig& config, const CertificateStore& store) {
  config.client_certificate = PemSource{{}, store.current_path()};
  config.client_key = config.client_certificate;
}

// The kubeconfig of a node that is yet to get its certificate.
Result<ClientIdentity> begin_bootstrap(const ClientIdentityPaths& paths) {
  auto bootstrap = load_kubeconfig(paths.bootstrap_kubeconfig);
  if (!bootstrap) return bootstrap.error().context("bootstrap kubeconfig");
  ClientIdentity identity;
  identity.config.server = bootstrap->server;
  identity.config.ca = bootstrap->ca;
  identity.config.insecure_skip_tls_verify = bootstrap->insecure_skip_tls_verify;
  identity.config.tls_server_name = bootstrap->tls_server_name;
  identity.config.proxy_url = bootstrap->proxy_url;
  use_store(identity.config, paths.store());
  identity.rotates = true;
  CHECK_OK(write_kubeconfig(paths.kubeconfig, identity.config));
  return identity;
}

}  // namespace

Result<ClientIdentity> prepare_client_identity(const ClientIdentityPaths& paths, Time now) {
  auto config = load_kubeconfig(paths.kubeconfig);
  if (!config && config.error().code == Errc::not_found) {
    if (!paths.bootstrap_kubeconfig.empty()) return begin_bootstrap(paths);
    return make_error(Errc::not_found, config.error().message + ", and there is no bootstrap kubeconfig");
  }
  if (!config) return config.error();
  ClientIdentity identity;
  identity.config = std::move(*config);
  if (identity.config.client_certificate.empty()) return identity;
  const CertificateStore store = paths.store();
  const auto adopted = adopt(identity.config, store, now);
  if (!adopted && paths.bootstrap_kubeconfig.empty()) return adopted.error().context(paths.kubeconfig.string());
  use_store(identity.config, store);
  identity.rotates = true;
  return identity;
}

CertificateManagerOptions client_certificate_options(const ClientIdentityPaths& paths, const std::string& node,
                                                     std::shared_ptr<Api> api,
                                                     std::function<std::shared_ptr<Api>(ClientConfig)> connect) {
  CertificateManagerOptions options{
      paths.store(), kClientSigner, {"digital signature", "client auth"}, node_subject(node)};
  options.adopt = [paths]() -> Result<void> {
    const auto config = load_kubeconfig(paths.kubeconfig);
    return config ? adopt(*config, paths.store(), system_clock().now()) : Result<void>();
  };
  options.api = [paths, api = std::move(api), connect = std::move(connect)](bool valid,
                                                                            std::string& why) -> std::shared_ptr<Api> {
    if (valid) return api;
    if (paths.bootstrap_kubeconfig.empty()) {
      why = paths.store().current_path().string() +
            ": the client certificate is missing or has expired, and there is no bootstrap kubeconfig to ask for "
            "another: "
            "join the node again, or write " +
            paths.kubeconfig.string() + " anew";
      return nullptr;
    }
    auto bootstrap = load_kubeconfig(paths.bootstrap_kubeconfig);
    if (bootstrap) return connect(std::move(*bootstrap));
    why = "bootstrap kubeconfig: " + bootstrap.error().message;
    return nullptr;
  };
  return options;
}

CertificateManagerOptions serving_certificate_options(const std::filesystem::path& certificate_folder,
                                                      const std::string& node, std::shared_ptr<Api> api,
                                                      std::function<std::optional<SubjectAltNames>()> names) {
  CertificateManagerOptions options{CertificateStore(certificate_folder, "kubelet-server"),
                                    kServingSigner,
                                    {"digital signature", "server auth"},
                                    node_subject(node)};
  options.names = [names = std::move(names)]() -> std::optional<SubjectAltNames> {
    auto known = names();
    if (!known || known->ips.empty()) return std::nullopt;
    return known;
  };
  options.api = [api = std::move(api)](bool, std::string&) { return api; };
  return options;
}

}  // namespace keelson::kube
