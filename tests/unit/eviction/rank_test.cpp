#include <catch2/catch.hpp>

#include "agent/eviction/rank.hpp"

using namespace keelson;
using namespace keelson::agent;
using kube::Quantity;

namespace {

struct Make {
  std::string name;
  std::int64_t memory = 0, request = 0;  // MiB
  std::int32_t priority = 0;
  std::int64_t disk = 0, disk_request = 0;  // MiB
  std::uint64_t processes = 0;
};

Quantity mib(std::int64_t n) { return Quantity::of(n << 20, Quantity::Format::binary_si); }

PodUsage make(const Make& m) {
  auto pod = std::make_shared<kube::Pod>();
  pod->metadata.name = m.name;
  pod->spec.priority = m.priority;
  kube::Container c;
  c.name = "c";
  if (m.request > 0) c.resources.requests["memory"] = mib(m.request);
  if (m.disk_request > 0) c.resources.requests["ephemeral-storage"] = mib(m.disk_request);
  pod->spec.containers.push_back(c);
  PodUsage out{pod, m.processes, {}, {}, false};
  out.containers["c"] = {.memory = static_cast<std::uint64_t>(m.memory << 20),
                         .rootfs = static_cast<std::uint64_t>(m.disk << 20),
                         .logs = 0,
                         .rootfs_inodes = m.processes,
                         .log_inodes = 0};
  return out;
}

std::vector<std::string> ranked(const std::vector<Make>& pods, Signal signal, bool one_disk = true) {
  std::vector<PodUsage> usage;
  for (const auto& m : pods) usage.push_back(make(m));
  rank_pods(usage, signal, one_disk);
  std::vector<std::string> out;
  for (const auto& u : usage) out.push_back(u.pod->metadata.name);
  return out;
}

using Names = std::vector<std::string>;

std::shared_ptr<kube::Pod> edit(PodUsage& usage) {
  auto copy = std::make_shared<kube::Pod>(*usage.pod);
  usage.pod = copy;
  return copy;
}

}  // namespace

TEST_CASE("memory: above the request first, then priority, then by how much", "[eviction]") {
  CHECK(ranked({{.name = "within", .memory = 90, .request = 100},
                {.name = "above", .memory = 20, .request = 10},
                {.name = "far-above", .memory = 200, .request = 10},
                {.name = "important", .memory = 900, .request = 10, .priority = 5}},
               Signal::memory_available) == Names{"far-above", "above", "important", "within"});
}

TEST_CASE("of whom nothing is known, nothing good is assumed", "[eviction]") {
  std::vector<PodUsage> usage = {make({.name = "known", .memory = 10, .request = 20}), make({.name = "unknown"})};
  usage[1].containers.clear();
  rank_pods(usage, Signal::memory_available, true);
  CHECK(usage.front().pod->metadata.name == "unknown");
}

TEST_CASE("disk: as memory, by what lies on that disk", "[eviction]") {
  CHECK(ranked({{.name = "asked", .disk = 50, .disk_request = 100},
                {.name = "small", .disk = 5},
                {.name = "big", .disk = 40}},
               Signal::nodefs_available) == Names{"big", "small", "asked"});
  // Writable layers are not on the node's own disk where images have one of theirs.
  auto usage = std::vector<PodUsage>{make({.name = "layer", .disk = 500}), make({.name = "logs"})};
  usage[1].containers["c"].logs = 1 << 20;
  rank_pods(usage, Signal::nodefs_available, false);
  CHECK(usage.front().pod->metadata.name == "logs");
  rank_pods(usage, Signal::imagefs_available, false);
  CHECK(usage.front().pod->metadata.name == "layer");
}

TEST_CASE("pids and inodes: priority, then number", "[eviction]") {
  const std::vector<Make> pods = {{.name = "few", .processes = 2},
                                  {.name = "many", .processes = 900},
                                  {.name = "important", .priority = 1, .processes = 5000}};
  CHECK(ranked(pods, Signal::pid_available) == Names{"many", "few", "important"});
  CHECK(ranked(pods, Signal::nodefs_inodes_free) == Names{"many", "few", "important"});
}

TEST_CASE("the message carries the arithmetic", "[eviction]") {
  const Threshold hard{Signal::memory_available, {mib(100), {}}, {}, {}};
  const Observation seen{mib(90), mib(1000)};
  CHECK(
      eviction_message(hard, seen, make({.name = "p", .memory = 200, .request = 100})) ==
      "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. Container c was using 200Mi, "
      "request is 100Mi, has larger consumption of memory. ");
  CHECK(eviction_message(hard, seen, make({.name = "p", .memory = 50, .request = 100})) ==
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. ");
  CHECK(eviction_message(hard, seen, make({.name = "p", .memory = 50})).find("request is 0, has") != std::string::npos);
  const Threshold percent{Signal::nodefs_available, {{}, 0.1}, {}, {}};
  CHECK(eviction_message(percent, seen, make({.name = "p", .disk = 3})) ==
        "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 90Mi. Container c was "
        "using 3Mi, request is 0, has larger consumption of ephemeral-storage. ");
  const Threshold pids{Signal::pid_available, {Quantity::of(10), {}}, {}, {}};
  CHECK(eviction_message(pids, {Quantity::of(3), Quantity::of(100)}, make({.name = "p"})) ==
        "The node was low on resource: pids. Threshold quantity: 10, available: 3. ");
}

TEST_CASE("a pod's own limits of storage", "[eviction]") {
  auto usage = make({.name = "p", .disk = 30});
  usage.containers["c"].logs = 10 << 20;
  usage.volumes["data"] = {20 << 20, 1, false};
  usage.volumes["mem"] = {500 << 20, 1, true};
  CHECK_FALSE(has_storage_limits(*usage.pod));
  CHECK_FALSE(exceeded_limit(usage).has_value());

  auto pod = edit(usage);
  kube::Volume volume;
  volume.name = "data";
  volume.empty_dir.emplace().size_limit = mib(20);
  pod->spec.volumes.push_back(volume);
  CHECK(has_storage_limits(*pod));
  CHECK_FALSE(exceeded_limit(usage).has_value());
  CHECK(limit_share(usage) == Approx(1.0));
  usage.volumes["data"].bytes += 1;
  CHECK(exceeded_limit(usage) == "Usage of EmptyDir volume \"data\" exceeds the limit \"20Mi\". ");
  usage.volumes["data"].bytes = 10 << 20;

  // Layer, logs and volume on disk: 50 MiB.
  pod->spec.containers[0].resources.limits["ephemeral-storage"] = mib(50);
  CHECK_FALSE(exceeded_limit(usage).has_value());
  pod->spec.containers[0].resources.limits["ephemeral-storage"] = mib(45);
  CHECK(exceeded_limit(usage) == "Pod ephemeral local storage usage exceeds the total limit of containers 45Mi. ");
  // A second container raises the pod's limit, not the first one's.
  kube::Container other;
  other.name = "d";
  other.resources.limits["ephemeral-storage"] = mib(100);
  pod->spec.containers.push_back(other);
  CHECK_FALSE(exceeded_limit(usage).has_value());
  pod->spec.containers[0].resources.limits["ephemeral-storage"] = mib(39);
  CHECK(exceeded_limit(usage) == "Container c exceeded its local ephemeral storage limit \"39Mi\". ");
}

TEST_CASE("which pods a node under pressure takes", "[eviction]") {
  const auto best_effort = make({.name = "b"});
  const auto burstable = make({.name = "r", .request = 10});
  CHECK_FALSE(refused_under_pressure(*best_effort.pod, {}).has_value());
  CHECK(refused_under_pressure(*best_effort.pod, {"MemoryPressure"}) == "The node had condition: [MemoryPressure]. ");
  CHECK_FALSE(refused_under_pressure(*burstable.pod, {"MemoryPressure"}).has_value());
  CHECK(refused_under_pressure(*burstable.pod, {"DiskPressure"}) == "The node had condition: [DiskPressure]. ");
  CHECK(refused_under_pressure(*burstable.pod, {"DiskPressure", "MemoryPressure"}) ==
        "The node had condition: [DiskPressure MemoryPressure]. ");
  auto tolerant = best_effort;
  auto pod = edit(tolerant);
  pod->spec.tolerations.push_back(
      {.key = "node.kubernetes.io/memory-pressure", .op = "Exists", .effect = "NoSchedule"});
  CHECK_FALSE(refused_under_pressure(*pod, {"MemoryPressure"}).has_value());
  CHECK(refused_under_pressure(*pod, {"PIDPressure"}).has_value());
}
