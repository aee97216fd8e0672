#include "agent/spec/environment.hpp"

#include <catch2/catch.hpp>

#include "agent/spec/env_file.hpp"
#include "agent/spec/references.hpp"
#include "builders.hpp"
#include "printing.hpp"

namespace keelson::spec {
namespace {

using namespace test;

struct Fixture {
  kube::Pod p = pod();
  kube::ObjectSet objects;
  NodeFacts facts = node();

  kube::Container& main() { return p.spec.containers.front(); }
  Result<Environment> make() { return make_environment({p, main(), objects, facts, {"10.1.0.5", "fd01::5"}, {}}); }
  Variables variables() {
    auto made = make();
    REQUIRE(made);
    return made->variables;
  }
  Error error() {
    auto made = make();
    REQUIRE(!made);
    CHECK(made.error().reason == "CreateContainerConfigError");
    return made.error();
  }
  void literal(const std::string& name, const std::string& value) {
    kube::EnvVar variable;
    variable.name = name;
    variable.value = value;
    main().env.push_back(variable);
  }
  kube::EnvVarSource& from(const std::string& name) {
    kube::EnvVar variable;
    variable.name = name;
    variable.value_from.emplace();
    main().env.push_back(variable);
    return *main().env.back().value_from;
  }
  kube::EnvFromSource& env_from() { return main().env_from.emplace_back(); }
};

TEST_CASE_METHOD(Fixture, "literals expand against what was defined before") {
  objects.services = {service("shop", "db", "10.96.0.7", {port("", 5432)})};
  literal("A", "1");
  literal("B", "$(A)-$(C)-$(DB_SERVICE_HOST)");
  literal("C", "3");
  literal("A", "$(A)1");
  literal("EMPTY", "");
  const auto got = variables();
  CHECK(got.at("A") == "11");
  CHECK(got.at("B") == "1-$(C)-10.96.0.7");
  CHECK(got.at("EMPTY").empty());
}

TEST_CASE_METHOD(Fixture, "Service variables in both styles") {
  objects.services = {service("shop", "my-db", "10.96.0.7", {port("pg-main", 5432), port("dns", 53, "UDP")}),
                      service("shop", "six", "fd00::7", {port("", 80)}),
                      service("shop", "headless", "None", {port("", 80)}),
                      service("shop", "external", "", {}),
                      service("other", "cache", "10.96.0.8", {port("", 6379)}),
                      service("default", "kubernetes", "10.96.0.1", {port("https", 443)})};
  const Variables want = {
      {"MY_DB_SERVICE_HOST", "10.96.0.7"},
      {"MY_DB_SERVICE_PORT", "5432"},
      {"MY_DB_SERVICE_PORT_PG_MAIN", "5432"},
      {"MY_DB_SERVICE_PORT_DNS", "53"},
      {"MY_DB_PORT", "tcp://10.96.0.7:5432"},
      {"MY_DB_PORT_5432_TCP", "tcp://10.96.0.7:5432"},
      {"MY_DB_PORT_5432_TCP_PROTO", "tcp"},
      {"MY_DB_PORT_5432_TCP_PORT", "5432"},
      {"MY_DB_PORT_5432_TCP_ADDR", "10.96.0.7"},
      {"MY_DB_PORT_53_UDP", "udp://10.96.0.7:53"},
      {"MY_DB_PORT_53_UDP_PROTO", "udp"},
      {"MY_DB_PORT_53_UDP_PORT", "53"},
      {"MY_DB_PORT_53_UDP_ADDR", "10.96.0.7"},
      {"SIX_SERVICE_HOST", "fd00::7"},
      {"SIX_SERVICE_PORT", "80"},
      {"SIX_PORT", "tcp://[fd00::7]:80"},
      {"SIX_PORT_80_TCP", "tcp://[fd00::7]:80"},
      {"SIX_PORT_80_TCP_PROTO", "tcp"},
      {"SIX_PORT_80_TCP_PORT", "80"},
      {"SIX_PORT_80_TCP_ADDR", "fd00::7"},
      {"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
      {"KUBERNETES_SERVICE_PORT", "443"},
      {"KUBERNETES_SERVICE_PORT_HTTPS", "443"},
      {"KUBERNETES_PORT", "tcp://10.96.0.1:443"},
      {"KUBERNETES_PORT_443_TCP", "tcp://10.96.0.1:443"},
      {"KUBERNETES_PORT_443_TCP_PROTO", "tcp"},
      {"KUBERNETES_PORT_443_TCP_PORT", "443"},
      {"KUBERNETES_PORT_443_TCP_ADDR", "10.96.0.1"},
  };
  CHECK(variables() == want);
}

TEST_CASE_METHOD(Fixture, "enableServiceLinks and a kubernetes Service of the pod's own") {
  objects.services = {service("shop", "kubernetes", "10.96.0.2", {port("", 1)}),
                      service("default", "kubernetes", "10.96.0.1", {port("", 443)}),
                      service("shop", "db", "10.96.0.7", {port("", 5432)})};
  CHECK(variables().at("KUBERNETES_SERVICE_HOST") == "10.96.0.2");
  CHECK(variables().contains("DB_SERVICE_HOST"));
  p.spec.enable_service_links = false;
  CHECK(variables().at("KUBERNETES_SERVICE_HOST") == "10.96.0.1");
  CHECK(!variables().contains("DB_SERVICE_HOST"));
}

TEST_CASE_METHOD(Fixture, "precedence: Services < envFrom in order < env") {
  objects.services = {service("shop", "db", "10.96.0.7", {port("", 5432)})};
  add_config_map(objects, "shop", "first", {{"X", "first"}, {"Y", "first"}, {"DB_SERVICE_HOST", "db.local"}});
  add_secret(objects, "shop", "second", {{"X", "second"}, {"Z", "second"}});
  env_from().config_map_ref = kube::EnvFromRef{"first", {}};
  env_from().secret_ref = kube::EnvFromRef{"second", {}};
  literal("Z", "own $(X)");
  const auto got = variables();
  CHECK(got.at("X") == "second");
  CHECK(got.at("Y") == "first");
  CHECK(got.at("Z") == "own second");
  CHECK(got.at("DB_SERVICE_HOST") == "db.local");
  CHECK(got.at("DB_SERVICE_PORT") == "5432");
}

TEST_CASE_METHOD(Fixture, "envFrom: prefix, optional, missing, names no environment can hold") {
  add_config_map(objects, "shop", "map", {{"k", "v"}, {"dots.and-dashes", "1"}, {"a=b", "2"}});
  add_config_map(objects, "other", "elsewhere", {{"k", "v"}});
  auto& source = env_from();
  source.prefix = "P_";
  source.config_map_ref = kube::EnvFromRef{"map", {}};
  env_from().secret_ref = kube::EnvFromRef{"nope", true};
  auto made = make();
  REQUIRE(made);
  CHECK(made->variables == Variables{{"P_k", "v"}, {"P_dots.and-dashes", "1"}});
  CHECK(made->skipped == std::vector<std::string>{"ConfigMap shop/map key a=b"});

  env_from().config_map_ref = kube::EnvFromRef{"elsewhere", {}};  // of another namespace
  CHECK(error().message == "configmap \"elsewhere\" not found");
  main().env_from.clear();
  env_from().secret_ref = kube::EnvFromRef{"nope", false};
  CHECK(error().message == "secret \"nope\" not found");
  CHECK(error().code == Errc::not_found);
}

TEST_CASE_METHOD(Fixture, "configMapKeyRef and secretKeyRef") {
  add_config_map(objects, "shop", "map", {{"k", "$(NOT_EXPANDED)"}});
  add_secret(objects, "shop", "key", {{"password", "s3cret"}});
  from("M").config_map_key_ref = kube::KeySelector{"map", "k", {}};
  from("S").secret_key_ref = kube::KeySelector{"key", "password", {}};
  from("GONE").config_map_key_ref = kube::KeySelector{"none", "k", true};
  from("NOKEY").secret_key_ref = kube::KeySelector{"key", "none", true};
  CHECK(variables() == Variables{{"M", "$(NOT_EXPANDED)"}, {"S", "s3cret"}});

  from("E").config_map_key_ref = kube::KeySelector{"map", "none", {}};
  CHECK(error().message == "couldn't find key none in ConfigMap shop/map");
  main().env.back().value_from->config_map_key_ref = kube::KeySelector{"none", "k", {}};
  CHECK(error().message == "configmap \"none\" not found");
  main().env.back().value_from->config_map_key_ref.reset();
  main().env.back().value_from->secret_key_ref = kube::KeySelector{"key", "none", {}};
  CHECK(error().message == "couldn't find key none in Secret shop/key");
  main().env.back().value_from->secret_key_ref = kube::KeySelector{"none", "x", {}};
  CHECK(error().message == "secret \"none\" not found");
}

TEST_CASE_METHOD(Fixture, "fieldRef") {
  p.metadata.labels = {{"app", "web"}, {"z", "q\"uote"}};
  p.metadata.annotations = {{"Note", "hi"}};
  p.spec.node_name = "node-1";
  const std::pair<const char*, const char*> cases[] = {
      {"metadata.name", "web"},
      {"metadata.namespace", "shop"},
      {"metadata.uid", "11-22-33"},
      {"metadata.labels", "app=\"web\"\nz=\"q\\\"uote\""},
      {"metadata.labels['app']", "web"},
      {"metadata.labels['none']", ""},
      {"metadata.annotations['Note']", "hi"},
      {"spec.nodeName", "node-1"},
      {"spec.host", "node-1"},
      {"spec.serviceAccountName", "default"},
      {"status.hostIP", "10.0.0.1"},
      {"status.hostIPs", "10.0.0.1,fd00::1"},
      {"status.podIP", "10.1.0.5"},
      {"status.podIPs", "10.1.0.5,fd01::5"},
  };
  for (const auto& [path, want] : cases) {
    CAPTURE(path);
    main().env.clear();
    from("F").field_ref = kube::ObjectFieldSelector{"v1", path};
    CHECK(variables().at("F") == want);
  }
  const std::pair<const char*, const char*> errors[] = {
      {"metadata.generation", "field label not supported: metadata.generation"},
      {"status.phase", "unsupported fieldPath: status.phase"},
      {"spec.x['y']", "field label does not support subscript: spec.x['y']"},
  };
  for (const auto& [path, want] : errors) {
    main().env.clear();
    from("F").field_ref = kube::ObjectFieldSelector{"", path};
    CHECK(error().message == want);
  }
  main().env.clear();
  from("F").field_ref = kube::ObjectFieldSelector{"v2", "metadata.name"};
  CHECK(error().message == "unsupported pod version: v2");
  main().env.clear();
  from("F").field_ref = kube::ObjectFieldSelector{"v1", "metadata.labels['no good']"};
  CHECK_THAT(error().message, Catch::StartsWith("invalid key subscript in metadata.labels['no good']: "));
}

TEST_CASE_METHOD(Fixture, "resourceFieldRef") {
  main().resources.limits = resources({{"cpu", "1500m"}, {"memory", "100Mi"}, {"hugepages-2Mi", "4Mi"}});
  main().resources.requests = resources({{"cpu", "250m"}});
  p.spec.containers.push_back(container("other", resources({{"memory", "1Gi"}})));
  struct Case {
    const char* resource;
    const char* divisor;
    const char* container;
    const char* want;
  };
  const Case cases[] = {
      {"limits.cpu", "0", "", "2"},
      {"limits.cpu", "1", "", "2"},
      {"limits.cpu", "1m", "", "1500"},
      {"requests.cpu", "0", "", "1"},
      {"requests.cpu", "1m", "", "250"},
      {"limits.memory", "0", "", "104857600"},
      {"limits.memory", "1Mi", "", "100"},
      {"limits.memory", "1Gi", "", "1"},
      {"requests.memory", "1Mi", "", "0"},
      {"limits.hugepages-2Mi", "1Mi", "", "4"},
      {"limits.ephemeral-storage", "1Gi", "", "100"},  // the node's
      {"limits.cpu", "0", "other", "4"},               // the node's
      {"limits.memory", "1Gi", "other", "8"},
      {"requests.memory", "1Mi", "other", "1024"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.resource, c.divisor, c.container);
    main().env.clear();
    from("R").resource_field_ref = kube::ResourceFieldSelector{c.container, c.resource, quantity(c.divisor)};
    CHECK(variables().at("R") == c.want);
  }
  p.spec.resources.emplace().limits = resources({{"cpu", "3"}});  // stands in before the node's
  main().env.clear();
  from("R").resource_field_ref = kube::ResourceFieldSelector{"other", "limits.cpu", {}};
  CHECK(variables().at("R") == "3");

  main().env.back().value_from->resource_field_ref->resource = "limits.gpu";
  CHECK(error().message == "unsupported container resource : limits.gpu");
  main().env.back().value_from->resource_field_ref = kube::ResourceFieldSelector{"nobody", "limits.cpu", {}};
  CHECK(error().message == "container nobody not found");
}

TEST_CASE_METHOD(Fixture, "fileKeyRef reads KEY='value' files of a volume") {
  from("F").file_key_ref = kube::FileKeySelector{"conf", "app.env", "KEY", {}};
  CHECK(error().message == "cannot find the volume \"conf\" referenced by FileKeyRef");
  const auto make_with = [&](const std::string& text) {
    return make_environment({p, main(), objects, facts, {}, [text](const std::string& volume, const std::string& path) {
                               CHECK(volume == "conf");
                               CHECK(path == "app.env");
                               return Result<std::string>(text);
                             }});
  };
  CHECK(make_with("A='1'\nKEY='v'\n")->variables.at("F") == "v");
  CHECK(make_with("A='1'\n").error().message == "environment variable key \"KEY\" not found in file \"app.env\"");
  CHECK(make_with("broken\n").error().message ==
        "couldn't parse env file: invalid environment variable format at line 1: missing '='");
  main().env.back().value_from->file_key_ref->optional = true;
  CHECK(make_with("A='1'\n")->variables.empty());
}

TEST_CASE_METHOD(Fixture, "a variable must have a usable name") {
  literal("A=B", "x");
  CHECK(error().message == "env: \"A=B\" cannot be a variable's name");
  CHECK(!valid_variable_name(""));
  CHECK(valid_variable_name("a b"));
}

TEST_CASE("env files") {
  const std::string text = "# comment\n\n  A='one' # said\nB='two\nlines'\nC= 'x'\nD=''\r\nE='it # is'\n";
  const std::pair<const char*, const char*> cases[] = {{"A", "one"}, {"B", "two\nlines"}, {"C", ""},
                                                       {"D", ""},    {"E", "it # is"},    {"Z", ""}};
  for (const auto& [key, want] : cases) {
    CAPTURE(key);
    CHECK(env_file_value(text, key).value() == want);
  }
  const std::pair<const char*, const char*> errors[] = {
      {"A", "invalid environment variable format at line 1: missing '='"},
      {"='x'", "invalid environment variable format at line 1: empty variable name"},
      {"\nA ='x'", "invalid environment variable format at line 2: whitespace before '=' is not allowed"},
      {"A=x", "invalid environment variable format at line 1: value must be enclosed in single quotes"},
      {"A='x' y", "invalid environment variable format at line 1: unexpected content after closing quote"},
      {"\nA='x\ny", "invalid environment variable format starting at line 2: unclosed single quote"},
  };
  for (const auto& [broken, want] : errors) {
    CAPTURE(broken);
    const auto got = env_file_value(broken, "Q");
    REQUIRE(!got);
    CHECK(got.error().message == want);
  }
}

TEST_CASE("references names all that a pod needs") {
  auto p = pod();
  auto& main = p.spec.containers.front();
  main.env_from.emplace_back().config_map_ref = kube::EnvFromRef{"cm-from", {}};
  main.env_from.emplace_back().secret_ref = kube::EnvFromRef{"secret-from", {}};
  kube::EnvVar variable;
  variable.name = "A";
  variable.value_from.emplace().config_map_key_ref = kube::KeySelector{"cm-key", "k", {}};
  p.spec.init_containers = {container("init")};
  p.spec.init_containers[0].env.push_back(variable);
  variable.value_from.emplace().secret_key_ref = kube::KeySelector{"secret-key", "k", {}};
  main.env.push_back(variable);
  const auto volume = [&](const char* name) -> kube::Volume& {
    p.spec.volumes.emplace_back().name = name;
    return p.spec.volumes.back();
  };
  volume("a").config_map.emplace().name = "cm-volume";
  volume("b").secret.emplace().secret_name = "secret-volume";
  volume("c").persistent_volume_claim.emplace().claim_name = "claim";
  volume("scratch").ephemeral.emplace();
  auto& projected = volume("d").projected.emplace();
  projected.sources.emplace_back().config_map.emplace().name = "cm-projected";
  projected.sources.emplace_back().secret.emplace().name = "secret-projected";
  volume("e").csi.emplace().node_publish_secret_ref = kube::LocalObjectReference{"secret-csi"};
  p.spec.image_pull_secrets = {{"pull"}, {""}};

  References want;
  want.config_maps = {"cm-from", "cm-key", "cm-volume", "cm-projected"};
  want.secrets = {"secret-from", "secret-key", "secret-volume", "secret-projected", "secret-csi"};
  want.image_pull_secrets = {"pull"};
  want.claims = {"claim", "web-scratch"};
  want.service_account = "default";
  CHECK(references(p) == want);
}

}  // namespace
}  // namespace keelson::spec
