#include "kube/validate.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/object.hpp"
#include "kube/yaml.hpp"

using namespace keelson::kube;
using nlohmann::json;

namespace {

// What is wrong with the object of this text, once it has its defaults.
std::string errors_of(const std::string& text) {
  YamlFile file = parse_yaml(text, "t");
  for (const auto& error : file.errors) UNSCOPED_INFO(error.message);
  REQUIRE(file.documents.size() == 1);
  Object object = decode_object(*file.documents[0].json).value();
  metadata_of(object).ns = std::holds_alternative<PersistentVolume>(object) ? "" : "default";
  set_defaults(object);
  return to_string(validate(object));
}

std::string pod(const std::string& spec) {
  return errors_of("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" + spec + "}}");
}
std::string container(const std::string& fields) {
  return pod("volumes: [{name: v}], containers: [{name: c, image: i, " + fields + "}]");
}
std::string volume(const std::string& fields) {
  return pod("containers: [{name: c, image: i}], volumes: [{name: v, " + fields + "}]");
}
std::string service(const std::string& spec) {
  return errors_of("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {" + spec + "}}");
}
std::string workload(const std::string& api_version, const std::string& kind, const std::string& spec,
                     const std::string& pod_spec = "") {
  return errors_of("{apiVersion: " + api_version + ", kind: " + kind + ", metadata: {name: w}, spec: {" + spec +
                   (spec.empty() ? "" : ", ") +
                   "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]" + pod_spec +
                   "}}}}");
}

using Cases = std::vector<std::pair<std::string, std::string>>;

void check_all(std::string (*run)(const std::string&), const Cases& cases) {
  for (const auto& [input, expected] : cases) {
    CAPTURE(input);
    CHECK(run(input) == expected);
  }
}

}  // namespace

TEST_CASE("metadata is validated") {
  auto object = [](const std::string& metadata) {
    return errors_of("{apiVersion: v1, kind: ConfigMap, metadata: {" + metadata + "}}");
  };
  CHECK(object("name: a.b-c") == "");
  CHECK(object("").find("metadata.name: Required value") == 0);
  CHECK(object("generateName: a-") == "metadata.name: Required value: generateName needs an API server");
  CHECK(object("name: Web").find("metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain") == 0);
  CHECK(object("name: a, labels: {\"-x\": z}").find("metadata.labels: Invalid value: \"-x\": name part must") == 0);
  CHECK(object("name: a, labels: {x: \"a b\"}").find("metadata.labels[x]: Invalid value: \"a b\": a valid label") == 0);
  CHECK(object("name: a, annotations: {\"a/b/c\": z}").find("metadata.annotations: Invalid value") == 0);
}

TEST_CASE("pods are validated") {
  const std::string rest = "containers: [{name: c, image: i}], ";
  CHECK(pod("") == "spec.containers: Required value");
  CHECK(pod(rest) == "");
  CHECK(pod(rest + "restartPolicy: always") ==
        "spec.restartPolicy: Unsupported value: \"always\": supported values: \"Always\", \"OnFailure\", \"Never\"");
  CHECK(
      pod(rest + "dnsPolicy: None") ==
      "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None");
  CHECK(pod(rest + "dnsConfig: {nameservers: [x]}").find("spec.dnsConfig.nameservers[0]: Invalid value: \"x\"") == 0);
  CHECK(pod(rest + "activeDeadlineSeconds: 0") ==
        "spec.activeDeadlineSeconds: Invalid value: 0: must be greater than or equal to 1");
  CHECK(pod(rest + "hostname: a.b").find("spec.hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label") == 0);
  CHECK(pod(rest + "hostAliases: [{ip: 1.2.3}]").find("spec.hostAliases[0].ip: Invalid value: \"1.2.3\"") == 0);
  CHECK(
      pod(rest + "hostPID: true, shareProcessNamespace: true") ==
      "spec.shareProcessNamespace: Invalid value: \"true\": ShareProcessNamespace and HostPID cannot both be enabled");
  CHECK(pod(rest + "hostUsers: false, hostNetwork: true") == "spec.hostNetwork: Forbidden: when `hostUsers` is false");
  CHECK(pod(rest + "tolerations: [{operator: Equal}]") ==
        "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty");
  CHECK(pod(rest + "securityContext: {runAsUser: -1}") ==
        "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive");
  CHECK(pod(rest + "securityContext: {sysctls: [{name: a.b}, {name: a.b}]}") ==
        "spec.securityContext.sysctls[1].name: Duplicate value: \"a.b\"");
  CHECK(pod(rest + "overhead: {cpu: -1}") ==
        "spec.overhead[cpu]: Invalid value: \"-1\": must be greater than or equal to 0");
}

TEST_CASE("containers are validated") {
  check_all(
      container,
      {
          {"", ""},
          {"imagePullPolicy: Sometimes",
           "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": "
           "supported values: \"Always\", \"IfNotPresent\", \"Never\""},
          {"ports: [{name: http}]", "spec.containers[0].ports[0].containerPort: Required value"},
          {"ports: [{containerPort: 70000}]",
           "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
          {"ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]",
           "spec.containers[0].ports[1].name: Duplicate value: \"a\""},
          {"ports: [{name: \"80\", containerPort: 1}]",
           "spec.containers[0].ports[0].name: Invalid value: \"80\": must contain at least one letter (a-z)"},
          {"ports: [{containerPort: 1, protocol: tcp}]",
           "spec.containers[0].ports[0].protocol: Unsupported value: "
           "\"tcp\": supported values: \"TCP\", \"UDP\", \"SCTP\""},
          {"ports: [{containerPort: 1, hostPort: 9}, {containerPort: 2, hostPort: 9}]",
           "spec.containers[0].ports[1].hostPort: Duplicate value: \"9\""},
          {"env: [{value: x}]", "spec.containers[0].env[0].name: Required value"},
          {"env: [{name: a=b}]",
           "spec.containers[0].env[0].name: Invalid value: \"a=b\": environment variable names "
           "must be printable ASCII characters other than '='"},
          {"env: [{name: a, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
           "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"},
          {"env: [{name: a, valueFrom: {fieldRef: {fieldPath: spec.containers}}}]",
           "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.containers\": not a field "
           "that "
           "a variable can show"},
          {"env: [{name: a, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['x']\"}}}]", ""},
          {"env: [{name: a, valueFrom: {configMapKeyRef: {name: m}}}]",
           "spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Required value"},
          {"envFrom: [{prefix: x}]",
           "spec.containers[0].envFrom[0]: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"},
          {"volumeMounts: [{name: v, mountPath: /a}]", ""},
          {"volumeMounts: [{name: w, mountPath: /a}]", "spec.containers[0].volumeMounts[0].name: Not found: \"w\""},
          {"volumeMounts: [{name: v}]", "spec.containers[0].volumeMounts[0].mountPath: Required value"},
          {"volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]",
           "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"},
          {"volumeMounts: [{name: v, mountPath: /a, subPath: ../b}]",
           "spec.containers[0].volumeMounts[0].subPath: Invalid value: \"../b\": must not contain '..'"},
          {"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]",
           "spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is "
           "available "
           "only to privileged containers"},
          {"resources: {limits: {cpu: 1}, requests: {cpu: 2}}",
           "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"},
          {"resources: {limits: {disk: 1}}",
           "spec.containers[0].resources.limits[disk]: Invalid value: \"disk\": must be a standard resource for "
           "containers; spec.containers[0].resources.requests[disk]: Invalid value: \"disk\": must be a standard "
           "resource "
           "for containers"},
          {"resources: {limits: {memory: -1}, requests: {memory: -2}}",
           "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0; "
           "spec.containers[0].resources.requests[memory]: Invalid value: \"-2\": must be greater than or equal to 0"},
          {"resources: {limits: {hugepages-2Mi: 2Mi}}",
           "spec.containers[0].resources: Forbidden: HugePages require cpu or memory"},
          {"securityContext: {privileged: true, allowPrivilegeEscalation: false}",
           "spec.containers[0].securityContext.allowPrivilegeEscalation: Invalid value: \"false\": cannot set "
           "`allowPrivilegeEscalation` to false and `privileged` to true"},
          {"securityContext: {seccompProfile: {type: Localhost}}",
           "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value"},
      });
}

TEST_CASE("probes are validated") {
  check_all(
      [](const std::string& probe) { return container("livenessProbe: {" + probe + "}"); },
      {
          {"exec: {command: [a]}", ""},
          {"", "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
          {"tcpSocket: {port: 80}, exec: {command: [a]}",
           "spec.containers[0].livenessProbe: Forbidden: may not specify more than 1 handler type"},
          {"exec: {}", "spec.containers[0].livenessProbe.exec.command: Required value"},
          {"tcpSocket: {port: 0}",
           "spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 "
           "and 65535, inclusive"},
          {"httpGet: {port: Http}",
           "spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"Http\": must contain "
           "only lower case alphanumeric characters and hyphens, and not begin or end with a "
           "hyphen"},
          {"httpGet: {port: 80, scheme: FTP}",
           "spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: "
           "\"FTP\": supported values: \"HTTP\", \"HTTPS\""},
          {"grpc: {port: 70000}",
           "spec.containers[0].livenessProbe.grpc.port: Invalid value: 70000: must be between 1 and "
           "65535, inclusive"},
          {"tcpSocket: {port: 1}, periodSeconds: -1",
           "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 1"},
          {"tcpSocket: {port: 1}, successThreshold: 2",
           "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
          {"tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0",
           "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than or "
           "equal "
           "to 1"},
      });
  CHECK(container("readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 5}") ==
        "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for "
        "readinessProbes");
  CHECK(container("lifecycle: {preStop: {sleep: {seconds: 31}}}") ==
        "spec.containers[0].lifecycle.preStop.sleep.seconds: Invalid value: 31: must be non-negative and not more than "
        "terminationGracePeriodSeconds (30)");
}

TEST_CASE("containers are validated together") {
  CHECK(pod("containers: [{name: a, image: i}, {name: a, image: i}]") ==
        "spec.containers[1].name: Duplicate value: \"a\"");
  CHECK(pod("initContainers: [{name: a, image: i}], containers: [{name: a, image: i}]") ==
        "spec.containers[0].name: Duplicate value: \"a\"");
  CHECK(pod("initContainers: [{name: a, image: i, readinessProbe: {}}], containers: [{name: b, image: i}]") ==
        "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
        "restartPolicy=Always");
  CHECK(pod("initContainers: [{name: a, image: i, restartPolicy: Always, readinessProbe: {tcpSocket: {port: 1}}}], "
            "containers: [{name: b, image: i}]") == "");
  CHECK(
      pod("hostNetwork: true, containers: [{name: a, image: i, ports: [{containerPort: 1, hostPort: 2}]}]") ==
      "spec.containers[0].ports[0].containerPort: Invalid value: 1: must match `hostPort` when `hostNetwork` is true");
  CHECK(pod("containers: [{image: \" i\"}]") ==
        "spec.containers[0].name: Required value; spec.containers[0].image: Invalid value: \" i\": must not have "
        "leading or trailing whitespace");
  CHECK(pod("containers: [{name: a}]") == "spec.containers[0].image: Required value");
}

TEST_CASE("volumes are validated") {
  check_all(
      volume,
      {
          {"emptyDir: {}", ""},
          {"emptyDir: {medium: Paper}",
           "spec.volumes[0].emptyDir.medium: Unsupported value: \"Paper\": supported values: \"Memory\", "
           "\"HugePages\""},
          {"emptyDir: {sizeLimit: -1}",
           "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"},
          {"emptyDir: {}, hostPath: {path: /}", "spec.volumes[0]: Forbidden: may not specify more than 1 volume type"},
          {"cephfs: {monitors: [m]}",
           "spec.volumes[0].cephfs: Unsupported value: \"cephfs\": supported values: \"emptyDir\", \"hostPath\", "
           "\"configMap\", \"secret\", \"persistentVolumeClaim\", \"downwardAPI\", \"projected\", \"nfs\", \"iscsi\", "
           "\"image\", \"ephemeral\""},
          {"csi: {driver: d}",
           "spec.volumes[0].csi: Unsupported value: \"csi\": supported values: \"emptyDir\", \"hostPath\", "
           "\"configMap\", \"secret\", \"persistentVolumeClaim\", \"downwardAPI\", \"projected\", \"nfs\", \"iscsi\", "
           "\"image\", \"ephemeral\""},
          {"hostPath: {}", "spec.volumes[0].hostPath.path: Required value"},
          {"hostPath: {path: /a/../b}",
           "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
          {"configMap: {}", "spec.volumes[0].configMap.name: Required value"},
          {"configMap: {name: c, defaultMode: 512}",
           "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a "
           "number between 0 and 0777 (octal), both inclusive"},
          {"configMap: {name: c, items: [{path: /x}]}",
           "spec.volumes[0].configMap.items[0].key: Required value; spec.volumes[0].configMap.items[0].path: Invalid "
           "value: \"/x\": must be a relative path"},
          {"configMap: {name: c, items: [{key: k, path: ..data}]}",
           "spec.volumes[0].configMap.items[0].path: Invalid value: \"..data\": must not start with '..'"},
          {"secret: {}", "spec.volumes[0].secret.secretName: Required value"},
          {"persistentVolumeClaim: {}", "spec.volumes[0].persistentVolumeClaim.claimName: Required value"},
          {"downwardAPI: {items: [{path: p}]}",
           "spec.volumes[0].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required"},
          {"projected: {sources: [{}]}", "spec.volumes[0].projected.sources[0]: Required value: must specify a source"},
          {"nfs: {server: s, path: x}", "spec.volumes[0].nfs.path: Invalid value: \"x\": must be an absolute path"},
          {"iscsi: {targetPortal: t, iqn: x, lun: 300}",
           "spec.volumes[0].iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa; "
           "spec.volumes[0].iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive"},
          {"ephemeral: {}", "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"},
      });
  CHECK(volume("hostPath: {path: /, type: Dir}").find("spec.volumes[0].hostPath.type: Unsupported value: \"Dir\"") ==
        0);
  CHECK(pod("containers: [{name: c, image: i}], volumes: [{name: v}, {name: v}, {}]") ==
        "spec.volumes[1].name: Duplicate value: \"v\"; spec.volumes[2].name: Required value");
}

TEST_CASE("services are validated") {
  check_all(
      service,
      {
          {"ports: [{port: 80}]", ""},
          {"clusterIP: None", ""},
          {"", "spec.ports: Required value"},
          {"ports: [{port: 0}]",
           "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive; "
           "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive"},
          {"ports: [{port: 80}, {port: 81, name: b}]", "spec.ports[0].name: Required value"},
          {"ports: [{port: 80, name: a}, {port: 80, name: b}]", "spec.ports[1]: Duplicate value: \"TCP 80\""},
          {"ports: [{port: 80, nodePort: 30000}]",
           "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
          {"type: NodePort, ports: [{port: 80, name: a, nodePort: 30000}, {port: 81, name: b, nodePort: 30000}]",
           "spec.ports[1].nodePort: Duplicate value: \"TCP 30000\""},
          {"type: NodePort, clusterIP: None, ports: [{port: 80}]",
           "spec.clusterIP: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
          {"type: ExternalName", "spec.externalName: Required value"},
          {"ports: [{port: 80}], sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}",
           "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and not more "
           "than "
           "86400"},
          {"ports: [{port: 80}], externalIPs: [x]",
           "spec.externalIPs[0]: Invalid value: \"x\": must be a valid IP "
           "address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      });
  CHECK(service("type: Cluster, ports: [{port: 80}]").find("spec.type: Unsupported value: \"Cluster\"") == 0);
  CHECK(errors_of("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv4, "
                  "endpoints: [{addresses: [\"::1\"]}, {}]}") ==
        "endpoints[0].addresses[0]: Invalid value: \"::1\": must be an IPv4 address; endpoints[1].addresses: Required "
        "value: must contain at least 1 address");
}

TEST_CASE("workloads are validated") {
  const std::string selector = "selector: {matchLabels: {a: b}}";
  for (const char* kind : {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"}) {
    CAPTURE(kind);
    CHECK(workload("apps/v1", kind, selector) == "");
    CHECK(workload("apps/v1", kind, "") == "spec.selector: Required value");
    CHECK(workload("apps/v1", kind, "selector: {}") ==
          "spec.selector: Invalid value: \"\": empty selector is invalid here");
    CHECK(workload("apps/v1", kind, "selector: {matchLabels: {a: c}}") ==
          "spec.template.metadata.labels: Invalid value: \"a=c\": `selector` does not match template `labels`");
    CHECK(workload("apps/v1", kind, selector, ", restartPolicy: Never") ==
          "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"");
  }
  CHECK(workload("apps/v1", "Deployment", selector + ", replicas: -1") ==
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
  CHECK(
      workload("apps/v1", "Deployment", selector + ", strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}") ==
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0");
  CHECK(workload("apps/v1", "Deployment", selector + ", strategy: {rollingUpdate: {maxUnavailable: many}}") ==
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"many\": a valid percent string must be a numeric "
        "string followed by an ending '%'");
  CHECK(workload("apps/v1", "Deployment", selector + ", strategy: {type: Recreate, rollingUpdate: {}}") ==
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'");
  CHECK(workload("apps/v1", "Deployment", "selector: {matchExpressions: [{key: a, operator: In}]}")
            .find("spec.selector.matchExpressions[0].values: Required value") == 0);
  CHECK(workload("apps/v1", "StatefulSet", selector + ", volumeClaimTemplates: [{metadata: {name: d}}]") ==
        "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required; "
        "spec.volumeClaimTemplates[0].spec.resources.requests[storage]: Required value");
}

TEST_CASE("a stateful set's claims are volumes of its pods") {
  CHECK(
      errors_of("{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: w}, spec: {selector: {matchLabels: {a: b}}, "
                "volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], "
                "resources: {requests: {storage: 1Gi}}}}], template: {metadata: {labels: {a: b}}, spec: {containers: "
                "[{name: c, image: i, volumeMounts: [{name: d, mountPath: /d}]}]}}}}") == "");
}

TEST_CASE("jobs are validated") {
  CHECK(workload("batch/v1", "Job", "", ", restartPolicy: Never") == "");
  CHECK(workload("batch/v1", "Job", "") ==
        "spec.template.spec.restartPolicy: Unsupported value: \"Always\": supported "
        "values: \"OnFailure\", \"Never\"");
  CHECK(workload("batch/v1", "Job", "completionMode: Indexed, parallelism: 2", ", restartPolicy: Never") ==
        "spec.completions: Required value: when completion mode is Indexed");
  CHECK(workload("batch/v1", "Job", "backoffLimit: -1", ", restartPolicy: Never") ==
        "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0");
}

TEST_CASE("configuration and storage are validated") {
  check_all(
      errors_of,
      {
          {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {\"a b\": x}}",
           "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or "
           "'.'"},
          {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: x}, binaryData: {a: eA==}}",
           "data[a]: Invalid value: \"a\": duplicate of key in binaryData"},
          {"{apiVersion: v1, kind: Secret, metadata: {name: c}, type: kubernetes.io/tls, stringData: {tls.crt: x}}",
           "data[tls.key]: Required value"},
          {"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: [RWO], "
           "resources: {requests: {storage: 0}}}}",
           "spec.accessModes: Unsupported value: \"RWO\": supported values: \"ReadWriteOnce\", \"ReadOnlyMany\", "
           "\"ReadWriteMany\", \"ReadWriteOncePod\"; spec.resources.requests[storage]: Invalid value: \"0\": must be "
           "greater than zero"},
          {"{apiVersion: v1, kind: PersistentVolume, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], "
           "capacity: {storage: 1Gi}}}",
           "spec: Required value: must specify a volume type"},
          {"{apiVersion: v1, kind: PersistentVolume, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], "
           "capacity: {storage: 1Gi}, rbd: {}}}",
           "spec.rbd: Unsupported value: \"rbd\": supported values: \"hostPath\", \"local\", \"nfs\", \"iscsi\""},
          {"{apiVersion: v1, kind: PersistentVolume, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], "
           "capacity: {storage: 1Gi}, csi: {driver: d, volumeHandle: h}}}",
           "spec.csi: Unsupported value: \"csi\": supported values: \"hostPath\", \"local\", \"nfs\", \"iscsi\""},
          {"{apiVersion: v1, kind: PersistentVolume, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], "
           "capacity: {storage: 1Gi}, local: {path: /d}}}",
           "spec.nodeAffinity: Required value: Local volume requires node affinity"},
      });
}

TEST_CASE("a kind of volume that this node does not have is refused by its name, never ignored") {
  for (const std::string kind :
       {"awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker",
        "gcePersistentDisk", "gitRepo", "glusterfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd",
        "scaleIO", "storageos", "vsphereVolume", "csi", "ofTheFuture"}) {
    const std::string text =
        pod("containers: [{name: c, image: i}], volumes: [{name: ok, emptyDir: {}}, {name: v, " + kind + ": {}}]");
    CHECK(text.starts_with("spec.volumes[1]." + kind + ": Unsupported value: \"" + kind + "\""));
  }
}

TEST_CASE("volumeMounts: what may be asked of a mount") {
  const auto mount = [](const std::string& fields) {
    return pod("containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v, " + fields +
               "}]}], volumes: [{name: v, emptyDir: {}}]");
  };
  const std::string at = "spec.containers[0].volumeMounts[0].";
  const std::vector<std::pair<std::string, std::string>> rows{
      {"readOnly: true, recursiveReadOnly: Enabled", ""},
      {"readOnly: true, recursiveReadOnly: IfPossible, mountPropagation: None", ""},
      {"recursiveReadOnly: Disabled", ""},
      {"recursiveReadOnly: Enabled", at + "recursiveReadOnly: Forbidden: may only be specified when readOnly is true"},
      {"readOnly: true, recursiveReadOnly: Enabled, mountPropagation: HostToContainer",
       at + "recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified"},
      {"mountPropagation: HostToContainer", ""},
      {"mountPropagation: Bidirectional",
       at + "mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers"},
      {"subPath: a/b", ""},
      {"subPath: /a", at + "subPath: Invalid value: \"/a\": must be a relative path"},
      {"subPath: a/../../b", at + "subPath: Invalid value: \"a/../../b\": must not contain '..'"},
      {"subPath: a, subPathExpr: b",
       at + "subPathExpr: Invalid value: \"b\": subPathExpr and subPath are mutually exclusive"},
  };
  for (const auto& [fields, expected] : rows) {
    INFO(fields);
    CHECK(mount(fields) == expected);
  }
}

TEST_CASE("many errors are cut short") {
  std::vector<FieldError> errors(12, {"a", "b"});
  CHECK(to_string(errors, 2) == "a: b; a: b; and 10 more");
}
