// Exec plugins: a program that prints an ExecCredential (client.authentication.k8s.io; client-go
// plugin/pkg/client/auth/exec).
#pragma once

#include <optional>
#include <string>

#include "base/async.hpp"
#include "kube/client/kubeconfig.hpp"
#include "kube/time.hpp"

namespace keelson::kube {

struct ExecCredential {
  std::string token;
  std::string certificate_pem;  // with key_pem, or both empty
  std::string key_pem;
  std::optional<Time> expires;
};

// Runs config.exec, at most a minute long, and reads what it printed. `ca_pem` is what the plugin is told of the
// cluster's CA where it asks for that. Errors name the command; not_found carries the kubeconfig's install hint.
Awaitable<Result<ExecCredential>> run_exec_plugin(ClientConfig config, std::string ca_pem);

// Its parts, pure. An ExecCredential without a token or a certificate, or of another version, is invalid_argument.
Result<ExecCredential> parse_exec_credential(const std::string& text, const std::string& api_version);
[[nodiscard]] std::string exec_info(const ClientConfig& config, const std::string& ca_pem);  // KUBERNETES_EXEC_INFO

}  // namespace keelson::kube
