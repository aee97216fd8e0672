#include "agent/pod/status.hpp"

#include <catch2/catch.hpp>

#include "fixture.hpp"

namespace keelson::agent {
namespace {

using namespace test;

struct World {
  kube::Pod pod;
  PodObservation observed;
  ProbeFactsMap probes;
  std::map<std::string, Waiting> waiting;
  kube::PodStatus previous;
  bool stopping = false;
  bool recursive_read_only = false;

  [[nodiscard]] kube::PodStatus status() const {
    static const std::vector<std::string> kHost = {"192.168.1.2"};
    static const std::string kRuntime = "containerd";
    return make_status({pod, observed, probes, waiting, previous, kHost, kRuntime, kNow, stopping, nullptr, recursive_read_only});
  }
};

std::string condition(const kube::PodStatus& status, const std::string& type) {
  for (const auto& c : status.conditions) {
    if (c.type == type)
      return c.status + (c.reason.empty() ? "" : " " + c.reason) + (c.message.empty() ? "" : ": " + c.message);
  }
  return "absent";
}

TEST_CASE("a pod that nothing has been done for yet is pending") {
  const World w{.pod = pod({container("a")}), .observed = {}};
  const auto s = w.status();
  CHECK(s.phase == "Pending");
  CHECK(s.start_time == kNow);
  CHECK(s.qos_class == "BestEffort");
  CHECK(s.host_ip == "192.168.1.2");
  CHECK(s.pod_ip.empty());
  REQUIRE(s.container_statuses.size() == 1);
  CHECK(s.container_statuses[0].state.waiting->reason == "ContainerCreating");
  CHECK(condition(s, "PodReadyToStartContainers") == "False");
  CHECK(condition(s, "Initialized") == "True");
  CHECK(condition(s, "Ready") == "False ContainersNotReady: containers with unready status: [a]");
  CHECK(condition(s, "PodScheduled") == "True");
}

TEST_CASE("a container's mounts are told once the runtime has it") {
  auto a = container("a");
  const auto add = [&](const std::string& name, bool read_only, const std::string& recursive) {
    kube::VolumeMount& mount = a.volume_mounts.emplace_back();
    mount.name = name;
    mount.mount_path = "/" + name;
    mount.read_only = read_only;
    mount.recursive_read_only = recursive;
  };
  add("plain", false, "");
  add("ro", true, "");
  add("off", true, "Disabled");
  add("try", true, "IfPossible");
  World w{.pod = pod({a}), .observed = {}};
  CHECK(w.status().container_statuses[0].volume_mounts.empty());
  w.observed = observed({seen(a, RunState::running)});
  for (const bool has_it : {false, true}) {
    w.recursive_read_only = has_it;
    const auto mounts = w.status().container_statuses[0].volume_mounts;
    REQUIRE(mounts.size() == 4);
    CHECK(mounts[0] == kube::VolumeMountStatus{"plain", "/plain", false, ""});
    CHECK(mounts[1] == kube::VolumeMountStatus{"ro", "/ro", true, "Disabled"});
    CHECK(mounts[2] == kube::VolumeMountStatus{"off", "/off", true, "Disabled"});
    CHECK(mounts[3] == kube::VolumeMountStatus{"try", "/try", true, has_it ? "Enabled" : "Disabled"});
  }
}

TEST_CASE("a running pod is ready when its containers are") {
  const auto a = container("a"), b = container("b");
  World w{.pod = pod({b, a}), .observed = observed({seen(a, RunState::running), seen(b, RunState::running, 2)})};
  auto s = w.status();
  CHECK(s.phase == "Running");
  CHECK(s.pod_ip == "10.0.0.7");
  CHECK(is_ready(s));
  REQUIRE(s.container_statuses.size() == 2);
  CHECK(s.container_statuses[0].name == "a");  // sorted by name
  CHECK(s.container_statuses[1].restart_count == 2);
  CHECK(s.container_statuses[1].container_id == "containerd://b-2");
  w.probes["a"].ready = false;
  s = w.status();
  CHECK_FALSE(is_ready(s));
  CHECK(s.container_statuses[0].started == true);
  CHECK(condition(s, "ContainersReady") == "False ContainersNotReady: containers with unready status: [a]");
  w.probes["a"].started = false;
  CHECK(w.status().container_statuses[0].started == false);
}

TEST_CASE("phases") {
  const auto a = container("a"), b = container("b"), i = container("i");
  struct Row {
    const char* what;
    World world;
    const char* phase;
  };
  const auto with = [](World w, bool stopping) {
    w.stopping = stopping;
    return w;
  };
  const World mixed{.pod = pod({a, b}, {}, "Never"),
                    .observed = observed({seen(a, RunState::exited), seen(b, RunState::exited, 0, 3)})};
  for (const auto& row : {
           Row{"one of two started",
               {.pod = pod({a, b}), .observed = observed({seen(a, RunState::running)})},
               "Pending"},
           Row{"init runs", {.pod = pod({a}, {i}), .observed = observed({seen(i, RunState::running)})}, "Pending"},
           Row{"exited, Always", {.pod = pod({a}), .observed = observed({seen(a, RunState::exited)})}, "Running"},
           Row{"succeeded, Never",
               {.pod = pod({a}, {}, "Never"), .observed = observed({seen(a, RunState::exited)})},
               "Succeeded"},
           Row{"succeeded, OnFailure",
               {.pod = pod({a}, {}, "OnFailure"), .observed = observed({seen(a, RunState::exited)})},
               "Succeeded"},
           Row{"failed, OnFailure",
               {.pod = pod({a}, {}, "OnFailure"), .observed = observed({seen(a, RunState::exited, 0, 1)})},
               "Running"},
           Row{"failed, Never",
               {.pod = pod({a}, {}, "Never"), .observed = observed({seen(a, RunState::exited, 0, 1)})},
               "Failed"},
           Row{"one of two failed", mixed, "Failed"},
           Row{"init failed, Never",
               {.pod = pod({a}, {i}, "Never"), .observed = observed({seen(i, RunState::exited, 0, 1)})},
               "Failed"},
           Row{"stopped while running",
               with({.pod = pod({a}), .observed = observed({seen(a, RunState::exited, 0, 143)})}, true), "Failed"},
           Row{"stopped with success", with({.pod = pod({a}), .observed = observed({seen(a, RunState::exited)})}, true),
               "Succeeded"},
       }) {
    CAPTURE(row.what);
    CHECK(row.world.status().phase == row.phase);
  }
}

TEST_CASE("a terminal phase never changes back") {
  World w{.pod = pod({container("a")}, {}, "Never"), .observed = {}};
  w.previous.phase = "Succeeded";
  w.previous.pod_ip = "10.0.0.9";
  w.previous.pod_ips = {{"10.0.0.9"}};
  CHECK(w.status().phase == "Succeeded");
  CHECK(w.status().pod_ip == "10.0.0.9");
  CHECK(condition(w.status(), "Ready") == "False PodCompleted");
}

TEST_CASE("a backoff shows as waiting, the exit as the last state") {
  const auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::exited, 1, 7)})};
  w.waiting["a"] = {"CrashLoopBackOff", "back-off 10s"};
  const auto s = w.status();
  CHECK(s.phase == "Running");
  REQUIRE(s.container_statuses[0].state.waiting);
  CHECK(s.container_statuses[0].state.waiting->reason == "CrashLoopBackOff");
  REQUIRE(s.container_statuses[0].last_state.terminated);
  CHECK(s.container_statuses[0].last_state.terminated->exit_code == 7);
  CHECK_FALSE(s.container_statuses[0].ready);
}

TEST_CASE("the instance before the running one is its last state") {
  const auto a = container("a");
  const World w{.pod = pod({a}),
                .observed = observed({seen(a, RunState::running, 1), seen(a, RunState::exited, 0, 9)})};
  const auto s = w.status();
  CHECK(s.container_statuses[0].state.running);
  REQUIRE(s.container_statuses[0].last_state.terminated);
  CHECK(s.container_statuses[0].last_state.terminated->exit_code == 9);
  CHECK(s.container_statuses[0].last_state.terminated->reason == "Error");
}

TEST_CASE("init containers hold Initialized back by name") {
  const auto i = container("i"), j = container("j"), a = container("a");
  World w{.pod = pod({a}, {i, j}), .observed = observed({seen(i, RunState::exited)})};
  auto s = w.status();
  CHECK(condition(s, "Initialized") == "False ContainersNotInitialized: containers with incomplete status: [j]");
  CHECK(s.container_statuses[0].state.waiting->reason == "PodInitializing");
  CHECK(s.init_container_statuses[0].ready);
}

TEST_CASE("transition times stay while a condition's status stays") {
  const auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::running)})};
  const auto before = kNow - std::chrono::seconds(100);
  w.previous = w.status();
  for (auto& c : w.previous.conditions) c.last_transition_time = before;
  w.probes["a"].ready = false;
  for (const auto& c : w.status().conditions) {
    const bool changed = c.type == "Ready" || c.type == "ContainersReady";
    CAPTURE(c.type);
    CHECK(*c.last_transition_time == (changed ? kNow : before));
  }
}

TEST_CASE("readiness gates") {
  const auto a = container("a");
  World w{.pod = pod({a}), .observed = observed({seen(a, RunState::running)})};
  w.pod.spec.readiness_gates.push_back({"example.com/gate"});
  CHECK(condition(w.status(), "Ready") ==
        "False ReadinessGatesNotReady: corresponding condition of pod readiness gate \"example.com/gate\" does not "
        "exist.");
  kube::PodCondition gate;
  gate.type = "example.com/gate";
  gate.status = "True";
  w.pod.status.conditions.push_back(gate);
  CHECK(is_ready(w.status()));
}

TEST_CASE("a refused pod") {
  const auto s = rejected_status(pod({container("a")}), "OutOfcpu", "too much", kNow);
  CHECK(s.phase == "Failed");
  CHECK(s.reason == "OutOfcpu");
  CHECK(s.message == "Pod was rejected: too much");
}

}  // namespace
}  // namespace keelson::agent
