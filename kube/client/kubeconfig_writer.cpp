#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "kube/client/kubeconfig.hpp"

namespace keelson::kube {
namespace {

using Json = nlohmann::ordered_json;

void put(Json& json, const char* field, const std::string& value) {
  if (!value.empty()) json[field] = value;
}

void put_pem(Json& json, const std::string& field, const PemSource& source) {
  if (!source.data.empty()) json[field + "-data"] = base64_encode(source.data);
  if (!source.file.empty()) json[field] = source.file.string();
}

Json exec_json(const ExecPlugin& plugin) {
  Json exec{{"apiVersion", plugin.api_version}, {"command", plugin.command}, {"interactiveMode", "Never"}};
  if (!plugin.args.empty()) exec["args"] = plugin.args;
  for (const auto& [name, value] : plugin.env) exec["env"].push_back(Json{{"name", name}, {"value", value}});
  if (plugin.provide_cluster_info) exec["provideClusterInfo"] = true;
  put(exec, "installHint", plugin.install_hint);
  return exec;
}

}  // namespace

std::string format_kubeconfig(const ClientConfig& config) {
  Json cluster{{"server", config.server}};
  put_pem(cluster, "certificate-authority", config.ca);
  if (config.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
  put(cluster, "tls-server-name", config.tls_server_name);
  put(cluster, "proxy-url", config.proxy_url);
  Json user = Json::object();
  put_pem(user, "client-certificate", config.client_certificate);
  put_pem(user, "client-key", config.client_key);
  put(user, "token", config.token);
  put(user, "tokenFile", config.token_file.string());
  if (config.exec) user["exec"] = exec_json(*config.exec);

  Json file{{"apiVersion", "v1"}, {"kind", "Config"}};
  file["clusters"] = Json::array({Json{{"name", "default-cluster"}, {"cluster", cluster}}});
  file["users"] = Json::array({Json{{"name", "default-auth"}, {"user", user}}});
  const Json context{{"cluster", "default-cluster"}, {"user", "default-auth"}, {"namespace", "default"}};
  file["contexts"] = Json::array({Json{{"name", "default-context"}, {"context", context}}});
  file["current-context"] = "default-context";
  return file.dump(2, ' ', false, Json::error_handler_t::replace) +
         "\n";  // JSON is YAML, and quotes are never a question
}

Result<void> write_kubeconfig(const std::filesystem::path& path, const ClientConfig& config) {
  if (path.has_parent_path()) CHECK_OK(make_dirs(path.parent_path(), 0755));
  return write_file_atomic(path, format_kubeconfig(config), 0600);
}

}  // namespace keelson::kube
