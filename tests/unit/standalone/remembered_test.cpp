#include "agent/standalone/remembered.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"

using namespace keelson::agent;

namespace {

const char* const kEverything = R"(
{kind: Pod, apiVersion: v1, metadata: {name: a}, spec: {containers: [{name: c, image: i}]}}
---
{kind: Pod, apiVersion: v1, metadata: {name: b, uid: mine}, spec: {containers: [{name: c, image: i}]}}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: d}
spec:
  selector: {matchLabels: {app: d}}
  template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: i}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: s}, spec: {selector: {app: d}, ports: [{port: 80, targetPort: web}]}}
---
{kind: Secret, apiVersion: v1, metadata: {name: t}, stringData: {k: v}}
---
{kind: ConfigMap, apiVersion: v1, metadata: {name: m, namespace: other}, data: {k: v}}
---
{kind: PersistentVolume, apiVersion: v1, metadata: {name: v}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}}
)";

}  // namespace

TEST_CASE("remembered manifests: the same again") {
  const auto set = load_manifests({{"f.yaml", kEverything}});
  REQUIRE(set.problems.empty());
  REQUIRE(set.files.size() == 7);
  const auto again = decode_manifests(encode_manifests(set, "/m"), "/m");
  REQUIRE(again.has_value());
  CHECK(again->files == set.files);
  for (const auto& [key, pod] : set.pods) CHECK(*again->pods.at(key) == *pod);  // with its UID
  CHECK(*again->deployments.at("default/d") == *set.deployments.at("default/d"));
  CHECK(*again->services.at("default/s") == *set.services.at("default/s"));
  CHECK(*again->secrets.at("default/t") == *set.secrets.at("default/t"));
  CHECK(*again->config_maps.at("other/m") == *set.config_maps.at("other/m"));
  CHECK(*again->volumes.at("v") == *set.volumes.at("v"));
}

TEST_CASE("remembered manifests: of another folder, or of nothing") {
  const auto set = load_manifests({{"f.yaml", kEverything}});
  const auto text = encode_manifests(set, "/m");
  const auto other = decode_manifests(text, "/n");
  REQUIRE(other.has_value());
  CHECK(other->files.empty());
  for (const auto* bad : {"", "[]", "{", R"({"files":[],"objects":{}})", R"({"files":{}})"}) {
    INFO(bad);
    CHECK_FALSE(decode_manifests(bad, "/m").has_value());
  }
  // What cannot be told, or belongs to no file, is left out; the rest stays.
  const auto some = decode_manifests(
      R"({"folder":"/m","files":{"ConfigMap d/m":"f"},"objects":[1,{"kind":"X"},
          {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"n","namespace":"d"}},
          {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m","namespace":"d"}}]})",
      "/m");
  REQUIRE(some.has_value());
  CHECK(some->config_maps.size() == 1);
  CHECK(some->files.size() == 1);
}
