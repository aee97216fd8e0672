#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/cli/api_client.hpp"
#include "agent/cli/explain_text.hpp"
#include "agent/cli/pod_row.hpp"
#include "agent/cli/progress.hpp"
#include "agent/cli/tables.hpp"
#include "kube/time.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

const SystemTime kNow = *kube::parse_time("2024-05-01T10:10:00Z");

json pod(const char* status_text, const char* spec = R"({"containers":[{"name":"app"}],"nodeName":"n1"})") {
  return {{"metadata", {{"name", "web"}, {"namespace", "default"}, {"creationTimestamp", "2024-05-01T10:05:00Z"}}},
          {"spec", json::parse(spec)},
          {"status", json::parse(status_text)}};
}

std::string status_of(const char* status_text, const char* spec = R"({"containers":[{"name":"app"}]})") {
  return pod_columns(pod(status_text, spec)).status;
}

constexpr const char* kRunning =
    R"({"phase":"Running","podIP":"10.0.0.7","containerStatuses":[{"name":"app","ready":true,"restartCount":3,
        "state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2024-05-01T10:09:50Z","exitCode":1}}}]})";

}  // namespace

TEST_CASE("Durations as kubectl prints them") {
  const std::pair<std::int64_t, const char*> cases[] = {
      {-5, "<invalid>"},     {-1, "0s"},         {0, "0s"},           {119, "119s"},     {120, "2m"},
      {185, "3m5s"},         {600, "10m"},       {10799, "179m"},     {10800, "3h"},     {12000, "3h20m"},
      {8 * 3600, "8h"},      {47 * 3600, "47h"}, {50 * 3600, "2d2h"}, {9 * 86400, "9d"}, {800 * 86400, "2y70d"},
      {3000LL * 86400, "8y"}};
  for (const auto& [seconds, text] : cases) CHECK(human_duration(Seconds(seconds)) == text);
  CHECK(step_duration(0.01234) == "12.3 ms");
  CHECK(step_duration(2.5) == "2.50 s");
}

TEST_CASE("The pod table, plain and wide") {
  Table plain(pod_header(false, false));
  plain.add(pod_row(pod(kRunning), false, false, kNow));
  CHECK(plain.take() ==
        "NAME   READY   STATUS    RESTARTS      AGE\n"
        "web    1/1     Running   3 (10s ago)   5m\n");
  plain.add(pod_row(pod(R"({"phase":"Pending"})"), false, false, kNow));
  CHECK(plain.take() == "web    0/1     Pending   0             5m\n");
  Table wide(pod_header(true, true));
  wide.add(pod_row(pod(kRunning), true, true, kNow));
  CHECK(wide.take() ==
        "NAMESPACE   NAME   READY   STATUS    RESTARTS      AGE   IP         NODE   NOMINATED NODE   READINESS GATES\n"
        "default     web    1/1     Running   3 (10s ago)   5m    10.0.0.7   n1     <none>           <none>\n");
}

TEST_CASE("The STATUS column") {
  CHECK(status_of(R"({"phase":"Pending"})") == "Pending");
  CHECK(status_of(R"({"phase":"Failed","reason":"Evicted"})") == "Evicted");
  CHECK(
      status_of(
          R"({"phase":"Running","containerStatuses":[{"name":"app","state":{"waiting":{"reason":"CrashLoopBackOff"}}}]})") ==
      "CrashLoopBackOff");
  CHECK(
      status_of(
          R"({"phase":"Succeeded","containerStatuses":[{"name":"app","state":{"terminated":{"reason":"Completed","exitCode":0}}}]})") ==
      "Completed");
  CHECK(status_of(R"({"phase":"Failed","containerStatuses":[{"name":"app","state":{"terminated":{"exitCode":7}}}]})") ==
        "ExitCode:7");
  CHECK(
      status_of(
          R"({"phase":"Failed","containerStatuses":[{"name":"app","state":{"terminated":{"exitCode":137,"signal":9}}}]})") ==
      "Signal:9");
  const char* two = R"({"containers":[{"name":"a"},{"name":"b"}]})";
  const char* half = R"({"phase":"Running","conditions":[{"type":"Ready","status":"%"}],"containerStatuses":[
      {"name":"a","state":{"terminated":{"reason":"Completed","exitCode":0}}},{"name":"b","ready":true,"state":{"running":{}}}]})";
  auto text = std::string(half);
  text.replace(text.find('%'), 1, "True");
  CHECK(status_of(text.c_str(), two) == "Running");
  text.replace(text.find("\"True\""), 6, "\"False\"");
  CHECK(status_of(text.c_str(), two) == "NotReady");
}

TEST_CASE("The STATUS column of init containers and sidecars") {
  const char* spec =
      R"({"initContainers":[{"name":"i1"},{"name":"side","restartPolicy":"Always"}],"containers":[{"name":"app"}]})";
  CHECK(
      status_of(
          R"({"phase":"Pending","initContainerStatuses":[{"name":"i1","state":{"running":{}}},{"name":"side","state":{}}]})",
          spec) == "Init:0/2");
  CHECK(
      status_of(
          R"({"phase":"Pending","initContainerStatuses":[{"name":"i1","state":{"terminated":{"exitCode":0}}},{"name":"side","state":{"running":{}}}]})",
          spec) == "Init:1/2");
  CHECK(
      status_of(R"({"phase":"Pending","initContainerStatuses":[{"name":"i1","state":{"terminated":{"exitCode":2}}}]})",
                spec) == "Init:ExitCode:2");
  CHECK(
      status_of(
          R"({"phase":"Pending","initContainerStatuses":[{"name":"i1","state":{"waiting":{"reason":"ImagePullBackOff"}}}]})",
          spec) == "Init:ImagePullBackOff");
  const auto up = pod_columns(pod(
      R"({"phase":"Running","initContainerStatuses":[{"name":"i1","restartCount":4,"state":{"terminated":{"exitCode":0}}},
          {"name":"side","started":true,"ready":true,"restartCount":2,"state":{"running":{}}}],
          "containerStatuses":[{"name":"app","ready":true,"restartCount":1,"state":{"running":{}}}]})",
      spec));
  CHECK(up.status == "Running");
  CHECK(up.ready == 2);
  CHECK(up.total == 2);
  CHECK(up.restarts == 3);
}

TEST_CASE("A pod that is being deleted is Terminating until it is over") {
  auto deleted = pod(kRunning);
  deleted["metadata"]["deletionTimestamp"] = "2024-05-01T10:10:30Z";
  CHECK(pod_columns(deleted).status == "Terminating");
  deleted["status"] = json::parse(R"({"phase":"Succeeded"})");
  CHECK(pod_columns(deleted).status == "Succeeded");
}

TEST_CASE("The service table") {
  const auto services = json::parse(R"([
    {"metadata":{"name":"web","namespace":"default"},"spec":{"type":"NodePort","clusterIP":"10.96.0.9","selector":{"app":"web"},
     "ports":[{"port":80,"nodePort":30081,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}},
    {"metadata":{"name":"db","namespace":"default"},"spec":{"type":"ClusterIP","clusterIP":"None"}}])");
  CHECK(service_table(services, false, true, kNow) ==
        "NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)               AGE         SELECTOR\n"
        "web    NodePort    10.96.0.9    <none>        80:30081/TCP,53/UDP   <unknown>   app=web\n"
        "db     ClusterIP   None         <none>        <none>                <unknown>   <none>\n");
}

TEST_CASE("The workload table and the problems") {
  const auto workloads = json::parse(R"([
    {"kind":"Deployment","namespace":"default","name":"web","desired":3,"current":3,"ready":2,"upToDate":3,"message":"waits"},
    {"kind":"Job","namespace":"default","name":"pi","desired":5,"ready":1,"succeeded":2,"failed":1,"message":""}])");
  CHECK(workload_table(workloads, false) ==
        "KIND         NAME   READY   UP-TO-DATE   DONE   FAILED   MESSAGE\n"
        "Deployment   web    2/3     3            -      -        waits\n"
        "Job          pi     1       -            2/5    1        \n");
  const auto problems = json::parse(R"([
    {"file":"a.yaml","object":"Pod default/web","message":"spec.x: bad","severity":"error"},
    {"file":"b.yaml","object":"","message":"b.yaml: line 5: broken","severity":"error"},
    {"file":"d.yaml","object":"Pod victim","message":"Pod default/victim: spec.x: Required value","severity":"error"},
    {"file":"c.yaml","object":"Pod default/c","message":"spec.colour: unknown field","severity":"warning"}])");
  CHECK(problem_lines(problems, false) ==
        "Problems:\n  a.yaml: Pod default/web: spec.x: bad\n  b.yaml: line 5: broken\n"
        "  d.yaml: Pod default/victim: spec.x: Required value\n");
  CHECK(problem_lines(problems, true).find("c.yaml: Pod default/c: spec.colour: unknown field (warning)") !=
        std::string::npos);
  CHECK(problem_lines(json::array(), true).empty());
  CHECK(canonical_kind("Deploy") == "deployments");
  CHECK(canonical_kind("gadgets") == std::nullopt);
}

TEST_CASE("A pod is found by name, preferring the default namespace") {
  const auto items =
      json::parse(R"([{"metadata":{"name":"web","namespace":"a"}},{"metadata":{"name":"web","namespace":"default"}},
    {"metadata":{"name":"db","namespace":"a"}},{"metadata":{"name":"two","namespace":"a"}},{"metadata":{"name":"two","namespace":"b"}}])");
  const auto ns = [&](const char* given, const char* name) {
    return choose_pod(items, given, name)->at("metadata").value("namespace", "");
  };
  CHECK(ns("", "web") == "default");
  CHECK(ns("", "a/web") == "a");
  CHECK(ns("a", "web") == "a");
  CHECK(ns("", "db") == "a");
  CHECK(choose_pod(items, "", "two").error().message == "several pods are named \"two\": a/two, b/two");
  CHECK(choose_pod(items, "default", "db").error().code == Errc::not_found);
}

TEST_CASE("Explain tells waits, containers, conditions and steps") {
  const auto document = json::parse(R"({"subject":"web","workloads":[],"problems":[],"retired":[],"similar":[],"pods":[{
    "pod":{"metadata":{"name":"web","namespace":"default","uid":"u1"},"spec":{"containers":[{"name":"app"}]},
      "status":{"phase":"Running","podIP":"10.0.0.7","startTime":"2024-05-01T10:09:00Z","qosClass":"BestEffort",
        "conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [app]"},
                      {"type":"PodScheduled","status":"True"}],
        "containerStatuses":[{"name":"app","restartCount":1,"image":"app:1","state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 10s"}},
          "lastState":{"terminated":{"exitCode":7,"reason":"Error","finishedAt":"2024-05-01T10:09:56Z"}}}]}},
    "waits":[{"object":"container app","what":"CrashLoopBackOff","why":"back-off 10s","hint":"see its log","since":"2024-05-01T10:09:56Z","retryAt":"2024-05-01T10:10:06Z"}],
    "entries":[{"kind":"step","first":"2024-05-01T10:09:00.5Z","last":"2024-05-01T10:09:00.5Z","object":"pod","reason":"create sandbox","message":"","count":1,"tookSeconds":0.25},
               {"kind":"Warning","first":"2024-05-01T10:09:50Z","last":"2024-05-01T10:09:56Z","object":"container app","reason":"BackOff","message":"Back-off restarting","count":3}]}]})");
  CHECK(explain_text(document, kNow) ==
        "Pod default/web: CrashLoopBackOff, 0 of 1 containers ready\n"
        "  IP 10.0.0.7, started 60s ago, QoS BestEffort, UID u1\n"
        "\n"
        "Waits:\n"
        "  container app: waiting for CrashLoopBackOff, since 4s\n"
        "    because: back-off 10s\n"
        "    what to do: see its log\n"
        "    next try: in 6s\n"
        "\n"
        "Containers:\n"
        "  app           waiting: CrashLoopBackOff: back-off 10s, restarted 1x\n"
        "                before that: exit code 7 (Error) 4s ago\n"
        "                image app:1\n"
        "\n"
        "Not fulfilled:\n"
        "  Ready is False: ContainersNotReady: containers with unready status: [app]\n"
        "\n"
        "What was done:\n"
        "    TIME (UTC)     TOOK       WHERE           WHAT             OUTCOME\n"
        "    10:09:00.500   250.0 ms   pod             create sandbox   \n"
        "!   10:09:50.000              container app   BackOff          Back-off restarting (3x, last 10:09:56.000)\n");
}

TEST_CASE("Explain of what is not there names what is near") {
  const auto document = json::parse(R"({"subject":"wbe","similar":["web","web-2"]})");
  CHECK_FALSE(explains_something(document));
  CHECK(explain_text(document, kNow) == "There is no pod, workload or file \"wbe\" here.\nNames like it: web, web-2\n");
}

TEST_CASE("The progress line's text") {
  CHECK(progress_text({.pods = 12, .ready = 3, .pulling = 2, .starting = 4}) ==
        "3 of 12 pods ready, pulling 2 images, starting 4");
  CHECK(progress_text({.pods = 2, .ready = 1, .pulling = 1}) == "1 of 2 pods ready, pulling 1 image");
  CHECK(progress_text({.pods = 2, .ready = 2}).empty());
  CHECK(progress_text({}).empty());
}

TEST_CASE("The node's status") {
  const auto status = json::parse(R"({"version":"1.0","node":"n1","addresses":["10.0.0.1","fd00::1"],"manifests":"/m",
    "runtime":{"name":"containerd","version":"1.6","endpoint":"unix:///c","connected":true,"events":"containerd"},
    "cgroups":{"driver":"systemd","version":2},
    "podNetwork":{"mode":"agent","network":"pods","attachments":3,"problems":[{"file":"/etc/x.conf","reason":"bad"}]},
    "proxy":{"enabled":true,"synced":true,"pending":false,"families":[
      {"family":"IPv4","backend":"iptables-nft","filterRules":2,"natRules":10,"lastError":"locked"}]},
    "counts":{"pods":4,"podsReady":3,"services":2,"problems":1}})");
  CHECK(status_text(status) ==
        "Node          n1 (10.0.0.1, fd00::1)\n"
        "Keelson       1.0\n"
        "Runtime       containerd 1.6 at unix:///c, connected\n"
        "Events        containerd\n"
        "Cgroups       v2, driver systemd\n"
        "Pod network   plugins run by the agent, network pods, 3 attachments\n"
        "              /etc/x.conf: bad\n"
        "Services      2, rules in sync\n"
        "              IPv4 iptables-nft: 12 rules, last error: locked\n"
        "Manifests     /m\n"
        "Pods          3 of 4 ready\n"
        "Problems      1\n");
}
