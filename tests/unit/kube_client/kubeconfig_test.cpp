#include "kube/client/kubeconfig.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "../temp_dir.hpp"
#include "base/files.hpp"
#include "printing.hpp"

using namespace keelson;
using namespace keelson::kube;

namespace {

constexpr const char* kFile = R"(
apiVersion: v1
kind: Config
preferences: {}
current-context: main
contexts:
- {name: main, context: {cluster: c, user: node, namespace: x}}
- {name: other, context: {cluster: c2, user: tool}}
- {name: lost, context: {cluster: nowhere, user: node}}
- {name: open, context: {cluster: c}}
clusters:
- name: c
  cluster:
    server: https://10.0.0.1:6443/
    certificate-authority: pki/ca.crt
    tls-server-name: kubernetes
    proxy-url: http://proxy:3128
- {name: c2, cluster: {server: "https://b", insecure-skip-tls-verify: true}}
users:
- {name: node, user: {client-certificate: /var/lib/kubelet/pki/c.pem, client-key: ../c.pem}}
- name: tool
  user:
    token: abc
    tokenFile: token
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/get-token
      args: [a, b]
      env: [{name: K, value: V}]
      interactiveMode: IfAvailable
      provideClusterInfo: true
)";

Result<ClientConfig> parse(const std::string& text, const std::string& context = "") {
  return parse_kubeconfig(text, "kc", "/etc/kubernetes", context);
}

// The error of a file with these bodies.
std::string error_of(const std::string& cluster, const std::string& user) {
  const auto config = parse(
      "current-context: m\ncontexts: [{name: m, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: " +
      cluster + "}]\nusers: [{name: u, user: " + user + "}]\n");
  return config ? "" : config.error().message;
}

}  // namespace

TEST_CASE("the current context of a kubeconfig", "[kubeconfig]") {
  const auto config = parse(kFile);
  REQUIRE(config);
  CHECK(config->server == "https://10.0.0.1:6443");
  CHECK(config->ca.file == "/etc/kubernetes/pki/ca.crt");
  CHECK(config->tls_server_name == "kubernetes");
  CHECK(config->proxy_url == "http://proxy:3128");
  CHECK(config->client_certificate.file == "/var/lib/kubelet/pki/c.pem");
  CHECK(config->client_key.file == "/etc/c.pem");
  CHECK_FALSE(config->exec);
}

TEST_CASE("a context by name, with token and exec", "[kubeconfig]") {
  const auto config = parse(kFile, "other");
  REQUIRE(config);
  CHECK(config->server == "https://b");
  CHECK(config->insecure_skip_tls_verify);
  CHECK(config->token == "abc");
  CHECK(config->token_file == "/etc/kubernetes/token");
  REQUIRE(config->exec);
  CHECK(config->exec->command == "/etc/kubernetes/bin/get-token");
  CHECK(config->exec->args == std::vector<std::string>{"a", "b"});
  CHECK(config->exec->env == std::vector<std::pair<std::string, std::string>>{{"K", "V"}});
  CHECK(config->exec->provide_cluster_info);
  CHECK(parse(kFile, "open"));
}

TEST_CASE("errors name file, field and reason", "[kubeconfig]") {
  CHECK(parse(kFile, "lost").error().message == "kc: clusters: no entry named \"nowhere\"");
  CHECK(parse(kFile, "none").error().message == "kc: contexts: no entry named \"none\"");
  CHECK(parse("kind: Config").error().message == "kc: current-context: Required value");
  CHECK(parse("kind: Pod").error().message == "kc: kind: expected Config, got Pod");
  CHECK(parse("[1]").error().message == "kc: expected object, got array");
  CHECK(error_of("{}", "{}") == "kc: clusters[0].cluster.server: Required value");
  CHECK(error_of("{server: 5}", "{}") == "kc: clusters[0].cluster.server: expected string, got number");
  CHECK(error_of("{server: 'h:1'}", "{}").find("expected a URL") != std::string::npos);
  CHECK(error_of("{server: 'https://h', certificate-authority-data: '*'}", "{}") ==
        "kc: clusters[0].cluster.certificate-authority-data: not base64");
  CHECK(error_of("{server: 'https://h'}", "{client-key: x}") ==
        "kc: users[0].user.client-certificate: client-certificate and client-key go together");
  CHECK(error_of("{server: 'https://h'}", "{exec: {apiVersion: client.authentication.k8s.io/v1}}") ==
        "kc: users[0].user.exec.command: Required value");
  CHECK(error_of("{server: 'https://h'}", "{exec: {apiVersion: v0, command: c}}").find("exec.apiVersion") !=
        std::string::npos);
  CHECK(error_of("{server: 'https://h'}", "{username: u, password: p}").find("users[0].user.username") !=
        std::string::npos);
  CHECK(load_kubeconfig("/nonexistent").error().code == Errc::not_found);
}

TEST_CASE("a kubeconfig that was written reads the same", "[kubeconfig]") {
  const testing::TempDir dir;
  ClientConfig config;
  config.server = "https://10.0.0.1:6443";
  config.ca.data = "-----BEGIN\nx\"\n";
  config.client_certificate.file = config.client_key.file = "/var/lib/kubelet/pki/kubelet-client-current.pem";
  config.exec = std::nullopt;
  config.token = "to: ken";
  const auto path = dir.path() / "made" / "kubelet.conf";
  REQUIRE(write_kubeconfig(path, config));
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const auto read = load_kubeconfig(path);
  REQUIRE(read);
  CHECK(*read == config);
  config.client_certificate = config.client_key = {};
  config.exec = ExecPlugin{"client.authentication.k8s.io/v1", "/bin/x", {"a"}, {{"K", "V"}}, true, "install x"};
  const auto with_exec = parse(format_kubeconfig(config));
  REQUIRE(with_exec);
  CHECK(*with_exec == config);
}
