#include "agent/pod/plan.hpp"

#include <catch2/catch.hpp>

#include "fixture.hpp"

namespace keelson::agent {
namespace {

using namespace test;

struct World {
  kube::Pod pod;
  PodObservation observed;
  ProbeFactsMap probes;
  std::map<std::string, BackoffState> backoff;
  BackoffPolicy policy;
  SystemTime now = kNow;

  [[nodiscard]] Plan plan() const { return agent::plan({pod, observed, probes, backoff, policy, now}); }
};

std::vector<std::string> starts(const Plan& plan) {
  std::vector<std::string> out;
  for (const auto& s : plan.start) out.push_back(s.name + "#" + std::to_string(s.restart_count));
  return out;
}

using Names = std::vector<std::string>;

TEST_CASE("a pod without a sandbox gets one, and nothing else yet") {
  const World w{.pod = pod({container("a")}), .observed = {}};
  const auto plan = w.plan();
  CHECK(plan.create_sandbox);
  CHECK(plan.sandbox_attempt == 0);
  CHECK_FALSE(plan.stop_pod);
  CHECK(plan.start.empty());
}

TEST_CASE("containers start in the order of the spec") {
  const World w{.pod = pod({container("b"), container("a")}), .observed = observed({})};
  CHECK(starts(w.plan()) == Names{"b#0", "a#0"});
}

TEST_CASE("a sandbox is replaced when it is not ready, double, without an address or of the wrong network") {
  auto p = pod({container("a")});
  SECTION("not ready: it is stopped first, while it holds its network") {
    World w{.pod = p, .observed = observed({}, {sandbox("s0", 3, false)})};
    CHECK(w.plan().stop_pod);
    CHECK(w.plan().sandbox_attempt == 4);
    w.observed.sandboxes[0].released = true;
    CHECK_FALSE(w.plan().stop_pod);
    CHECK(w.plan().create_sandbox);
  }
  SECTION("two ready ones") {
    const World w{.pod = p, .observed = observed({}, {sandbox("s0", 0), sandbox("s1", 1)})};
    CHECK(w.plan().create_sandbox);
    CHECK(w.plan().sandbox_attempt == 2);
  }
  SECTION("no address") {
    World w{.pod = p, .observed = observed({})};
    w.observed.sandboxes[0].ips.clear();
    CHECK(w.plan().create_sandbox);
    w.pod.spec.host_network = true;
    w.observed.sandboxes[0].host_network = true;
    CHECK_FALSE(w.plan().create_sandbox);
  }
  SECTION("host network asked for") {
    World w{.pod = p, .observed = observed({})};
    w.pod.spec.host_network = true;
    CHECK(w.plan().create_sandbox);
  }
}

TEST_CASE("a pod that is done gets no new sandbox") {
  auto dead = sandbox("s0", 1, false);
  dead.released = true;
  const auto a = container("a");
  SECTION("Never, after its containers were created") {
    const World w{.pod = pod({a}, {}, "Never"), .observed = observed({seen(a, RunState::exited)}, {dead})};
    CHECK(w.plan().finished);
    CHECK_FALSE(w.plan().create_sandbox);
  }
  SECTION("OnFailure, all succeeded") {
    const World w{.pod = pod({a}, {}, "OnFailure"), .observed = observed({seen(a, RunState::exited)}, {dead})};
    CHECK(w.plan().finished);
  }
  SECTION("OnFailure, one failed: it runs again in a new sandbox") {
    const World w{.pod = pod({a}, {}, "OnFailure"), .observed = observed({seen(a, RunState::exited, 0, 1)}, {dead})};
    CHECK(w.plan().create_sandbox);
  }
}

TEST_CASE("init containers run one at a time, before the others") {
  const auto i1 = container("i1"), i2 = container("i2"), a = container("a");
  World w{.pod = pod({a}, {i1, i2}), .observed = observed({})};
  CHECK(starts(w.plan()) == Names{"i1#0"});
  w.observed = observed({seen(i1, RunState::running)});
  CHECK(w.plan().start.empty());
  w.observed = observed({seen(i1, RunState::exited)});
  CHECK(starts(w.plan()) == Names{"i2#0"});
  w.observed = observed({seen(i1, RunState::exited), seen(i2, RunState::exited)});
  CHECK(starts(w.plan()) == Names{"a#0"});
  w.observed = observed({seen(i1, RunState::exited), seen(i2, RunState::exited), seen(a, RunState::running)});
  CHECK(w.plan().start.empty());
  CHECK_FALSE(w.plan().finished);
}

TEST_CASE("a failed init container is tried again, or fails the pod") {
  const auto i = container("i"), a = container("a");
  World w{.pod = pod({a}, {i}), .observed = observed({seen(i, RunState::exited, 0, 1)})};
  CHECK(starts(w.plan()) == Names{"i#1"});
  auto oom = seen(i, RunState::exited, 0, 0);
  oom.reason = "OOMKilled";
  w.observed = observed({oom});
  CHECK(starts(w.plan()) == Names{"i#1"});
  w.pod.spec.restart_policy = "Never";
  w.observed = observed({seen(i, RunState::exited, 0, 1)});
  CHECK(w.plan().stop_pod);
  w.observed.sandboxes[0].released = true;
  CHECK(w.plan().finished);
}

TEST_CASE("a sidecar starts before what follows it, and goes on beside the containers") {
  const auto s = sidecar("s"), i = container("i"), a = container("a");
  World w{.pod = pod({a}, {s, i}), .observed = observed({})};
  CHECK(starts(w.plan()) == Names{"s#0"});
  w.observed = observed({seen(s, RunState::running)});
  w.probes["s"].started = false;
  CHECK(w.plan().start.empty());
  w.probes["s"].started = true;
  CHECK(starts(w.plan()) == Names{"i#0"});
  w.observed = observed({seen(s, RunState::running), seen(i, RunState::exited)});
  CHECK(starts(w.plan()) == Names{"a#0"});
  w.observed = observed({seen(s, RunState::exited, 0, 0), seen(i, RunState::exited), seen(a, RunState::running)});
  CHECK(starts(w.plan()) == Names{"s#1"});
}

TEST_CASE("sidecars do not keep a pod alive whose regular containers have ended") {
  const auto s = sidecar("s"), a = container("a");
  World w{.pod = pod({a}, {s}, "Never"),
          .observed = observed({seen(s, RunState::running), seen(a, RunState::exited)})};
  CHECK(w.plan().stop_pod);
  w.pod.spec.restart_policy = "Always";
  CHECK_FALSE(w.plan().stop_pod);
  CHECK(starts(w.plan()) == Names{"a#1"});
}

TEST_CASE("an ephemeral container is started once, whatever the others do, and keeps no pod alive") {
  const auto i = container("i"), a = container("a");
  kube::EphemeralContainer debug;
  debug.name = "debug";
  World w{.pod = pod({a}, {i}, "Never"), .observed = observed({seen(i, RunState::running)})};
  w.pod.spec.ephemeral_containers = {debug};
  CHECK(starts(w.plan()) == Names{"debug#0"});
  w.observed = observed({seen(i, RunState::exited), seen(a, RunState::running), seen(debug, RunState::exited)});
  CHECK(w.plan().start.empty());
  w.observed = observed({seen(i, RunState::exited), seen(a, RunState::exited), seen(debug, RunState::running)});
  CHECK(w.plan().stop_pod);
}

TEST_CASE("a container that must restart to take its new resources is stopped") {
  const auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::running)})};
  const auto plan =
      agent::plan({w.pod, w.observed, w.probes, w.backoff, w.policy, w.now, false, std::set<std::string>{"a"}});
  REQUIRE(plan.stop.size() == 1);
  CHECK(plan.stop[0].message == "Container a resize requires restart");
}

TEST_CASE("restartPolicyRules come before the container's policy, and that before the pod's") {
  using Rule = kube::ContainerRestartRule;
  const Rule in{"Restart", Rule::ExitCodes{"In", {42, 43}}}, not_in{"Restart", Rule::ExitCodes{"NotIn", {1}}};
  struct Row {
    const char *what, *pod_policy, *own_policy;
    std::vector<Rule> rules;
    int exit_code;
    bool restarts;
  };
  const std::vector<Row> rows = {
      {"a listed code", "Never", "Never", {in}, 42, true},
      {"another code", "Never", "Never", {in}, 1, false},
      {"not in the list", "Never", "Never", {not_in}, 7, true},
      {"in the excepted list", "Never", "Never", {not_in}, 1, false},
      {"success asks no rule", "Never", "Never", {not_in}, 0, false},
      {"own policy over the pod's", "Never", "Always", {}, 0, true},
      {"own policy against the pod's", "Always", "Never", {}, 1, false},
      {"own OnFailure", "Always", "OnFailure", {}, 0, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    auto a = container("a");
    a.restart_policy = row.own_policy;
    a.restart_policy_rules = row.rules;
    const World w{.pod = pod({a}, {}, row.pod_policy),
                  .observed = observed({seen(a, RunState::exited, 0, row.exit_code)})};
    CHECK(starts(w.plan()) == (row.restarts ? Names{"a#1"} : Names{}));
  }
}

TEST_CASE("restartPolicy decides about exits") {
  const auto a = container("a");
  struct Row {
    const char* policy;
    int exit_code;
    bool restarts;
  };
  for (const auto& row : {Row{"Always", 0, true}, Row{"Always", 1, true}, Row{"OnFailure", 0, false},
                          Row{"OnFailure", 1, true}, Row{"Never", 0, false}, Row{"Never", 1, false}}) {
    CAPTURE(row.policy, row.exit_code);
    const World w{.pod = pod({a}, {}, row.policy), .observed = observed({seen(a, RunState::exited, 2, row.exit_code)})};
    CHECK(starts(w.plan()) == (row.restarts ? Names{"a#3"} : Names{}));
    CHECK(w.plan().stop_pod != row.restarts);
  }
}

TEST_CASE("restarts wait for their backoff, counted from the exit") {
  const auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::exited, 1, 1)})};
  w.backoff["a"] = {std::chrono::seconds(20), kNow - std::chrono::seconds(30)};
  const auto plan = w.plan();
  CHECK(plan.start.empty());
  REQUIRE(plan.waiting.count("a") == 1);
  CHECK(plan.waiting.at("a").reason == "CrashLoopBackOff");
  CHECK(plan.waiting.at("a").message == "back-off 20s restarting failed container=a pod=web_default(u1)");
  REQUIRE(plan.wake_at);
  CHECK(*plan.wake_at == kNow + std::chrono::seconds(19));
  w.now = *plan.wake_at;
  CHECK(starts(w.plan()) == Names{"a#2"});
  w.backoff["a"].delay = std::chrono::seconds(160);
  CHECK(w.plan().waiting.at("a").message == "back-off 2m40s restarting failed container=a pod=web_default(u1)");
}

TEST_CASE("a long good run forgets the backoff") {
  const auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::exited, 5, 1)})};
  w.backoff["a"] = {std::chrono::seconds(300), kNow - std::chrono::seconds(700)};
  CHECK(starts(w.plan()) == Names{"a#6"});
}

TEST_CASE("a container that was created and never started is only started") {
  const auto a = container("a");
  const World w{.pod = pod({a}), .observed = observed({seen(a, RunState::created)})};
  const auto plan = w.plan();
  REQUIRE(plan.start.size() == 1);
  CHECK(plan.start[0].existing_id == "a-0");
  CHECK(plan.start[0].restart_count == 0);
}

TEST_CASE("a running container is stopped for a changed image or a failed probe") {
  auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::running)})};
  CHECK(w.plan().stop.empty());
  SECTION("image") {
    w.pod.spec.containers[0].image = "app:2";
    REQUIRE(w.plan().stop.size() == 1);
    CHECK(w.plan().stop[0].message == "Container a definition changed, will be restarted");
  }
  SECTION("liveness, with its own grace") {
    w.probes["a"].liveness_failure = "HTTP probe failed with statuscode: 500";
    w.pod.spec.containers[0].liveness_probe.emplace().termination_grace_period_seconds = 5;
    REQUIRE(w.plan().stop.size() == 1);
    CHECK(w.plan().stop[0].message == "Container a failed liveness probe, will be restarted");
    CHECK(w.plan().stop[0].grace_seconds == 5);
  }
  SECTION("startup, in a pod that does not restart") {
    w.probes["a"].startup_failure = "no";
    w.pod.spec.restart_policy = "Never";
    REQUIRE(w.plan().stop.size() == 1);
    CHECK(w.plan().stop[0].message == "Container a failed startup probe");
  }
  SECTION("another agent's container without a hash is left alone") {
    w.observed.containers[0].hash.reset();
    w.pod.spec.containers[0].image = "app:2";
    CHECK(w.plan().stop.empty());
  }
}

TEST_CASE("only the newest two instances of a container are kept") {
  const auto a = container("a");
  const World w{.pod = pod({a}),
                .observed = observed({seen(a, RunState::running, 3), seen(a, RunState::exited, 2, 1),
                                      seen(a, RunState::exited, 1, 1), seen(a, RunState::exited, 0, 1)})};
  CHECK(w.plan().remove == Names{"a-1", "a-0"});
}

TEST_CASE("a replaced sandbox is removed once nothing is left in it") {
  const auto a = container("a");
  auto now = seen(a, RunState::running, 1);
  now.sandbox_id = "s1";
  World w{.pod = pod({a}),
          .observed = observed({now, seen(a, RunState::exited)}, {sandbox("s1", 1), sandbox("s0", 0, false)})};
  CHECK(w.plan().remove_sandboxes.empty());
  w.observed = observed({now}, {sandbox("s1", 1), sandbox("s0", 0, false)});
  CHECK(w.plan().remove_sandboxes == Names{"s0"});
}

TEST_CASE("init containers run again in a new sandbox") {
  const auto i = container("i"), a = container("a");
  const World w{.pod = pod({a}, {i}),
                .observed = observed({seen(i, RunState::exited), seen(a, RunState::exited, 0, 137)},
                                     {sandbox("s1", 1), sandbox("s0", 0, false)})};
  CHECK(starts(w.plan()) == Names{"i#0"});
}

TEST_CASE("one container done, another running: the pod goes on") {
  const auto a = container("a"), b = container("b");
  World w{.pod = pod({a, b}, {}, "Never"),
          .observed = observed({seen(a, RunState::exited), seen(b, RunState::running)})};
  CHECK_FALSE(w.plan().stop_pod);
  CHECK_FALSE(w.plan().finished);
  w.observed = observed({seen(a, RunState::exited), seen(b, RunState::exited)});
  CHECK(w.plan().stop_pod);
}

}  // namespace
}  // namespace keelson::agent
