// Jobs: completions, parallelism, failures and their backoff, deadlines, indexes.
#include "tests/unit/standalone/fixture.hpp"

namespace keelson::agent::test {
namespace {

using std::chrono::seconds;

std::string job(const std::string& spec, const char* restart_policy = "Never") {
  return workload("Job", "sum", "app:1", spec, std::string("      restartPolicy: ") + restart_policy + "\n");
}

std::vector<ExistingPod*> active(FakeNode& node) {
  std::vector<ExistingPod*> out;
  for (auto& p : node.pods) {
    if (!p.stopping && p.status->phase != "Succeeded" && p.status->phase != "Failed") out.push_back(&p);
  }
  return out;
}

std::set<int> indexes(FakeNode& node) {
  std::set<int> out;
  for (const auto* p : active(node)) {
    out.insert(std::stoi(p->pod->metadata.annotations.at("batch.kubernetes.io/job-completion-index")));
  }
  return out;
}

ExistingPod& with_index(FakeNode& node, int index) {
  for (auto* p : active(node)) {
    if (label_of(*p->pod, "batch.kubernetes.io/job-completion-index") == std::to_string(index)) return *p;
  }
  FAIL("no active pod of index " << index);
  return node.pods.front();
}

void restart(ExistingPod& p, int count) {
  auto s = status("Running", true);
  s.container_statuses.emplace_back().restart_count = count;
  p.status = std::make_shared<const kube::PodStatus>(std::move(s));
}

}  // namespace

TEST_CASE("a Job runs its completions, so many at a time", "[job]") {
  FakeNode node;
  node.apply(job("  completions: 5\n  parallelism: 2\n"));
  node.look();
  REQUIRE(active(node).size() == 2);
  const auto& pod = *active(node)[0]->pod;
  CHECK(label_of(pod, "job-name") == "sum");
  CHECK(label_of(pod, "batch.kubernetes.io/job-name") == "sum");
  CHECK(label_of(pod, "batch.kubernetes.io/controller-uid") == pod.metadata.owner_references.at(0).uid);
  CHECK(pod.spec.restart_policy == "Never");
  for (int done = 1; done <= 5; ++done) {
    node.finish(*active(node)[0], 0);
    node.look();
    CHECK(active(node).size() == static_cast<std::size_t>(std::min(2, 5 - done)));
    CHECK(node.workload_status().succeeded == done);
  }
  CHECK(node.workload_status().message == "Complete");
  CHECK(node.running() == 5);  // its pods stay, for their logs
  node.look();
  CHECK(node.running() == 5);
  node.now += std::chrono::hours(100);
  node.look();
  CHECK(node.running() == 5);
  CHECK(node.uids().size() == 5);
}

TEST_CASE("a Job of no completions is complete at once, one of no parallelism waits", "[job]") {
  FakeNode node;
  node.apply(job("  completions: 0\n"));
  node.look();
  CHECK(node.running() == 0);
  CHECK(node.workload_status().message == "Complete");
  node.apply(job("  completions: 2\n  parallelism: 0\n"));
  node.look();
  CHECK(node.running() == 0);
  CHECK(node.workload_status().message.empty());
}

TEST_CASE("a changed parallelism adds pods or takes the latest away", "[job]") {
  FakeNode node;
  node.apply(job("  completions: 9\n  parallelism: 3\n"));
  node.look();
  node.make_ready();
  const auto first = node.pods[0].pod->metadata.uid;
  node.apply(job("  completions: 9\n  parallelism: 1\n"));
  node.look();
  CHECK(node.uids() == std::set<std::string>{first});
  for (auto& p : node.pods) {
    if (p.stopping) node.finish(p, 143);  // ended because it was stopped: not a failure
  }
  node.look();
  CHECK(node.workload_status().failed == 0);
  node.remove_stopped();
  node.apply(job("  completions: 9\n  parallelism: 2\n"));
  node.look();
  CHECK(node.running() == 2);
}

TEST_CASE("without completions the first success ends the queue, but not the pods that work", "[job]") {
  FakeNode node;
  node.apply(job("  parallelism: 3\n"));
  node.look();
  REQUIRE(active(node).size() == 3);
  node.finish(*active(node)[0], 0);
  node.look();
  CHECK(active(node).size() == 2);
  CHECK(node.workload_status().message.empty());
  node.finish(*active(node)[0], 0);
  node.finish(*active(node)[0], 0);
  node.look();
  CHECK(node.workload_status().message == "Complete");
  CHECK(node.running() == 3);
}

TEST_CASE("after a failure the next pod waits, twice as long each time", "[job]") {
  FakeNode node;
  node.apply(job("  backoffLimit: 8\n"));
  node.look();
  for (const int delay : {10, 20, 40, 80, 160, 320, 360, 360}) {
    CAPTURE(delay);
    REQUIRE(active(node).size() == 1);
    node.finish(*active(node)[0], 1);
    node.look();
    CHECK(active(node).empty());
    CHECK(node.last.wake_at == node.now + seconds(delay));
    node.now += seconds(delay) - std::chrono::milliseconds(1);
    node.look();
    CHECK(active(node).empty());
    node.now += std::chrono::milliseconds(1);
    node.look();
  }
  REQUIRE(active(node).size() == 1);
  node.finish(*active(node)[0], 1);
  node.look();
  CHECK(node.workload_status().message == "Failed: BackoffLimitExceeded: Job has reached the specified backoff limit");
  CHECK(node.workload_status().failed == 9);
  CHECK_FALSE(node.last.wake_at);
  node.now += std::chrono::hours(1);
  node.look();
  CHECK(node.running() == 9);
}

TEST_CASE("a success ends the backoff", "[job]") {
  FakeNode node;
  node.apply(job("  completions: 3\n  parallelism: 2\n"));
  node.look();
  node.finish(*active(node)[0], 1);
  node.look();
  CHECK(active(node).size() == 1);
  node.now += seconds(1);
  node.finish(*active(node)[0], 0);
  node.look();
  CHECK(active(node).size() == 2);
}

TEST_CASE("a Job's pod that was refused counts from its making", "[job]") {
  FakeNode node;
  node.apply(job(""));
  node.look();
  node.set_status(node.pods[0], "Failed", false);
  node.look();
  CHECK(node.last.wake_at == kStart + seconds(10));
  CHECK(active(node).empty());
}

TEST_CASE("OnFailure counts the restarts of running pods", "[job]") {
  struct Row {
    int limit, restarts;
    bool fails;
  };
  const auto row = GENERATE(values<Row>({{2, 1, false}, {2, 2, true}, {0, 0, false}, {0, 1, true}, {1, 1, true}}));
  CAPTURE(row.limit, row.restarts);
  FakeNode node;
  node.apply(job("  backoffLimit: " + std::to_string(row.limit) + "\n", "OnFailure"));
  node.look();
  restart(node.pods.at(0), row.restarts);
  node.look();
  CHECK(node.running() == (row.fails ? 0 : 1));
  CHECK(node.workload_status().message.empty() == !row.fails);
  node.remove_stopped();  // it stays failed, also when nothing is left to tell
  node.jobs = decode_jobs(encode_jobs(node.jobs));
  node.look();
  CHECK(node.running() == (row.fails ? 0 : 1));
}

TEST_CASE("a Job fails at its deadline, for good", "[job]") {
  FakeNode node;
  node.apply(job("  activeDeadlineSeconds: 60\n  completions: 2\n"));
  node.look();
  CHECK(node.last.wake_at == kStart + seconds(60));
  node.now += seconds(50);
  node.finish(node.pods[0], 0);
  node.look();
  REQUIRE(active(node).size() == 1);
  CHECK(node.last.wake_at == kStart + seconds(60));
  node.now += seconds(10);
  node.look();
  CHECK(active(node).empty());
  CHECK(node.workload_status().message == "Failed: DeadlineExceeded: Job was active longer than specified deadline");
  node.remove_stopped();
  node.look();
  CHECK(active(node).empty());
  CHECK(node.running() == 1);

  SECTION("taken away and put back it begins anew") {
    node.apply("");
    node.look();
    node.apply(job("  activeDeadlineSeconds: 60\n  completions: 2\n"));
    node.look();  // the pods of before still stop, and do not count
    CHECK(active(node).size() == 1);
    CHECK(node.workload_status().succeeded == 0);
    CHECK(node.last.wake_at == node.now + seconds(60));
  }
}

TEST_CASE("a suspended Job has no active pods, and its deadline does not run", "[job]") {
  const auto manifest = [](const char* suspend) {
    return job(std::string("  activeDeadlineSeconds: 60\n  suspend: ") + suspend + "\n");
  };
  FakeNode node;
  node.apply(manifest("true"));
  node.look();
  CHECK(node.running() == 0);
  CHECK(node.workload_status().message == "Suspended");
  CHECK_FALSE(node.last.wake_at);
  node.now += seconds(600);
  node.apply(manifest("false"));
  node.look();
  CHECK(active(node).size() == 1);
  node.apply(manifest("true"));
  node.look();
  CHECK(active(node).empty());
  node.finish(node.pods[0], 143);
  node.now += seconds(600);
  node.apply(manifest("false"));
  node.look();
  node.remove_stopped();
  node.look();
  CHECK(active(node).size() == 1);
  CHECK(node.workload_status().failed == 0);
}

TEST_CASE("an edited Job is another Job", "[job]") {
  FakeNode node;
  node.apply(job(""));
  node.look();
  node.finish(node.pods[0], 0);
  node.look();
  REQUIRE(node.workload_status().message == "Complete");
  auto edited = job("");
  edited.replace(edited.find("app:1"), 5, "app:2");
  node.apply(edited);
  node.look();
  REQUIRE(active(node).size() == 1);
  CHECK(image_of(*active(node)[0]->pod) == "app:2");
  CHECK(node.workload_status().succeeded == 0);
}

TEST_CASE("an Indexed Job runs each index once", "[job]") {
  FakeNode node;
  node.apply(job("  completionMode: Indexed\n  completions: 3\n  parallelism: 2\n"));
  node.look();
  CHECK(indexes(node) == std::set<int>{0, 1});
  const auto& pod = *with_index(node, 1).pod;
  CHECK(pod.metadata.name.starts_with("sum-1-"));
  CHECK(pod.spec.hostname == "sum-1");
  const auto& env = pod.spec.containers.at(0).env;
  REQUIRE(env.size() == 1);
  CHECK(env[0].name == "JOB_COMPLETION_INDEX");
  REQUIRE(env[0].value_from);
  REQUIRE(env[0].value_from->field_ref);
  CHECK(env[0].value_from->field_ref->field_path == "metadata.annotations['batch.kubernetes.io/job-completion-index']");

  node.finish(with_index(node, 1), 0);
  node.look();
  CHECK(indexes(node) == std::set<int>{0, 2});
  node.now += seconds(1);
  node.finish(with_index(node, 0), 1);
  node.look();
  CHECK(indexes(node) == std::set<int>{2});
  node.now += seconds(10);
  node.look();
  CHECK(indexes(node) == std::set<int>{0, 2});
  node.finish(with_index(node, 0), 0);
  node.finish(with_index(node, 2), 0);
  node.look();
  CHECK(node.workload_status().message == "Complete");
  CHECK(node.workload_status().succeeded == 3);
}

TEST_CASE("backoffLimitPerIndex gives up single indexes", "[job]") {
  const std::string spec = "  completionMode: Indexed\n  completions: 3\n  parallelism: 3\n  backoffLimitPerIndex: 1\n";
  FakeNode node;
  SECTION("the others go on, and the Job fails in the end") {
    node.apply(job(spec));
    node.look();
    node.finish(with_index(node, 0), 1);
    node.look();
    CHECK(indexes(node) == std::set<int>{1, 2});
    node.now += seconds(10);
    node.look();
    CHECK(indexes(node) == std::set<int>{0, 1, 2});
    node.finish(with_index(node, 0), 1);
    node.now += seconds(100);
    node.look();
    CHECK(indexes(node) == std::set<int>{1, 2});
    node.finish(with_index(node, 1), 0);
    node.finish(with_index(node, 2), 0);
    node.look();
    CHECK(node.workload_status().message == "Failed: FailedIndexes: Job has failed indexes");
  }
  SECTION("but not more of them than maxFailedIndexes") {
    node.apply(job(spec + "  maxFailedIndexes: 0\n"));
    node.look();
    node.finish(with_index(node, 0), 1);
    node.now += seconds(10);
    node.look();
    node.finish(with_index(node, 0), 1);
    node.look();
    CHECK(active(node).empty());
    CHECK(node.workload_status().message.starts_with("Failed: MaxFailedIndexesExceeded"));
  }
}

TEST_CASE("Job records survive as text", "[job]") {
  const JobRecords records = {{"a", {kStart, ""}}, {"b", {std::nullopt, "DeadlineExceeded: x"}}};
  CHECK(decode_jobs(encode_jobs(records)) == records);
  CHECK(decode_jobs("nonsense").empty());
  CHECK(decode_jobs("[1]").empty());
  CHECK(decode_jobs(R"({"a": 1, "b": {"failure": 2, "started": "x"}})") == JobRecords{{"b", {}}});
}

}  // namespace keelson::agent::test
