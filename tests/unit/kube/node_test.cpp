#include "kube/node.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"
#include "kube/event.hpp"
#include "kube/lease.hpp"

using namespace keelson::kube;
using nlohmann::json;

namespace {

// Uses every struct that a Node is made of.
const char* const kNode = R"({
 "apiVersion":"v1","kind":"Node",
 "metadata":{"name":"n1","uid":"u","resourceVersion":"7","labels":{"kubernetes.io/os":"linux"}},
 "spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24","fd00::/64"],"providerID":"x://1","unschedulable":true,
  "taints":[{"key":"a","value":"b","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"},
            {"key":"c","effect":"NoSchedule"}]},
 "status":{"capacity":{"cpu":"2","memory":"4042500Ki"},"allocatable":{"cpu":"1900m"},
  "conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T00:00:10Z",
   "lastTransitionTime":"2026-01-01T00:00:00Z","reason":"KubeletReady","message":"kubelet is posting ready status"}],
  "addresses":[{"type":"InternalIP","address":"10.0.0.1"},{"type":"Hostname","address":"n1"}],
  "daemonEndpoints":{"kubeletEndpoint":{"Port":10250}},
  "nodeInfo":{"machineID":"m","systemUUID":"s","bootID":"b","kernelVersion":"6.1.0","osImage":"Debian",
   "containerRuntimeVersion":"containerd://1.7.2","kubeletVersion":"v1.35.4","kubeProxyVersion":"",
   "operatingSystem":"linux","architecture":"amd64","swap":{"capacity":1024}},
  "images":[{"names":["a@sha256:1","a:1"],"sizeBytes":12}],
  "volumesInUse":["kubernetes.io/csi/d^v"],"volumesAttached":[{"name":"kubernetes.io/csi/d^v","devicePath":""}],
  "runtimeHandlers":[{"name":"","features":{"recursiveReadOnlyMounts":true,"userNamespaces":false}}],
  "features":{"supplementalGroupsPolicy":true}}})";

}  // namespace

TEST_CASE("a node survives decoding and encoding unchanged") {
  const json before = json::parse(kNode);
  Warnings warnings;
  const auto node = decode<Node>(before, &warnings);
  REQUIRE(node.has_value());
  CHECK(warnings.empty());
  CHECK(encode(*node) == before);
  CHECK(node->spec.taints[0].effect == "NoExecute");
  CHECK(node->status.daemon_endpoints.kubelet_endpoint.port == 10250);
  CHECK(node->status.node_info.swap->capacity == 1024);
  REQUIRE(find_condition(node->status, "Ready"));
  CHECK(find_condition(node->status, "Ready")->reason == "KubeletReady");
  CHECK(find_condition(node->status, "PIDPressure") == nullptr);
}

TEST_CASE("what the API server adds to a node and a node agent has no use for gives no warning") {
  Warnings warnings;
  const auto node = decode<Node>(json::parse(R"({"kind":"Node","metadata":{"name":"n","managedFields":[]},
    "spec":{"configSource":null},"status":{"config":{},"phase":"Running","declaredFeatures":["X"]}})"),
                                 &warnings);
  REQUIRE(node.has_value());
  CHECK(warnings.empty());
}

TEST_CASE("a lease keeps its times to the microsecond") {
  const json before = json::parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
    "metadata":{"name":"n1","namespace":"kube-node-lease"},
    "spec":{"holderIdentity":"n1","leaseDurationSeconds":40,"renewTime":"2026-01-01T00:00:00.123456Z",
     "acquireTime":"2025-01-01T00:00:00.000001Z","leaseTransitions":0}})");
  const auto lease = decode<Lease>(before);
  REQUIRE(lease.has_value());
  CHECK(encode(*lease) == before);
}
