#include "kube/client/exec_plugin.hpp"

#include <nlohmann/json.hpp>

#include "base/strings.hpp"
#include "base/subprocess.hpp"
#include "kube/text_member.hpp"

namespace keelson::kube {
namespace {

using Json = nlohmann::json;

constexpr auto kTimeout = Seconds(60);

std::vector<std::string> environment(const ClientConfig& config, const std::string& ca_pem) {
  auto more = config.exec->env;
  more.emplace_back("KUBERNETES_EXEC_INFO", exec_info(config, ca_pem));
  return environment_with(more);
}

}  // namespace

std::string exec_info(const ClientConfig& config, const std::string& ca_pem) {
  Json spec{{"interactive", false}};
  if (config.exec->provide_cluster_info) {
    Json cluster{{"server", config.server}};
    if (!config.tls_server_name.empty()) cluster["tls-server-name"] = config.tls_server_name;
    if (config.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
    if (!ca_pem.empty()) cluster["certificate-authority-data"] = base64_encode(ca_pem);
    if (!config.proxy_url.empty()) cluster["proxy-url"] = config.proxy_url;
    spec["cluster"] = std::move(cluster);
  }
  const Json info{{"apiVersion", config.exec->api_version}, {"kind", "ExecCredential"}, {"spec", std::move(spec)}};
  return info.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ExecCredential> parse_exec_credential(const std::string& text, const std::string& api_version) {
  const auto bad = [](const std::string& why) { return make_error(Errc::invalid_argument, "ExecCredential: " + why); };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("not a JSON object");
  if (text_member(json, "kind") != "ExecCredential") return bad("kind: expected ExecCredential");
  if (text_member(json, "apiVersion") != api_version) return bad("apiVersion: expected " + api_version);
  const auto status = json.find("status");
  if (status == json.end() || !status->is_object()) return bad("status: Required value");
  ExecCredential out;
  out.token = text_member(*status, "token");
  out.certificate_pem = text_member(*status, "clientCertificateData");
  out.key_pem = text_member(*status, "clientKeyData");
  if (out.certificate_pem.empty() != out.key_pem.empty()) {
    return bad("status: clientCertificateData and clientKeyData go together");
  }
  if (out.token.empty() && out.certificate_pem.empty()) return bad("status: neither a token nor a certificate");
  if (const std::string expires = text_member(*status, "expirationTimestamp"); !expires.empty()) {
    auto time = parse_time(expires);
    if (!time) return bad("status.expirationTimestamp: " + time.error().message);
    out.expires = *time;
  }
  return out;
}

Awaitable<Result<ExecCredential>> run_exec_plugin(ClientConfig config, std::string ca_pem) {
  Command command;
  command.argv.push_back(config.exec->command);
  command.argv.insert(command.argv.end(), config.exec->args.begin(), config.exec->args.end());
  command.env = environment(config, ca_pem);
  command.timeout = kTimeout;
  const std::string what = "exec plugin " + config.exec->command;
  Result<CommandResult> ran = co_await run_command(std::move(command));
  if (!ran) {
    Error error = ran.error().context(what);
    if (error.code == Errc::not_found && !config.exec->install_hint.empty()) {
      error.message += "\n" + config.exec->install_hint;
    }
    co_return error;
  }
  if (!ran->ok()) co_return make_error(Errc::unavailable, what + ": " + ran->describe());
  co_return with_context(parse_exec_credential(ran->out, config.exec->api_version), what);
}

}  // namespace keelson::kube
