#include <catch2/catch.hpp>

#include "agent/server/explain.hpp"
#include "fake_data.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;
using nlohmann::json;

TEST_CASE("Edit distance") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("web", "web") == 0);
  CHECK(edit_distance("web", "wbe") == 2);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("Explain gathers the pod, its journal and the problems about it") {
  FakeData data;
  data.add_pod("web");
  auto& journal = data.journals.pod("default/web");
  journal.step("pod", "create sandbox", Milliseconds(250));
  journal.wait("container app", "its image", "not found", "mend the name", kNow + Seconds(10));
  data.problem_list = {
      {{"file", "web.yaml"}, {"object", "Pod default/web"}, {"message", "spec.x: bad"}, {"severity", "error"}},
      {{"file", "other.yaml"}, {"object", "Pod default/other"}, {"message", "bad"}, {"severity", "error"}}};
  const auto out = explain_json(data, "", "web");
  REQUIRE(out["pods"].size() == 1);
  CHECK(out["pods"][0]["pod"]["metadata"]["name"] == "web");
  CHECK(out["pods"][0]["pod"]["status"]["phase"] == "Running");
  CHECK(out["pods"][0]["entries"][0]["reason"] == "create sandbox");
  CHECK(out["pods"][0]["entries"][0]["tookSeconds"] == Approx(0.25));
  CHECK(out["pods"][0]["waits"][0]["hint"] == "mend the name");
  CHECK(out["pods"][0]["waits"][0]["retryAt"] == "2023-11-14T22:13:30.000000000Z");
  REQUIRE(out["problems"].size() == 1);
  CHECK(out["problems"][0]["file"] == "web.yaml");
  CHECK(explain_json(data, "elsewhere", "web")["pods"].empty());
  CHECK(explain_json(data, "", "default/web")["pods"].size() == 1);
}

TEST_CASE("Explain shows a step as long as it is under way") {
  FakeData data;
  data.add_pod("web");
  auto& journal = data.journals.pod("default/web");
  {
    StepTimer timer(journal, "container app", "postStart", data.clock);
    OpenStep look(journal, "pod", "look");
    const auto open = explain_json(data, "", "web")["pods"][0]["underWay"];
    REQUIRE(open.size() == 2);
    CHECK(open[0]["what"] == "postStart");
    CHECK(open[0]["object"] == "container app");
    CHECK_FALSE(open[0]["hint"].get<std::string>().empty());
    CHECK(open[1]["what"] == "look");
    timer.finish();
    CHECK(explain_json(data, "", "web")["pods"][0]["underWay"].size() == 1);
  }
  CHECK(explain_json(data, "", "web")["pods"][0]["underWay"].empty());
  CHECK(explain_json(data, "", "web")["pods"][0]["entries"].size() == 1);
}

TEST_CASE("Explain makes a wait of the probe that keeps a container from being ready") {
  FakeData data;
  data.add_pod("web");
  auto status = std::make_shared<kube::PodStatus>(*data.entries[0].status);
  REQUIRE(!status->container_statuses.empty());
  auto& c = status->container_statuses[0];
  c.started = GENERATE(true, false);
  c.ready = false;
  c.state = {};
  c.state.running.emplace();
  data.entries[0].status = status;
  auto& journal = data.journals.pod("default/web");
  journal.event(EntryKind::warning, "container " + c.name, "Unhealthy", "Readiness probe failed: no");
  journal.event(EntryKind::warning, "container " + c.name, "Unhealthy", "Startup probe failed: not yet");
  const auto waits = explain_json(data, "", "web")["pods"][0]["waits"];
  REQUIRE(waits.size() == 1);
  CHECK(waits[0]["what"] == (*c.started ? "its readiness probe" : "its startup probe"));
  CHECK(waits[0]["why"] == (*c.started ? "Readiness probe failed: no" : "Startup probe failed: not yet"));
}

TEST_CASE("Explain of a file, of a refused object, and of a typing error") {
  FakeData data;
  data.add_pod("frontend");
  data.problem_list = {
      {{"file", "broken.yaml"}, {"object", ""}, {"message", "line 5: bad"}, {"severity", "error"}},
      {{"file", "b.yaml"}, {"object", "Pod default/victim"}, {"message", "bad"}, {"severity", "error"}}};
  CHECK(explain_json(data, "", "broken.yaml")["problems"].size() == 1);
  CHECK(explain_json(data, "", "victim")["problems"].size() == 1);
  CHECK(explain_json(data, "", "vict")["problems"].empty());
  CHECK(explain_json(data, "", "frontent")["similar"] == json{"frontend"});
  CHECK(explain_json(data, "", "entirely-else")["similar"].empty());
}

TEST_CASE("Explain of a workload brings its pods; of a removed pod its journal") {
  FakeData data;
  auto pod = std::make_shared<kube::Pod>(*data.add_pod("web-5d4f-x1").pod);
  pod->metadata.owner_references.emplace_back();
  pod->metadata.owner_references.back().kind = "ReplicaSet";
  pod->metadata.owner_references.back().name = "web-5d4f";
  data.entries[0].pod = pod;
  data.add_pod("other");
  data.workload_list = {{{"kind", "Deployment"}, {"namespace", "default"}, {"name", "web"}}};
  const auto out = explain_json(data, "", "web");
  CHECK(out["workloads"].size() == 1);
  REQUIRE(out["pods"].size() == 1);
  CHECK(out["pods"][0]["pod"]["metadata"]["name"] == "web-5d4f-x1");
  data.journals.pod("default/gone").step("pod", "stop sandbox", Milliseconds(1));
  data.journals.retire("default/gone");
  const auto gone = explain_json(data, "", "gone");
  REQUIRE(gone["retired"].size() == 1);
  CHECK(gone["retired"][0]["entries"][0]["reason"] == "stop sandbox");
}
