// What a pod shows that the node itself ended.
#include <algorithm>
#include <catch2/catch.hpp>

#include "agent/pod/status.hpp"
#include "fixture.hpp"

namespace keelson::agent {
namespace {

using namespace test;

kube::PodStatus status_of(const PodObservation& observed, const kube::PodStatus& previous, const Waiting* failure) {
  static const auto kPod = pod({container("a")});
  static const std::vector<std::string> kHost = {"192.168.1.2"};
  static const std::string kRuntime = "containerd";
  return make_status({kPod, observed, {}, {}, previous, kHost, kRuntime, kNow, false, failure});
}

const kube::PodCondition* disruption(const kube::PodStatus& status) {
  const auto it = std::find_if(status.conditions.begin(), status.conditions.end(),
                               [](const auto& c) { return c.type == "DisruptionTarget"; });
  return it == status.conditions.end() ? nullptr : &*it;
}

const auto kRunning = observed({seen(container("a"), RunState::running)});
const auto kExited = observed({seen(container("a"), RunState::exited, 0, 137)});

TEST_CASE("an evicted pod has the condition at once and the phase when nothing of it runs", "[disruption]") {
  const Waiting why{"Evicted", "The node was low on resource: memory. "};
  const auto ending = status_of(kRunning, {}, &why);
  REQUIRE(disruption(ending) != nullptr);
  CHECK(disruption(ending)->status == "True");
  CHECK(disruption(ending)->reason == "TerminationByKubelet");
  CHECK(disruption(ending)->message == why.message);
  CHECK(ending.phase == "Running");
  const auto ended = status_of(kExited, ending, &why);
  CHECK(ended.phase == "Failed");
  CHECK(ended.reason == "Evicted");
  CHECK(ended.message == why.message);
  // Another agent, which does not know why, keeps what is told.
  const auto later = status_of(kExited, ended, nullptr);
  CHECK(later.phase == "Failed");
  CHECK(later.reason == "Evicted");
  REQUIRE(disruption(later) != nullptr);
  CHECK(*disruption(later) == *disruption(ended));
}

TEST_CASE("a pod that fails by itself is no target of a disruption", "[disruption]") {
  const Waiting why{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"};
  CHECK(disruption(status_of(kExited, {}, &why)) == nullptr);
  CHECK(disruption(status_of(kRunning, {}, nullptr)) == nullptr);
}

}  // namespace
}  // namespace keelson::agent
