#include "agent/cluster/admission.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

kube::Pod pod(const std::string& spec) {
  auto value = json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"d"}})");
  value["spec"] = json::parse(spec);
  return *kube::decode<kube::Pod>(value);
}

const char* const kNode = R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"zone":"a"}},
  "status":{"allocatable":{"cpu":"2","memory":"1Gi","pods":"3"}}})";

struct Row {
  std::string what, spec, reason, message;
  std::vector<std::string> others = {};
  std::string taints = "[]";
};

std::string cpu(const char* amount) {
  return std::string(R"({"containers":[{"name":"c","resources":{"requests":{"cpu":")") + amount + R"("}}}]})";
}
const char* const kEmpty = R"({"containers":[{"name":"c"}]})";
const char* const kPort =
    R"({"containers":[{"name":"c","ports":[{"containerPort":1,"hostPort":80,"protocol":"TCP"}]}]})";

}  // namespace

TEST_CASE("admission: reasons and texts as upstream's") {
  const std::vector<Row> rows = {
      {"fits", cpu("1"), "", ""},
      {"cpu",
       cpu("2"),
       "OutOfcpu",
       "Node didn't have enough resource: cpu, requested: 2000, used: 900, capacity: 2000",
       {cpu("900m")}},
      {"memory", R"({"containers":[{"name":"c","resources":{"requests":{"memory":"2Gi"}}}]})", "OutOfmemory",
       "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824"},
      {"pods",
       kEmpty,
       "OutOfpods",
       "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
       {kEmpty, kEmpty, kEmpty}},
      {"unknown extended resource", R"({"containers":[{"name":"c","resources":{"requests":{"x.io/y":"4"}}}]})", "", ""},
      {"selector", R"({"containers":[],"nodeSelector":{"zone":"b"}})", "NodeAffinity",
       "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
      {"affinity", R"({"containers":[],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms":[{"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]}]}}}})",
       "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
      {"port",
       kPort,
       "NodePorts",
       "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
       {kPort}},
      {"port of another protocol",
       kPort,
       "",
       "",
       {R"({"containers":[{"name":"c","ports":[{"containerPort":1,"hostPort":80,"protocol":"UDP"}]}]})"}},
      {"taint",
       kEmpty,
       "TaintToleration",
       "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
       {},
       R"([{"key":"k","effect":"NoExecute"}])"},
      {"tolerated taint",
       R"({"containers":[],"tolerations":[{"key":"k","operator":"Exists"}]})",
       "",
       "",
       {},
       R"([{"key":"k","effect":"NoExecute"}])"},
      {"taint that only scheduling minds", kEmpty, "", "", {}, R"([{"key":"k","effect":"NoSchedule"}])"},
      {"os label", R"({"containers":[],"nodeSelector":{"kubernetes.io/os":"windows"}})",
       "PodOSSelectorNodeLabelDoesNotMatch",
       "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"},
      {"os field", R"({"containers":[],"os":{"name":"windows"}})", "PodOSNotSupported",
       "Failed to admit pod as the OS field doesn't match node OS"},
      {"safe sysctl",
       R"({"containers":[],"securityContext":{"sysctls":[{"name":"net/ipv4/tcp_syncookies","value":"1"}]}})", "", ""},
      {"allowed sysctl", R"({"containers":[],"securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]}})",
       "", ""},
      {"sysctl", R"({"containers":[],"securityContext":{"sysctls":[{"name":"vm.swappiness","value":"1"}]}})",
       "SysctlForbidden", "forbidden sysctl: \"vm.swappiness\" not allowlisted"},
  };
  const std::vector<std::string> allowed = {"kernel.msg*"};
  for (const auto& row : rows) {
    INFO(row.what);
    auto value = json::parse(kNode);
    value["spec"]["taints"] = json::parse(row.taints);
    const auto node = *kube::decode<kube::Node>(value);
    std::vector<kube::Pod> pods;
    for (const auto& other : row.others) pods.push_back(pod(other));
    std::vector<const kube::Pod*> others;
    for (const auto& other : pods) others.push_back(&other);
    const auto subject = pod(row.spec);
    const auto out = admit({subject, node, others, allowed});
    CHECK((out ? out->reason : "") == row.reason);
    CHECK((out ? out->message : "") == row.message);
  }
}

TEST_CASE("admission: a static pod is not asked about taints") {
  auto value = json::parse(kNode);
  value["spec"]["taints"] = json::parse(R"([{"key":"k","effect":"NoExecute"}])");
  const auto node = *kube::decode<kube::Node>(value);
  const std::vector<const kube::Pod*> none;
  const std::vector<std::string> sysctls;
  CHECK_FALSE(admit({pod(kEmpty), node, none, sysctls, true}));
}

TEST_CASE("admission: a node under pressure, or one that shuts down") {
  const auto node = *kube::decode<kube::Node>(json::parse(kNode));
  const std::vector<const kube::Pod*> none;
  const std::vector<std::string> sysctls;
  const auto subject = pod(kEmpty);
  AdmissionInput in{.pod = subject, .node = node, .others = none, .allowed_sysctls = sysctls};
  CHECK_FALSE(admit(in));
  in.shutting_down = true;
  CHECK(admit(in) == Rejection{"NodeShutdown", "Pod was rejected as the node is shutting down."});
  in.pressure = {"DiskPressure"};
  CHECK(admit(in) == Rejection{"Evicted", "The node had condition: [DiskPressure]. "});
  in.shutting_down = false;
  const auto refused = [&](const kube::Pod& one, bool from_folder) {
    AdmissionInput asked{.pod = one, .node = node, .others = none, .allowed_sysctls = sysctls};
    asked.from_folder = from_folder;
    asked.pressure = in.pressure;
    return admit(asked).has_value();
  };
  auto critical = subject;
  critical.spec.priority = 2000001000;
  CHECK_FALSE(refused(critical, false));
  CHECK_FALSE(refused(critical, true));
  auto of_a_file = subject;
  of_a_file.metadata.annotations["kubernetes.io/config.source"] = "file";
  CHECK_FALSE(refused(of_a_file, false));  // a static pod
  CHECK(refused(of_a_file, true));         // any pod of a node without a cluster
}

TEST_CASE("a resize is infeasible where the node never has as much, deferred where others have it now") {
  const auto node = *kube::decode<kube::Node>(json::parse(kNode));
  const auto other = pod(cpu("900m"));
  const std::vector<const kube::Pod*> others = {&other};
  CHECK(refuse_resize({pod(cpu("1")), node, others, {}}) == std::nullopt);
  CHECK(refuse_resize({pod(cpu("3")), node, others, {}}) ==
        Rejection{"Infeasible", "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000"});
  CHECK(refuse_resize({pod(cpu("1500m")), node, others, {}}) ==
        Rejection{"Deferred", "Node didn't have enough resource: cpu, requested: 1500, used: 900, capacity: 2000"});
}
