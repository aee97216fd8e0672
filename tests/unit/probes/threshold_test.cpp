#include "probes/threshold.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "kube/probe.hpp"

using namespace keelson;
using namespace keelson::probes;

namespace {

const SteadyTime kStart = SteadyTime(std::chrono::hours(1));

Timing timing(int success = 1, int failure = 3) {
  Timing t;
  t.success_threshold = success;
  t.failure_threshold = failure;
  t.early_step = Milliseconds(50);
  return t;
}

double seconds(SteadyTime at) { return std::chrono::duration<double>(at - kStart).count(); }

OutcomeKind outcome(char c) {
  switch (c) {
    case 'S':
      return OutcomeKind::success;
    case 'W':
      return OutcomeKind::warning;
    case 'F':
      return OutcomeKind::failure;
    default:
      return OutcomeKind::error;
  }
}

char letter(Verdict verdict) { return verdict == Verdict::success ? 's' : verdict == Verdict::failure ? 'f' : '-'; }

// Feeds one outcome at each due time; 'x' in the answer: on hold, nothing was due.
std::string feed(Threshold& threshold, const Timing& t, const std::string& outcomes) {
  std::string out;
  for (const char c : outcomes) {
    if (threshold.due() == SteadyTime::max()) {
      out += 'x';
      continue;
    }
    const SteadyTime at = threshold.due();
    threshold.start(at);
    threshold.record(t, outcome(c), at);
    out += letter(threshold.verdict());
  }
  return out;
}

}  // namespace

TEST_CASE("thresholds: verdict after each result, from a regular start") {
  struct Row {
    ProbeType type;
    Verdict initial;
    int success, failure;
    std::string outcomes, verdicts;
  };
  const auto row = GENERATE(values<Row>({
      // One failure is not enough, three are; a success in between starts the count again.
      {ProbeType::liveness, Verdict::success, 1, 3, "FFSFFF", "sssssf"},
      {ProbeType::liveness, Verdict::success, 1, 1, "F", "f"},
      // After a liveness failure it holds.
      {ProbeType::liveness, Verdict::success, 1, 1, "FSS", "fxx"},
      {ProbeType::liveness, Verdict::success, 1, 2, "FEF", "ssf"},  // an error neither counts nor interrupts
      {ProbeType::liveness, Verdict::success, 1, 1, "EEEE", "ssss"},
      {ProbeType::readiness, Verdict::failure, 1, 3, "SFFFS", "sssfs"},
      {ProbeType::readiness, Verdict::failure, 3, 1, "SSFSSS", "fffffs"},
      {ProbeType::readiness, Verdict::failure, 2, 2, "SSFSF", "fssss"},
      {ProbeType::readiness, Verdict::failure, 1, 1, "WFW", "sfs"},  // a warning is a success
      {ProbeType::startup, Verdict::unknown, 1, 3, "FFF", "--f"},
      {ProbeType::startup, Verdict::unknown, 1, 3, "FFFS", "--fx"},
      {ProbeType::startup, Verdict::unknown, 1, 3, "FFSF", "--sx"},
  }));
  const Timing t = timing(row.success, row.failure);
  Threshold threshold(row.type);
  threshold.adopt(t, row.initial, kStart, kStart);
  CAPTURE(row.outcomes);
  CHECK(feed(threshold, t, row.outcomes) == row.verdicts);
}

TEST_CASE("thresholds: changed is told once") {
  const Timing t = timing(1, 2);
  Threshold threshold(ProbeType::readiness);
  threshold.adopt(t, Verdict::success, kStart, kStart);
  std::vector<bool> changed;
  for (const char c : std::string("SFFFS")) {
    threshold.start(threshold.due());
    changed.push_back(threshold.record(t, outcome(c), threshold.due()).changed);
  }
  CHECK(changed == std::vector<bool>{false, false, true, false, true});
}

TEST_CASE("thresholds: the first run") {
  struct Row {
    ProbeType type;
    int delay;
    double seen;  // seconds after the start
    double due;
    Verdict verdict;
  };
  const auto row = GENERATE(values<Row>({
      {ProbeType::readiness, 0, 0.1, 0.1, Verdict::failure},
      {ProbeType::readiness, 5, 0.1, 5, Verdict::failure},
      {ProbeType::readiness, 5, 7, 7, Verdict::failure},
      {ProbeType::startup, 0, 0.1, 0.1, Verdict::unknown},
      {ProbeType::startup, 3, 0.1, 3, Verdict::unknown},
      {ProbeType::liveness, 0, 0.5, 10.5, Verdict::success},  // one period after it could be asked
      {ProbeType::liveness, 15, 0.1, 15, Verdict::success},
      {ProbeType::liveness, 15, 20, 20, Verdict::success},  // a startup probe took longer
  }));
  Timing t = timing();
  t.initial_delay = Seconds(row.delay);
  Threshold threshold(row.type);
  threshold.begin(t, kStart, kStart + Milliseconds(static_cast<int>(row.seen * 1000)));
  CHECK(seconds(threshold.due()) == Approx(row.due));
  CHECK(threshold.verdict() == row.verdict);
}

TEST_CASE("thresholds: early looks come quickly, cannot fail, and leave the failure budget whole") {
  const Timing t = timing(1, 3);
  Threshold threshold(ProbeType::startup);
  threshold.begin(t, kStart, kStart);
  std::vector<double> at;
  std::vector<bool> quiet;
  while (threshold.due() != SteadyTime::max()) {
    const SteadyTime due = threshold.due();
    at.push_back(seconds(due));
    threshold.start(due);
    quiet.push_back(threshold.record(t, OutcomeKind::failure, due).quiet);
  }
  const std::vector<double> expected = {0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15, 6.35, 10, 20, 30};
  REQUIRE(at.size() == expected.size());
  for (std::size_t i = 0; i < at.size(); ++i) CHECK(at[i] == Approx(expected[i]));
  CHECK(quiet == std::vector<bool>{true, true, true, true, true, false, false, false, false, false, false});
  CHECK(threshold.verdict() == Verdict::failure);
}

TEST_CASE("thresholds: an early success counts and ends the early looks") {
  const Timing t = timing(2, 3);
  Threshold threshold(ProbeType::readiness);
  threshold.begin(t, kStart, kStart);
  CHECK(feed(threshold, t, "FFS") == "fff");
  CHECK(seconds(threshold.due()) == Approx(10.15));
  CHECK(feed(threshold, t, "S") == "s");
  CHECK(seconds(threshold.due()) == Approx(20.15));
  CHECK(feed(threshold, t, "FFF") == "ssf");
}

TEST_CASE("thresholds: an early error is a look without result") {
  const Timing t = timing();
  Threshold threshold(ProbeType::readiness);
  threshold.begin(t, kStart, kStart);
  CHECK(feed(threshold, t, "ES") == "fs");
}

TEST_CASE("thresholds: a run longer than the period is followed at once") {
  Timing t = timing();
  t.period = Seconds(2);
  Threshold threshold(ProbeType::liveness);
  threshold.adopt(t, Verdict::success, kStart, kStart);
  threshold.start(kStart);
  threshold.record(t, OutcomeKind::failure, kStart + Seconds(5));
  CHECK(seconds(threshold.due()) == 5);
  threshold.start(kStart + Seconds(5));
  threshold.record(t, OutcomeKind::success, kStart + Seconds(6));
  CHECK(seconds(threshold.due()) == 7);
}

TEST_CASE("thresholds: hurry brings a waiting run forward, at most once a second") {
  const Timing t = timing();
  Threshold threshold(ProbeType::readiness);
  threshold.hurry(kStart);
  CHECK(threshold.due() == SteadyTime::max());  // nothing to bring forward
  threshold.adopt(t, Verdict::failure, kStart, kStart + Seconds(4));
  threshold.hurry(kStart);
  CHECK(seconds(threshold.due()) == 4);  // spread over the period on purpose
  threshold.start(kStart + Seconds(4));
  threshold.record(t, OutcomeKind::failure, kStart + Seconds(4));
  threshold.hurry(kStart + Milliseconds(4500));
  CHECK(seconds(threshold.due()) == 14);
  threshold.hurry(kStart + Seconds(6));
  CHECK(seconds(threshold.due()) == 6);
  threshold.start(kStart + Seconds(6));
  threshold.record(t, OutcomeKind::success, kStart + Seconds(6));
  CHECK(seconds(threshold.due()) == 16);
}

TEST_CASE("thresholds: adoption") {
  Timing t = timing();
  t.initial_delay = Seconds(30);
  Threshold startup(ProbeType::startup);
  startup.adopt(t, Verdict::success, kStart, kStart + Seconds(3));
  CHECK(startup.due() == SteadyTime::max());
  startup.adopt(t, Verdict::unknown, kStart, kStart + Seconds(3));
  CHECK(seconds(startup.due()) == 30);
  Threshold readiness(ProbeType::readiness);
  readiness.adopt(t, Verdict::success, kStart, kStart + Seconds(33));
  CHECK(seconds(readiness.due()) == 33);
  CHECK(readiness.verdict() == Verdict::success);
  readiness.halt(Verdict::failure);
  CHECK(readiness.due() == SteadyTime::max());
  CHECK(readiness.verdict() == Verdict::failure);
}

TEST_CASE("timing: unset numbers take the API's defaults") {
  kube::Probe probe;
  const Timing unset = timing_of(probe);
  CHECK(unset.initial_delay == Seconds(0));
  CHECK(unset.timeout == Seconds(1));
  CHECK(unset.period == Seconds(10));
  CHECK(unset.success_threshold == 1);
  CHECK(unset.failure_threshold == 3);
  CHECK(unset.early_step == Seconds(1));
  probe.tcp_socket.emplace();
  probe.initial_delay_seconds = 4;
  probe.timeout_seconds = 5;
  probe.period_seconds = 6;
  probe.success_threshold = 7;
  probe.failure_threshold = 8;
  const Timing set = timing_of(probe);
  CHECK(set.initial_delay == Seconds(4));
  CHECK(set.timeout == Seconds(5));
  CHECK(set.period == Seconds(6));
  CHECK(set.success_threshold == 7);
  CHECK(set.failure_threshold == 8);
  CHECK(set.early_step == Milliseconds(50));
}

TEST_CASE("grid: regular successful runs of cheap kinds fall on it, at most half of it early or late") {
  Timing t = timing();
  t.period = Seconds(10);
  t.grid = Milliseconds(500);
  Threshold readiness(ProbeType::readiness);
  const SteadyTime begin = kStart + Milliseconds(1370);
  readiness.begin(t, begin, begin);
  std::vector<double> runs;
  for (int i = 0; i < 4; ++i) {
    runs.push_back(seconds(readiness.due()));
    const SteadyTime at = readiness.due() + Milliseconds(3);  // the loop is a little late each time
    readiness.start(at);
    readiness.record(t, OutcomeKind::success, at);
  }
  CHECK(runs == std::vector<double>{1.37, 11.373, 21.5, 31.5});

  readiness.start(readiness.due());
  const SteadyTime failed = readiness.due() + Milliseconds(20);
  for (int i = 0; i < 3; ++i) readiness.record(t, OutcomeKind::failure, failed);
  REQUIRE(readiness.verdict() == Verdict::failure);
  readiness.start(failed + Milliseconds(70));
  readiness.record(t, OutcomeKind::failure, failed + Milliseconds(90));
  CHECK(readiness.due() == failed + Milliseconds(70) + Seconds(10));
}

TEST_CASE("grid: at most a twentieth of the period; none for kinds that start a process") {
  kube::Probe probe;
  CHECK(timing_of(probe).grid == Nanoseconds(0));
  probe.http_get.emplace();
  const std::vector<std::pair<int, Nanoseconds>> rows = {{1, Milliseconds(50)},
                                                         {4, Milliseconds(50)},
                                                         {5, Milliseconds(250)},
                                                         {10, Milliseconds(500)},
                                                         {60, Milliseconds(500)}};
  for (const auto& [period, grid] : rows) {
    INFO("period " << period);
    probe.period_seconds = period;
    CHECK(timing_of(probe).grid == grid);
  }
}
