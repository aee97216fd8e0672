#include <cstdlib>

#include "kube/client/kubeconfig.hpp"

namespace keelson::kube {

Result<ClientConfig> in_cluster_config(const std::filesystem::path& folder) {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  std::error_code ec;
  if (host == nullptr || port == nullptr || !std::filesystem::exists(folder / "token", ec)) {
    return make_error(Errc::not_found, "no kubeconfig was given, and this is no pod of a cluster");
  }
  const std::string ip = host;
  ClientConfig config;
  config.server = "https://" + (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + port;
  config.token_file = folder / "token";
  config.ca.file = folder / "ca.crt";
  return config;
}

}  // namespace keelson::kube
