#include "kube/defaults.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"
#include "kube/config.hpp"
#include "kube/service.hpp"
#include "kube/workload.hpp"
#include "kube/yaml.hpp"

using namespace keelson::kube;
using nlohmann::json;

namespace {

// The object with defaults, as JSON.
template <class T>
json defaulted(std::string_view text) {
  YamlFile file = parse_yaml(text, "t");
  REQUIRE(file.documents.size() == 1);
  T object = decode<T>(*file.documents[0].json).value();
  set_defaults(object);
  T twice = object;
  set_defaults(twice);
  CHECK(twice == object);
  return encode(object);
}

json spec_of_pod(std::string_view spec) { return defaulted<Pod>("spec: " + std::string(spec))["spec"]; }

}  // namespace

TEST_CASE("a pod's defaults") {
  json spec = spec_of_pod("{containers: [{name: c, image: web, ports: [{containerPort: 80}]}]}");
  json expected = json::parse(R"({"restartPolicy":"Always","dnsPolicy":"ClusterFirst","enableServiceLinks":true,
    "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30,
    "containers":[{"name":"c","image":"web","imagePullPolicy":"Always","resources":{},
     "ports":[{"containerPort":80,"protocol":"TCP"}],
     "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}]})");
  CHECK(json::diff(spec, expected).dump(1) == "[]");
}

TEST_CASE("the pull policy follows the tag") {
  auto [image, policy] = GENERATE(table<std::string, std::string>({
      {"web", "Always"},
      {"web:latest", "Always"},
      {"web:1", "IfNotPresent"},
      {"host:5000/web", "Always"},
      {"host:5000/web:1", "IfNotPresent"},
      {"web@sha256:0", "IfNotPresent"},
      {"web:latest@sha256:0", "IfNotPresent"},
  }));
  CAPTURE(image);
  CHECK(default_pull_policy(image) == policy);
}

TEST_CASE("probes and hooks") {
  json c = spec_of_pod(
      "{containers: [{livenessProbe: {httpGet: {port: 80}}, "
      "lifecycle: {preStop: {httpGet: {port: 80, path: /x}}}}]}")["containers"][0];
  CHECK(c["livenessProbe"] == json::parse(R"({"httpGet":{"path":"/","port":80,"scheme":"HTTP"},"timeoutSeconds":1,
    "periodSeconds":10,"successThreshold":1,"failureThreshold":3})"));
  CHECK(c["lifecycle"]["preStop"]["httpGet"] == json{{"path", "/x"}, {"port", 80}, {"scheme", "HTTP"}});
}

TEST_CASE("requests come from limits where they are not set") {
  json c = spec_of_pod(
      "{containers: [{resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}}], "
      "initContainers: [{resources: {limits: {cpu: 2}}}]}");
  CHECK(c["containers"][0]["resources"]["requests"] == json{{"cpu", "500m"}, {"memory", "1Gi"}});
  CHECK(c["initContainers"][0]["resources"]["requests"] == json{{"cpu", "2"}});
  json pod = spec_of_pod(
      "{resources: {limits: {cpu: 4, memory: 2Gi}}, "
      "containers: [{resources: {requests: {cpu: 1}}}, {resources: {requests: {cpu: 500m}}}]}");
  CHECK(pod["resources"]["requests"] == json{{"cpu", "1500m"}, {"memory", "2Gi"}});
}

TEST_CASE("on the host's network ports are the host's") {
  json spec = spec_of_pod("{hostNetwork: true, containers: [{ports: [{containerPort: 80}]}]}");
  CHECK(spec["containers"][0]["ports"][0]["hostPort"] == 80);
}

TEST_CASE("volumes") {
  auto [source, expected] = GENERATE(table<std::string, std::string>({
      {"{name: v}", R"({"name":"v","emptyDir":{}})"},
      {"{name: v, configMap: {name: c}}", R"({"name":"v","configMap":{"name":"c","defaultMode":420}})"},
      {"{name: v, secret: {secretName: s, defaultMode: 0400}}",
       R"({"name":"v","secret":{"secretName":"s","defaultMode":256}})"},
      {"{name: v, hostPath: {path: /d}}", R"({"name":"v","hostPath":{"path":"/d","type":""}})"},
      {"{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}",
       R"({"name":"v","projected":{"defaultMode":420,
         "sources":[{"serviceAccountToken":{"path":"t","expirationSeconds":3600}}]}})"},
      {"{name: v, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}",
       R"({"name":"v","downwardAPI":{"defaultMode":420,
         "items":[{"path":"l","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.labels"}}]}})"},
      {"{name: v, cephfs: {}}", R"({"name":"v","cephfs":{}})"},
      {"{name: v, image: {reference: a:1}}", R"({"name":"v","image":{"reference":"a:1","pullPolicy":"IfNotPresent"}})"},
  }));
  CAPTURE(source);
  json volume = spec_of_pod("{volumes: [" + source + "]}")["volumes"][0];
  CHECK(json::diff(volume, json::parse(expected)).dump(1) == "[]");
}

TEST_CASE("services") {
  json spec = defaulted<Service>("spec: {ports: [{port: 80}], sessionAffinity: ClientIP}")["spec"];
  CHECK(spec == json::parse(R"({"type":"ClusterIP","sessionAffinity":"ClientIP","internalTrafficPolicy":"Cluster",
    "sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},
    "ports":[{"port":80,"targetPort":80,"protocol":"TCP"}]})"));
  spec = defaulted<Service>("spec: {type: NodePort, ports: [{port: 80, targetPort: http}]}")["spec"];
  CHECK(spec["externalTrafficPolicy"] == "Cluster");
  CHECK(spec["ports"][0]["targetPort"] == "http");
  spec = defaulted<Service>("spec: {type: LoadBalancer}")["spec"];
  CHECK(spec["allocateLoadBalancerNodePorts"] == true);
  spec = defaulted<Service>("spec: {type: ExternalName, externalName: a.b}")["spec"];
  CHECK_FALSE(spec.contains("internalTrafficPolicy"));
}

TEST_CASE("workloads") {
  json spec = defaulted<Deployment>("spec: {template: {spec: {containers: [{name: c}]}}}")["spec"];
  CHECK(spec["replicas"] == 1);
  CHECK(spec["revisionHistoryLimit"] == 10);
  CHECK(spec["progressDeadlineSeconds"] == 600);
  CHECK(spec["strategy"] == json::parse(R"({"type":"RollingUpdate",
    "rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}})"));
  CHECK(spec["template"]["spec"]["restartPolicy"] == "Always");
  CHECK_FALSE(spec["template"]["spec"].contains("enableServiceLinks"));
  spec = defaulted<Deployment>("spec: {replicas: 0, strategy: {type: Recreate}}")["spec"];
  CHECK(spec["replicas"] == 0);
  CHECK(spec["strategy"] == json{{"type", "Recreate"}});
  CHECK(defaulted<ReplicaSet>("spec: {}")["spec"]["replicas"] == 1);
  spec = defaulted<StatefulSet>("spec: {volumeClaimTemplates: [{metadata: {name: c}}]}")["spec"];
  CHECK(spec["podManagementPolicy"] == "OrderedReady");
  CHECK(spec["updateStrategy"]["rollingUpdate"]["partition"] == 0);
  CHECK(spec["persistentVolumeClaimRetentionPolicy"] == json{{"whenDeleted", "Retain"}, {"whenScaled", "Retain"}});
  CHECK(spec["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem");
  spec = defaulted<DaemonSet>("spec: {}")["spec"];
  CHECK(spec["updateStrategy"]["rollingUpdate"] == json{{"maxUnavailable", 1}, {"maxSurge", 0}});
}

TEST_CASE("jobs") {
  json job = defaulted<Job>("spec: {template: {metadata: {labels: {a: b}}}}");
  CHECK(job["metadata"]["labels"] == json{{"a", "b"}});
  CHECK(job["spec"]["completions"] == 1);
  CHECK(job["spec"]["parallelism"] == 1);
  CHECK(job["spec"]["backoffLimit"] == 6);
  CHECK(job["spec"]["completionMode"] == "NonIndexed");
  CHECK(job["spec"]["suspend"] == false);
  json queue = defaulted<Job>("spec: {parallelism: 3}")["spec"];
  CHECK_FALSE(queue.contains("completions"));
  CHECK(defaulted<Job>("spec: {backoffLimitPerIndex: 1}")["spec"]["backoffLimit"] == 2147483647);
}

TEST_CASE("secrets and storage") {
  json secret = defaulted<Secret>("{data: {a: eA==, b: eA==}, stringData: {a: new}}");
  CHECK(secret["data"] == json{{"a", "bmV3"}, {"b", "eA=="}});
  CHECK_FALSE(secret.contains("stringData"));
  CHECK(secret["type"] == "Opaque");
  json volume = defaulted<PersistentVolume>("spec: {hostPath: {path: /d}}");
  CHECK(volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain");
  CHECK(volume["spec"]["hostPath"]["type"] == "");
  CHECK(volume["status"]["phase"] == "Pending");
  CHECK(defaulted<PersistentVolumeClaim>("spec: {}")["spec"]["volumeMode"] == "Filesystem");
}
