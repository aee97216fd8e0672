#include "kube/object.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/object_set.hpp"
#include "kube/yaml.hpp"

using namespace keelson::kube;
using nlohmann::json;

namespace {
json yaml(std::string_view text) {
  YamlFile file = parse_yaml(text, "t");
  REQUIRE(file.documents.size() == 1);
  return *file.documents[0].json;
}
}  // namespace

TEST_CASE("objects are found by apiVersion and kind") {
  auto [api_version, kind] = GENERATE(table<std::string, std::string>({
      {"v1", "Pod"},
      {"v1", "Service"},
      {"v1", "ConfigMap"},
      {"v1", "Secret"},
      {"v1", "PersistentVolume"},
      {"v1", "PersistentVolumeClaim"},
      {"apps/v1", "Deployment"},
      {"apps/v1", "ReplicaSet"},
      {"apps/v1", "StatefulSet"},
      {"apps/v1", "DaemonSet"},
      {"batch/v1", "Job"},
      {"discovery.k8s.io/v1", "EndpointSlice"},
  }));
  json value = {{"apiVersion", api_version}, {"kind", kind}, {"metadata", {{"name", "n"}, {"namespace", "s"}}}};
  Object object = decode_object(value).value();
  CHECK(kind_of(object) == kind);
  CHECK(metadata_of(object).name == "n");
  CHECK(describe(object) == kind + " s/n");
  CHECK(encode_object(object)["apiVersion"] == api_version);
}

TEST_CASE("what is no known object is named") {
  auto [text, code, message] = GENERATE(table<std::string, keelson::Errc, std::string>({
      {"{kind: Pod}", keelson::Errc::invalid_argument, "apiVersion: Required value"},
      {"{apiVersion: v1}", keelson::Errc::invalid_argument, "kind: Required value"},
      {"[1]", keelson::Errc::invalid_argument, "expected an object, got array"},
      {"{apiVersion: networking.k8s.io/v1, kind: Ingress}", keelson::Errc::unimplemented,
       "no kind \"Ingress\" of apiVersion \"networking.k8s.io/v1\" is supported here"},
      {"{apiVersion: extensions/v1beta1, kind: Deployment}", keelson::Errc::unimplemented,
       "no kind \"Deployment\" of apiVersion \"extensions/v1beta1\" is supported here, use apps/v1"},
  }));
  auto result = decode_object(yaml(text));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == code);
  CHECK(result.error().message == message);
}

TEST_CASE("loading decodes, defaults and validates") {
  Object object = load_object(yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
                                   "spec: {containers: [{name: c, image: web}]}\n"))
                      .value();
  CHECK(describe(object) == "Pod default/web");
  CHECK(std::get<Pod>(object).spec.restart_policy == "Always");

  auto invalid =
      load_object(yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{image: x}]}"));
  REQUIRE_FALSE(invalid.has_value());
  CHECK(invalid.error().message == "Pod default/web: spec.containers[0].name: Required value");

  auto wrong = load_object(yaml("{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: ns}, spec: 5}"));
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().message == "Pod ns/web: spec: expected object, got number 5");
}

TEST_CASE("loading is strict about fields that nobody knows, but not about a copied status") {
  Warnings warnings;
  auto typo = load_object(yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
                               "spec: {containers: [{name: c, image: i, imagePolicy: x}], colour: blue}\n"),
                          &warnings);
  REQUIRE_FALSE(typo.has_value());
  CHECK(typo.error().message ==
        "Pod default/web: spec.containers[0].imagePolicy: unknown field; spec.colour: unknown field");
  CHECK(warnings.empty());
  auto copied = load_object(yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
                                 "spec: {containers: [{name: c, image: i}]}\nstatus: {mood: good}\n"),
                            &warnings);
  CHECK(copied.has_value());
  CHECK(warnings == Warnings{"status.mood: unknown field"});
}

TEST_CASE("cluster-wide objects get no namespace") {
  Object object = load_object(yaml("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\n"
                                   "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], "
                                   "hostPath: {path: /d}}\n"))
                      .value();
  CHECK(describe(object) == "PersistentVolume p");
}

TEST_CASE("values that do not decode can be described") {
  CHECK(describe(json{{"kind", "Pod"}, {"metadata", {{"name", "a"}}}}) == "Pod a");
  CHECK(describe(json{{"kind", "Ingress"}, {"metadata", 5}}) == "Ingress ?");
  CHECK(describe(json(5)) == "object ?");
}

TEST_CASE("an object set finds by namespace and name") {
  ObjectSet set;
  set.config_maps["n/c"] = std::make_shared<const ConfigMap>();
  set.volumes["p"] = std::make_shared<const PersistentVolume>();
  CHECK(set.find_config_map("n", "c") == set.config_maps["n/c"].get());
  CHECK(set.find_config_map("m", "c") == nullptr);
  CHECK(set.find_secret("n", "c") == nullptr);
  CHECK(set.find_claim("n", "c") == nullptr);
  CHECK(set.find_volume("p") != nullptr);
}
