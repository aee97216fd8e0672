#include "kube/codec.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/config.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/event.hpp"
#include "kube/service.hpp"
#include "kube/workload.hpp"

using namespace keelson::kube;
using nlohmann::json;

namespace {

// Uses every struct that a Pod is made of.
const char* const kRichPod = R"({
 "apiVersion":"v1","kind":"Pod",
 "metadata":{"name":"web","namespace":"default","uid":"u-1","generation":2,"creationTimestamp":"2024-05-01T08:00:00Z",
  "labels":{"app":"web"},"annotations":{"a/b":"c"},"finalizers":["x"],
  "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"rs","uid":"u-0","controller":true}]},
 "spec":{
  "restartPolicy":"Always","terminationGracePeriodSeconds":0,"dnsPolicy":"None","nodeSelector":{"zone":"a"},
  "hostNetwork":true,"hostPID":true,"hostIPC":true,"shareProcessNamespace":false,"automountServiceAccountToken":false,
  "securityContext":{"runAsUser":0,"fsGroup":10,"supplementalGroups":[1,2],"sysctls":[{"name":"net.a","value":"1"}],
   "seccompProfile":{"type":"Localhost","localhostProfile":"p.json"},"seLinuxOptions":{"level":"s0"}},
  "imagePullSecrets":[{"name":"pull"}],"hostname":"h","subdomain":"s","setHostnameAsFQDN":true,
  "affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
   {"matchExpressions":[{"key":"zone","operator":"In","values":["a"]}]}]}}},
  "tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":0}],
  "hostAliases":[{"ip":"10.0.0.1","hostnames":["db"]}],"priority":0,"runtimeClassName":"crun",
  "dnsConfig":{"nameservers":["1.1.1.1"],"searches":["x"],"options":[{"name":"ndots","value":"5"},{"name":"rotate"}]},
  "readinessGates":[{"conditionType":"a/b"}],"enableServiceLinks":false,"overhead":{"cpu":"250m"},"os":{"name":"linux"},
  "initContainers":[{"name":"init","image":"i","restartPolicy":"Always","resources":{}}],
  "ephemeralContainers":[{"name":"debug","image":"d","targetContainerName":"main","resources":{}}],
  "containers":[{"name":"main","image":"web:1","command":["/bin/web"],"args":["-v"],"workingDir":"/","stdin":true,
   "tty":true,"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
   "imagePullPolicy":"Always",
   "ports":[{"name":"http","containerPort":80,"hostPort":80,"protocol":"TCP","hostIP":"127.0.0.1"}],
   "envFrom":[{"prefix":"P_","configMapRef":{"name":"cm","optional":true}},{"secretRef":{"name":"s"}}],
   "env":[{"name":"A","value":"1"},{"name":"B","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},
    {"name":"C","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"1m"}}},
    {"name":"D","valueFrom":{"configMapKeyRef":{"name":"cm","key":"k","optional":false}}},
    {"name":"E","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}},{"name":"F"}],
   "resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}},
   "volumeMounts":[{"name":"data","mountPath":"/data","readOnly":true,"subPath":"a","mountPropagation":"None"}],
   "volumeDevices":[{"name":"disk","devicePath":"/dev/x"}],
   "livenessProbe":{"httpGet":{"path":"/","port":"http","scheme":"HTTP","httpHeaders":[{"name":"H","value":""}]},
    "initialDelaySeconds":1,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3,
    "terminationGracePeriodSeconds":5},
   "readinessProbe":{"tcpSocket":{"port":80}},"startupProbe":{"grpc":{"port":90,"service":"s"}},
   "lifecycle":{"postStart":{"exec":{"command":["a"]}},"preStop":{"sleep":{"seconds":3}},"stopSignal":"SIGUSR1"},
   "securityContext":{"capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]},"privileged":false,"runAsNonRoot":true,
    "readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false,"procMount":"Default",
    "appArmorProfile":{"type":"RuntimeDefault"}}}],
  "volumes":[{"name":"data","emptyDir":{}},{"name":"mem","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}},
   {"name":"host","hostPath":{"path":"/srv","type":""}},
   {"name":"cm","configMap":{"name":"cm","items":[{"key":"a","path":"b","mode":256}],"defaultMode":420}},
   {"name":"sec","secret":{"secretName":"s","optional":true}},
   {"name":"pvc","persistentVolumeClaim":{"claimName":"c","readOnly":true}},
   {"name":"down","downwardAPI":{"items":[{"path":"l","fieldRef":{"fieldPath":"metadata.labels"}}]}},
   {"name":"all","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3600}},
    {"configMap":{"name":"ca"}},{"secret":{"name":"s"}},
    {"downwardAPI":{"items":[{"path":"c","resourceFieldRef":{"containerName":"main","resource":"limits.cpu","divisor":"0"}}]}}]}},
   {"name":"nfs","nfs":{"server":"n","path":"/e"}},
   {"name":"iscsi","iscsi":{"targetPortal":"t","iqn":"iqn.x","lun":0,"portals":["p"]}},
   {"name":"csi","csi":{"driver":"d","volumeAttributes":{"a":"b"},"nodePublishSecretRef":{"name":"s"}}},
   {"name":"img","image":{"reference":"r","pullPolicy":"Never"}},
   {"name":"eph","ephemeral":{"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],
    "resources":{"requests":{"storage":"1Gi"}},"storageClassName":""}}}}]},
 "status":{"phase":"Running","podIP":"10.0.0.2","podIPs":[{"ip":"10.0.0.2"}],"hostIP":"1.2.3.4","qosClass":"Burstable",
  "startTime":"2024-05-01T08:00:01Z",
  "conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2024-05-01T08:00:02Z"}],
  "containerStatuses":[{"name":"main","ready":false,"restartCount":0,"image":"web:1","imageID":"sha256:a",
   "containerID":"containerd://x","started":true,"state":{"running":{"startedAt":"2024-05-01T08:00:02Z"}},
   "lastState":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}})";

json with(const char* pointer, json value) {
  json pod = json::parse(kRichPod);
  pod[json::json_pointer(pointer)] = std::move(value);
  return pod;
}

}  // namespace

TEST_CASE("a rich pod survives decoding and encoding unchanged") {
  json original = json::parse(kRichPod);
  Warnings warnings;
  Pod pod = decode<Pod>(original, &warnings).value();
  CHECK(warnings.empty());
  json again = encode(pod);
  CHECK(json::diff(original, again).dump(1) == "[]");
  CHECK(decode<Pod>(again).value() == pod);
}

TEST_CASE("decoded values are where they belong") {
  Pod pod = decode<Pod>(json::parse(kRichPod)).value();
  CHECK(pod.metadata.ns == "default");
  CHECK(pod.spec.termination_grace_period_seconds == 0);
  REQUIRE(pod.spec.containers.size() == 1);
  const Container& main = pod.spec.containers[0];
  CHECK(main.resources.requests.at("cpu").milli_value() == 500);
  CHECK(main.liveness_probe->http_get->port == IntOrString("http"));
  CHECK(main.readiness_probe->tcp_socket->port.int_value() == 80);
  CHECK(main.security_context->run_as_non_root == true);
  CHECK(pod.spec.ephemeral_containers[0].target_container_name == "main");
  CHECK(pod.spec.volumes[0].empty_dir.has_value());
  CHECK(pod.spec.volumes[2].host_path->type == "");
  CHECK(pod.spec.tolerations[0].op == "Exists");
}

TEST_CASE("wrong types are reported by path") {
  auto [pointer, value, message] = GENERATE(table<const char*, json, std::string>({
      {"/spec/containers/0/ports/0/containerPort", "x",
       "spec.containers[0].ports[0].containerPort: expected integer, got string \"x\""},
      {"/spec/containers/0/ports/0/containerPort", 5000000000,
       "spec.containers[0].ports[0].containerPort: expected 32-bit integer, got number 5000000000"},
      {"/spec/containers/0/ports/0/containerPort", 80.5,
       "spec.containers[0].ports[0].containerPort: expected integer, got number 80.5"},
      {"/spec/terminationGracePeriodSeconds", 18446744073709551615U,
       "spec.terminationGracePeriodSeconds: expected 64-bit integer, got number 18446744073709551615"},
      {"/spec/containers/0/env/0/value", 1, "spec.containers[0].env[0].value: expected string, got number 1"},
      {"/spec/containers/0/tty", "yes", "spec.containers[0].tty: expected boolean, got string \"yes\""},
      {"/spec/containers", json::object(), "spec.containers: expected array, got object"},
      {"/spec/containers/0", "main", "spec.containers[0]: expected object, got string \"main\""},
      {"/spec/containers/0/command/0", true, "spec.containers[0].command[0]: expected string, got boolean true"},
      {"/metadata/labels/app", 7, "metadata.labels[app]: expected string, got number 7"},
      {"/metadata/labels", json::array(), "metadata.labels: expected object, got array"},
      {"/metadata/creationTimestamp", "soon",
       "metadata.creationTimestamp: expected a time such as 2024-05-01T10:00:00Z, got \"soon\""},
      {"/metadata/creationTimestamp", 1, "metadata.creationTimestamp: expected time, got number 1"},
      {"/spec/containers/0/resources/limits/cpu", "much",
       "spec.containers[0].resources.limits[cpu]: expected a quantity such as 100m or 1Gi, got \"much\": no number"},
      {"/spec/containers/0/resources/limits/cpu", true,
       "spec.containers[0].resources.limits[cpu]: expected quantity, got boolean true"},
      {"/spec/containers/0/livenessProbe/httpGet/port", true,
       "spec.containers[0].livenessProbe.httpGet.port: expected integer or string, got boolean true"},
  }));
  auto result = decode<Pod>(with(pointer, value));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == keelson::Errc::invalid_argument);
  CHECK(result.error().message == message);
}

TEST_CASE("several errors come in one message, at most ten") {
  json pod = {{"metadata", {{"name", 1}, {"uid", 2}}}};
  CHECK(decode<Pod>(pod).error().message ==
        "metadata.name: expected string, got number 1; metadata.uid: expected string, got number 2");
  json command = json::array();
  for (int i = 0; i < 12; ++i) command.push_back(i);
  std::string message = decode<Container>({{"command", command}}).error().message;
  CHECK(message.find("command[9]") != std::string::npos);
  CHECK(message.find("; and 2 more") != std::string::npos);
}

TEST_CASE("unknown fields are warnings by path") {
  json pod = with("/spec/containers/0/imagee", "x");
  pod["spec"]["colour"] = nullptr;
  pod["spec"]["topologySpreadConstraints"] = json::array();
  pod["extra"] = 1;
  Warnings warnings;
  REQUIRE(decode<Pod>(pod, &warnings).has_value());
  CHECK(warnings ==
        Warnings{"spec.containers[0].imagee: unknown field", "spec.colour: unknown field", "extra: unknown field"});
  json job = {{"spec", {{"podFailurePolicy", json::object()}}}};
  warnings.clear();
  REQUIRE(decode<Job>(job, &warnings).has_value());
  CHECK(warnings == Warnings{"spec.podFailurePolicy: not supported here, ignored"});
}

TEST_CASE("an unknown kind of volume is recorded by name") {
  Warnings warnings;
  json pod = with("/spec/volumes/0", {{"name", "v"}, {"cephfs", {{"monitors", {"m"}}}}, {"size", 1}});
  Pod decoded = decode<Pod>(pod, &warnings).value();
  CHECK(decoded.spec.volumes[0].other_sources == std::vector<std::string>{"cephfs"});
  CHECK(warnings == Warnings{"spec.volumes[0].size: unknown field"});
}

TEST_CASE("a source of a projected volume that is unknown is recorded by name") {
  Warnings warnings;
  json pod = with("/spec/volumes/0",
                  {{"name", "v"}, {"projected", {{"sources", {{{"podCertificate", {{"keyType", "X"}}}}}}}}});
  Pod decoded = decode<Pod>(pod, &warnings).value();
  CHECK(decoded.spec.volumes[0].projected->sources[0].other_sources == std::vector<std::string>{"podCertificate"});
  CHECK(warnings.empty());
}

TEST_CASE("the older name of the service account") {
  json pod = with("/spec/serviceAccount", "older");
  pod["spec"].erase("serviceAccountName");
  CHECK(decode<Pod>(pod).value().spec.service_account_name == "older");
  pod["spec"]["serviceAccountName"] = "newer";
  CHECK(decode<Pod>(pod).value().spec.service_account_name == "newer");
}

TEST_CASE("null is absence") {
  Pod pod = decode<Pod>(with("/spec/securityContext", nullptr)).value();
  CHECK_FALSE(pod.spec.security_context.has_value());
  CHECK(decode<Container>({{"args", {nullptr, "b"}}}).value().args == std::vector<std::string>{"", "b"});
}

TEST_CASE("the wrong kind is refused") {
  CHECK(decode<Pod>({{"kind", "Service"}}).error().message == "kind: expected Pod, got \"Service\"");
  CHECK(decode<Pod>(json::array()).error().message == "expected object, got array");
}

TEST_CASE("binary data is held decoded") {
  Secret secret = decode<Secret>({{"data", {{"k", "aGk="}}}, {"stringData", {{"s", "t"}}}}).value();
  CHECK(secret.data.at("k") == "hi");
  CHECK(secret.string_data.at("s") == "t");
  CHECK(encode(secret)["data"]["k"] == "aGk=");
  CHECK(decode<Secret>({{"data", {{"k", "%"}}}}).error().message == "data[k]: expected base64");
  ConfigMap map = decode<ConfigMap>({{"binaryData", {{"b", "/w=="}}}}).value();
  CHECK(map.binary_data.at("b") == "\xff");
}

TEST_CASE("quantities may be numbers, and are written canonically") {
  Container c = decode<Container>({{"resources", {{"limits", {{"cpu", 0.5}, {"memory", 1048576}}}}}}).value();
  json limits = encode(c)["resources"]["limits"];
  CHECK(limits == json{{"cpu", "500m"}, {"memory", "1048576"}});
}

TEST_CASE("empty objects and fields are left out, except what the API always shows") {
  CHECK(encode(Container{}) == json{{"name", ""}, {"resources", json::object()}});
  CHECK(encode(ConfigMap{}) == json{{"apiVersion", "v1"}, {"kind", "ConfigMap"}});
}

TEST_CASE("the other kinds survive too") {
  auto text = GENERATE(
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"NodePort","clusterIP":"10.0.0.1",
        "clusterIPs":["10.0.0.1"],"selector":{"a":"b"},"sessionAffinity":"ClientIP",
        "sessionAffinityConfig":{"clientIP":{"timeoutSeconds":5}},
        "ports":[{"name":"p","port":80,"targetPort":"http","nodePort":30000,"protocol":"UDP"}]},
        "status":{"loadBalancer":{"ingress":[{"ip":"1.1.1.1"}]}}})",
      R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e"},"addressType":"IPv4",
        "endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":false},"hints":{"forZones":[{"name":"z"}]},
        "targetRef":{"kind":"Pod","namespace":"n","name":"p"}}],"ports":[{"name":"","port":80,"protocol":"TCP"}]})",
      R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"},"spec":{"replicas":0,"serviceName":"db",
        "selector":{"matchExpressions":[{"key":"a","operator":"Exists"}]},"ordinals":{"start":3},
        "updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},
        "volumeClaimTemplates":[{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c"},
         "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}],
        "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","resources":{}}]}}}})",
      R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"completions":3,"backoffLimit":0,
        "suspend":false,"template":{"spec":{"containers":[],"restartPolicy":"Never"}}},"status":{"succeeded":1}})",
      R"({"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"p"},"spec":{"capacity":{"storage":"1Gi"},
        "accessModes":["ReadWriteOnce"],"local":{"path":"/d"},"claimRef":{"namespace":"n","name":"c"},
        "nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In",
        "values":["n"]}]}]}}}})");
  json original = json::parse(text);
  std::string kind = original["kind"];
  Warnings warnings;
  json again;
  if (kind == "Service") again = encode(decode<Service>(original, &warnings).value());
  if (kind == "EndpointSlice") again = encode(decode<EndpointSlice>(original, &warnings).value());
  if (kind == "StatefulSet") again = encode(decode<StatefulSet>(original, &warnings).value());
  if (kind == "Job") again = encode(decode<Job>(original, &warnings).value());
  if (kind == "PersistentVolume") again = encode(decode<PersistentVolume>(original, &warnings).value());
  CHECK(warnings.empty());
  CHECK(json::diff(original, again).dump(1) == "[]");
}
