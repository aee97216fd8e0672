#include <catch2/catch.hpp>

#include "agent/eviction/node_signals.hpp"
#include "agent/eviction/state.hpp"
#include "agent/eviction/thresholds.hpp"

using namespace keelson;
using namespace keelson::agent;
using kube::Quantity;

namespace {

const SystemTime kStart{Seconds(1'800'000'000)};

Quantity mib(std::int64_t n) { return Quantity::of(n << 20, Quantity::Format::binary_si); }

Observations memory(std::int64_t available_mib, std::int64_t capacity_mib = 1000) {
  return {{Signal::memory_available, {mib(available_mib), mib(capacity_mib)}}};
}

std::vector<Threshold> parse(ThresholdConfig config) {
  config.enforce_allocatable = false;
  auto out = parse_thresholds(config);
  REQUIRE(out.has_value());
  return *out;
}

std::vector<std::string> names(const std::vector<Threshold>& thresholds) {
  std::vector<std::string> out;
  for (const auto& t : thresholds) out.emplace_back(to_string(t.signal));
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("thresholds are read, and what is wrong names field and signal", "[eviction]") {
  struct Row {
    ThresholdConfig config;
    std::string error;
  };
  for (const auto& row : std::vector<Row>{
           {{.hard = {{"memory.free", "1Mi"}}}, "evictionHard: unknown signal \"memory.free\""},
           {{.hard = {{"allocatableMemory.available", "1Mi"}}},
            "evictionHard: unknown signal \"allocatableMemory.available\""},
           {{.hard = {{"memory.available", "0"}}}, "evictionHard[memory.available]: \"0\" must be above zero"},
           {{.soft = {{"memory.available", "1Mi"}}},
            "evictionSoft[memory.available]: a soft threshold needs evictionSoftGracePeriod[memory.available]"},
           {{.soft = {{"memory.available", "1Mi"}}, .soft_grace_period = {{"memory.available", "soon"}}},
            "evictionSoftGracePeriod[memory.available]: \"soon\" is no duration such as \"1m30s\""},
           {{.minimum_reclaim = {{"nodefs", "1Mi"}}}, "evictionMinimumReclaim: unknown signal \"nodefs\""},
       }) {
    const auto done = parse_thresholds(row.config);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message == row.error);
  }
  CHECK_FALSE(parse_thresholds({.hard = {{"memory.available", "101%"}}}).has_value());
  CHECK_FALSE(parse_thresholds({.hard = {{"memory.available", "-1Mi"}}}).has_value());
}

TEST_CASE("0%, 100% and derived signals give no threshold", "[eviction]") {
  CHECK(parse({.hard = {{"memory.available", "0%"}, {"nodefs.available", "100%"}, {"containerfs.available", "10%"}}})
            .empty());
}

TEST_CASE("the hard memory threshold holds for the pods' cgroup as well", "[eviction]") {
  const ThresholdConfig config{.hard = {{"memory.available", "100Mi"}, {"pid.available", "10%"}},
                               .soft = {{"memory.available", "200Mi"}},
                               .soft_grace_period = {{"memory.available", "1m30s"}},
                               .minimum_reclaim = {{"memory.available", "50Mi"}}};
  const auto got = parse_thresholds(config);
  REQUIRE(got.has_value());
  CHECK(names(*got) == Names{"memory.available", "pid.available", "allocatableMemory.available", "memory.available"});
  CHECK((*got)[2].minimum_reclaim->amount == mib(50));
  CHECK((*got)[3].grace == Seconds(90));
}

TEST_CASE("a threshold is met when less is left, percentages being of the capacity", "[eviction]") {
  const auto quantity =
      parse({.hard = {{"memory.available", "100Mi"}}, .minimum_reclaim = {{"memory.available", "10%"}}});
  CHECK(thresholds_met(quantity, memory(100), false).empty());
  CHECK(thresholds_met(quantity, memory(99), false).size() == 1);
  CHECK(thresholds_met(quantity, memory(199), true).size() == 1);
  CHECK(thresholds_met(quantity, memory(200), true).empty());
  CHECK(thresholds_met(quantity, {}, false).empty());
  const auto percent = parse({.hard = {{"memory.available", "25%"}}});
  CHECK(thresholds_met(percent, memory(250), false).empty());
  CHECK(thresholds_met(percent, memory(249), false).size() == 1);
}

TEST_CASE("a threshold stays until its minimum reclaim is free", "[eviction]") {
  EvictionState state(
      parse({.hard = {{"memory.available", "100Mi"}}, .minimum_reclaim = {{"memory.available", "50Mi"}}}),
      std::chrono::minutes(5));
  CHECK(state.step(memory(120), kStart).empty());
  CHECK(state.step(memory(90), kStart).size() == 1);
  CHECK(state.step(memory(149), kStart).size() == 1);
  CHECK(state.step(memory(150), kStart).empty());
  CHECK(state.step(memory(120), kStart).empty());
}

TEST_CASE("a soft threshold counts after its grace period, and begins anew when it was not met", "[eviction]") {
  EvictionState state(
      parse({.soft = {{"memory.available", "100Mi"}}, .soft_grace_period = {{"memory.available", "30s"}}}),
      std::chrono::minutes(5));
  CHECK(state.step(memory(90), kStart).empty());
  CHECK(state.wake_at(kStart) == kStart + Seconds(30));
  CHECK(state.step(memory(90), kStart + Seconds(29)).empty());
  CHECK(state.step(memory(110), kStart + Seconds(30)).empty());
  CHECK(state.step(memory(90), kStart + Seconds(31)).empty());
  CHECK(state.step(memory(90), kStart + Seconds(61)).size() == 1);
}

TEST_CASE("the node's conditions follow at once and hold on for the transition period", "[eviction]") {
  EvictionState state(parse({.hard = {{"nodefs.available", "10%"}},
                             .soft = {{"memory.available", "100Mi"}},
                             .soft_grace_period = {{"memory.available", "1h"}}}),
                      std::chrono::minutes(5));
  CHECK(state.conditions(kStart).empty());
  state.step(memory(90), kStart);  // a soft threshold shows before its grace period ends
  CHECK(state.conditions(kStart) == std::set<std::string>{"MemoryPressure"});
  state.step(memory(500), kStart + Seconds(10));
  CHECK(state.conditions(kStart + Seconds(299)).size() == 1);
  CHECK(state.conditions(kStart + Seconds(300)).empty());
  CHECK(state.wake_at(kStart + Seconds(10)) == kStart + Seconds(300));
  state.step({{Signal::nodefs_available, {mib(9), mib(100)}}}, kStart + Seconds(400));
  CHECK(state.conditions(kStart + Seconds(400)) == std::set<std::string>{"DiskPressure"});
}

TEST_CASE("without a transition period a condition lasts as long as its threshold is met", "[eviction]") {
  EvictionState state(parse({.hard = {{"memory.available", "100Mi"}}}), Nanoseconds(0));
  state.step(memory(90), kStart);
  CHECK(state.conditions(kStart).size() == 1);
  state.step(memory(100), kStart);
  CHECK(state.conditions(kStart).empty());
}

TEST_CASE("memory comes first, and hard before soft", "[eviction]") {
  EvictionState state(
      parse({.hard = {{"imagefs.available", "10%"}, {"memory.available", "1%"}, {"pid.available", "10%"}},
             .soft = {{"memory.available", "2%"}},
             .soft_grace_period = {{"memory.available", "0s"}}}),
      Nanoseconds(0));
  Observations low;
  for (const auto signal : {Signal::imagefs_available, Signal::memory_available, Signal::pid_available}) {
    low[signal] = {Quantity::of(0), Quantity::of(100)};
  }
  state.step(low, kStart);
  const auto wanted = state.step(low, kStart + Seconds(1));
  REQUIRE(wanted.size() == 4);
  CHECK(wanted[0].signal == Signal::memory_available);
  CHECK(wanted[0].grace.count() == 0);
  CHECK(wanted[1].signal == Signal::memory_available);
  CHECK(wanted[2].signal == Signal::imagefs_available);
}

TEST_CASE("far from every threshold one looks seldom", "[eviction]") {
  const auto thresholds = parse({.hard = {{"memory.available", "100Mi"}}});
  CHECK(next_observation(thresholds, memory(900)) == Seconds(60));
  CHECK(next_observation(thresholds, memory(300)) == Seconds(20));
  CHECK(next_observation(thresholds, memory(180)) == Seconds(5));
  CHECK(next_observation(thresholds, memory(110)) == Seconds(2));
  CHECK(next_observation(thresholds, memory(50)) == Seconds(2));
}

TEST_CASE("how many tasks there are", "[eviction]") {
  CHECK(tasks_of_loadavg("0.10 0.20 0.30 2/345 6789\n") == 345);
  CHECK_FALSE(tasks_of_loadavg("0.10 0.20").has_value());
  CHECK_FALSE(tasks_of_loadavg("a b c 2/x 1").has_value());
}
