#include "kube/client/kubeconfig.hpp"

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "kube/yaml.hpp"

namespace keelson::kube {
namespace {

using Json = nlohmann::json;
using std::filesystem::path;

Error bad(const std::string& where, const std::string& why) {
  return make_error(Errc::invalid_argument, where + ": " + why);
}

// The fields of one object of the file, with its path for messages. The first error stays.
class Section {
 public:
  Section(const Json& json, std::string where, path folder)
      : json_(json), where_(std::move(where)), folder_(std::move(folder)) {}

  std::string text(const char* field) {
    const Json* value = find(field);
    if (!value) return {};
    if (value->is_string()) return value->get<std::string>();
    fail(field, std::string("expected string, got ") + value->type_name());
    return {};
  }
  bool boolean(const char* field) {
    const Json* value = find(field);
    if (!value) return false;
    if (value->is_boolean()) return value->get<bool>();
    fail(field, std::string("expected boolean, got ") + value->type_name());
    return false;
  }
  path file(const char* field) {
    const std::string value = text(field);
    if (value.empty() || path(value).is_absolute()) return value;
    return (folder_ / value).lexically_normal();
  }
  // FIELD-data in base64, and FIELD as a path.
  PemSource pem(const std::string& field) {
    PemSource source;
    const std::string data_field = field + "-data";
    const std::string encoded = text(data_field.c_str());
    if (!base64_decode(encoded, source.data)) fail(data_field, "not base64");
    source.file = file(field.c_str());
    return source;
  }
  const Json* list(const char* field) {
    const Json* value = find(field);
    if (!value || value->is_array()) return value;
    fail(field, std::string("expected list, got ") + value->type_name());
    return nullptr;
  }
  const Json* object(const char* field) {
    const Json* value = find(field);
    if (!value || value->is_object()) return value;
    fail(field, std::string("expected object, got ") + value->type_name());
    return nullptr;
  }
  void fail(const std::string& field, const std::string& why) {
    if (!error_) error_ = bad(at(field), why);
  }
  [[nodiscard]] std::string at(const std::string& field) const {
    return where_.ends_with(' ') ? where_ + field : where_ + "." + field;
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const path& folder() const { return folder_; }

 private:
  const Json* find(const char* field) {
    const auto it = json_.find(field);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  const Json& json_;
  std::string where_;
  path folder_;
  std::optional<Error> error_;
};

// The entry called `name` of a list of {name, BODY}: its body as a section.
Result<Section> named(Section& root, const char* list_field, const char* body, const std::string& name) {
  const Json* entries = root.list(list_field);
  if (root.error()) return *root.error();
  for (std::size_t i = 0; entries && i < entries->size(); ++i) {
    const Json& entry = (*entries)[i];
    if (!entry.is_object() || entry.value("name", Json()) != name) continue;
    const std::string where = root.at(list_field) + "[" + std::to_string(i) + "]." + body;
    const auto it = entry.find(body);
    if (it == entry.end() || !it->is_object()) return bad(where, "expected object");
    return Section(*it, where, root.folder());
  }
  return make_error(Errc::invalid_argument, root.at(list_field) + ": no entry named \"" + name + "\"");
}

Result<void> read_cluster(Section cluster, ClientConfig& config) {
  config.server = cluster.text("server");
  config.ca = cluster.pem("certificate-authority");
  config.insecure_skip_tls_verify = cluster.boolean("insecure-skip-tls-verify");
  config.tls_server_name = cluster.text("tls-server-name");
  config.proxy_url = cluster.text("proxy-url");
  while (config.server.ends_with('/')) config.server.pop_back();
  if (config.server.empty()) cluster.fail("server", "Required value");
  // clientcmd takes "host:port" without a scheme for http; on a node that is only ever a mistake.
  if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
    cluster.fail("server", "expected a URL that begins with https://, got \"" + config.server + "\"");
  }
  if (config.insecure_skip_tls_verify && !config.ca.empty()) {
    cluster.fail("insecure-skip-tls-verify", "may not be set together with a certificate authority");
  }
  if (cluster.error()) return *cluster.error();
  return {};
}

Result<ExecPlugin> read_exec(const Json& json, const Section& user) {
  Section exec(json, user.at("exec"), user.folder());
  ExecPlugin plugin;
  plugin.api_version = exec.text("apiVersion");
  plugin.command = exec.text("command");
  plugin.provide_cluster_info = exec.boolean("provideClusterInfo");
  plugin.install_hint = exec.text("installHint");
  if (plugin.command.empty()) exec.fail("command", "Required value");
  if (plugin.command.find('/') != std::string::npos) plugin.command = exec.file("command");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    exec.fail("apiVersion", "expected client.authentication.k8s.io/v1, got \"" + plugin.api_version + "\"");
  }
  if (const Json* args = exec.list("args")) {
    for (const Json& arg : *args) {
      if (arg.is_string())
        plugin.args.push_back(arg.get<std::string>());
      else
        exec.fail("args[" + std::to_string(plugin.args.size()) + "]", "expected string");
    }
  }
  if (const Json* env = exec.list("env")) {
    for (std::size_t i = 0; i < env->size(); ++i) {
      const std::string where = exec.at("env[" + std::to_string(i) + "]");
      if (!(*env)[i].is_object()) return bad(where, "expected object");
      Section variable((*env)[i], where, exec.folder());
      plugin.env.emplace_back(variable.text("name"), variable.text("value"));
      if (plugin.env.back().first.empty()) variable.fail("name", "Required value");
      if (variable.error()) return *variable.error();
    }
  }
  if (exec.error()) return *exec.error();
  return plugin;
}

Result<void> read_user(Section user, ClientConfig& config) {
  config.client_certificate = user.pem("client-certificate");
  config.client_key = user.pem("client-key");
  config.token = user.text("token");
  config.token_file = user.file("tokenFile");
  if (!user.text("username").empty()) user.fail("username", "no API server takes a password any more");
  if (const Json* provider = user.object("auth-provider"); provider && !provider->empty()) {
    user.fail("auth-provider", "removed from Kubernetes in 1.26; use exec");
  }
  if (config.client_certificate.empty() != config.client_key.empty()) {
    user.fail(config.client_key.empty() ? "client-key" : "client-certificate",
              "client-certificate and client-key go together");
  }
  if (const Json* exec = user.object("exec")) {
    TRY(config.exec, read_exec(*exec, user));
    if (!config.client_certificate.empty()) user.fail("exec", "may not be set together with client-certificate");
  }
  if (user.error()) return *user.error();
  return {};
}

}  // namespace

Result<ClientConfig> parse_kubeconfig(const std::string& text, const std::string& name, const path& folder,
                                      const std::string& context) {
  const YamlFile file = parse_yaml(text, name);
  if (!file.errors.empty()) return file.errors.front();
  if (file.documents.size() != 1)
    return bad(name, "expected one document, got " + std::to_string(file.documents.size()));
  const Json& json = *file.documents.front().json;
  if (!json.is_object()) return bad(name, std::string("expected object, got ") + json.type_name());
  Section root(json, name + ": ", folder);
  const std::string kind = root.text("kind");
  if (!kind.empty() && kind != "Config") root.fail("kind", "expected Config, got " + kind);
  const std::string wanted = context.empty() ? root.text("current-context") : context;
  if (wanted.empty()) root.fail("current-context", "Required value");
  if (root.error()) return *root.error();

  TRY(Section chosen, named(root, "contexts", "context", wanted));
  const std::string cluster_name = chosen.text("cluster");
  const std::string user_name = chosen.text("user");
  if (cluster_name.empty()) chosen.fail("cluster", "Required value");
  if (chosen.error()) return *chosen.error();
  ClientConfig config;
  TRY(Section cluster, named(root, "clusters", "cluster", cluster_name));
  CHECK_OK(read_cluster(std::move(cluster), config));
  if (user_name.empty()) return config;  // anonymous: enough to read the public cluster-info
  TRY(Section user, named(root, "users", "user", user_name));
  CHECK_OK(read_user(std::move(user), config));
  return config;
}

Result<ClientConfig> load_kubeconfig(const path& file, const std::string& context) {
  TRY(const std::string text, read_file(file));
  return parse_kubeconfig(text, file.string(), file.parent_path(), context);
}

}  // namespace keelson::kube
