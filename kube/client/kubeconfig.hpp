// kubeconfig files (client-go tools/clientcmd): which API server to talk to, as whom, and whom to trust.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace keelson::kube {

// PEM text, given in place or by a file that is read again when it changes. In place wins, as in client-go.
struct PemSource {
  std::string data;
  std::filesystem::path file;
  [[nodiscard]] bool empty() const { return data.empty() && file.empty(); }
  bool operator==(const PemSource&) const = default;
};

// A program that hands out credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;  // client.authentication.k8s.io/v1 or v1beta1
  std::string command;      // a path, or a name looked up in PATH
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  // added to our own
  bool provide_cluster_info = false;
  std::string install_hint;  // shown when the command does not exist
  bool operator==(const ExecPlugin&) const = default;
};

struct ClientConfig {
  std::string server;  // "https://10.0.0.1:6443", perhaps with a path prefix; no slash at its end
  PemSource ca;        // none: the system's
  bool insecure_skip_tls_verify = false;
  std::string tls_server_name;  // the name that the server's certificate must carry, where not the one in `server`
  std::string proxy_url;        // none: as the environment says (HTTPS_PROXY, NO_PROXY)

  PemSource client_certificate;
  PemSource client_key;
  std::string token;                 // bearer token
  std::filesystem::path token_file;  // wins over `token`; read again when it changes
  std::optional<ExecPlugin> exec;
  bool operator==(const ClientConfig&) const = default;
};

// Reads the file's context `context`, or its current-context. Relative paths become relative to the file's folder.
// Errors name file, field and reason: `/etc/kubernetes/kubelet.conf: users[0].user.client-certificate-data: not
// base64`; not_found when there is no such file.
Result<ClientConfig> load_kubeconfig(const std::filesystem::path& path, const std::string& context = "");
// The same from text; `name` is the file's name in messages, `folder` what relative paths are relative to.
Result<ClientConfig> parse_kubeconfig(const std::string& text, const std::string& name,
                                      const std::filesystem::path& folder, const std::string& context = "");

// How a pod reaches its cluster's API server: the environment's address, its service account's token and CA below
// `folder`. Error: not_found when this process is in no pod. (client-go rest.InClusterConfig)
Result<ClientConfig> in_cluster_config(
    const std::filesystem::path& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// The file with this one cluster, user and context ("default-cluster", "default-auth", "default-context", as the
// kubelet names them). Paths are written as they are.
[[nodiscard]] std::string format_kubeconfig(const ClientConfig& config);
// Writes that atomically with mode 0600 and makes the folder if need be. Blocks.
Result<void> write_kubeconfig(const std::filesystem::path& path, const ClientConfig& config);

}  // namespace keelson::kube
