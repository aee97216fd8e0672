// How the node proves to the API server who it is: the kubeconfig, or, before there is one, the bootstrap kubeconfig
// and a certificate asked for with it (kubelet's --kubeconfig, --bootstrap-kubeconfig, rotateCertificates).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kube/client/certificate_manager.hpp"
#include "kube/client/kubeconfig.hpp"

namespace keelson::kube {

struct ClientIdentityPaths {
  std::filesystem::path kubeconfig;
  std::filesystem::path bootstrap_kubeconfig;  // or empty
  std::filesystem::path certificate_folder;    // "/var/lib/kubelet/pki"

  [[nodiscard]] CertificateStore store() const { return CertificateStore(certificate_folder, "kubelet-client"); }
};

struct ClientIdentity {
  ClientConfig config;   // what to make the node's ApiClient of
  bool rotates = false;  // it is known by a client certificate in the store, for a CertificateManager to keep valid
};

// Finds out by what the node is known, and prepares its files:
// - a kubeconfig with a token or a plugin is used as it is;
// - a client certificate elsewhere than in the store is copied there, unless that one is valid already, and the store's
// is
//   used from then on;
// - where there is no kubeconfig, one is written with the server of the bootstrap kubeconfig and the store's
// certificate,
//   which need not be there yet: requests fail as unavailable until the CertificateManager has brought it.
// Errors name the file; not_found when there is neither kubeconfig nor bootstrap kubeconfig. Blocks.
Result<ClientIdentity> prepare_client_identity(const ClientIdentityPaths& paths, Time now);

// A CertificateManager's options for the node's client certificate. `api` is the node's own client, asked while its
// certificate is valid; `connect` makes a client of the bootstrap kubeconfig, which is read anew each time.
CertificateManagerOptions client_certificate_options(const ClientIdentityPaths& paths, const std::string& node,
                                                     std::shared_ptr<Api> api,
                                                     std::function<std::shared_ptr<Api>(ClientConfig)> connect);

// The same for the serving certificate of :10250 (serverTLSBootstrap), kubelet-server-current.pem. `names` as in
// CertificateManagerOptions.
CertificateManagerOptions serving_certificate_options(const std::filesystem::path& certificate_folder,
                                                      const std::string& node, std::shared_ptr<Api> api,
                                                      std::function<std::optional<SubjectAltNames>()> names);

}  // namespace keelson::kube
