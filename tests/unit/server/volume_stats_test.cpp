// From what was measured of a pod's volumes to what statistics show.
#include <catch2/catch.hpp>

#include "agent/daemon/volume_stats.hpp"

using namespace keelson;
using namespace keelson::agent;

TEST_CASE("Which volume is which, and what counts as ephemeral storage") {
  kube::Pod pod;
  pod.metadata.name = "web";
  const auto add = [&pod](const char* name) -> kube::Volume& {
    auto& volume = pod.spec.volumes.emplace_back();
    volume.name = name;
    return volume;
  };
  add("cache").empty_dir.emplace();
  add("ram").empty_dir.emplace().medium = "Memory";
  add("conf").config_map.emplace();
  add("key").secret.emplace();
  add("data").persistent_volume_claim.emplace().claim_name = "claim";
  add("scratch").ephemeral.emplace();
  add("unbound").persistent_volume_claim.emplace().claim_name = "later";
  add("host").host_path.emplace();
  CHECK(claim_name(pod, pod.spec.volumes[5]) == "web-scratch");

  volumes::VolumeUsage own{.bytes = 10, .inodes = 2};
  own.filesystem = {.bytes = 100, .available = 80, .inodes = 50, .inodes_free = 48};
  const std::map<std::string, volumes::VolumeUsage> usages = {
      {"cache", {.bytes = 4096, .inodes = 3}}, {"ram", own}, {"conf", {.bytes = 1}}, {"key", {.bytes = 1}},
      {"pv1", own},                            {"pv2", own}, {"data", {.bytes = 7}}};
  const auto samples = volume_samples(pod, usages, {{"claim", "pv1"}, {"web-scratch", "pv2"}}, SystemTime{});
  struct Expected {
    const char *name, *claim;
    bool ephemeral;
    std::uint64_t used;
    std::optional<std::uint64_t> capacity;
  };
  const Expected expected[] = {{"cache", "", true, 4096, std::nullopt}, {"ram", "", false, 10, 100},
                               {"conf", "", true, 1, std::nullopt},     {"key", "", false, 1, std::nullopt},
                               {"data", "claim", false, 10, 100},       {"scratch", "web-scratch", false, 10, 100}};
  REQUIRE(samples.size() == std::size(expected));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CAPTURE(expected[i].name);
    CHECK(samples[i].name == expected[i].name);
    CHECK(samples[i].claim == expected[i].claim);
    CHECK(samples[i].ephemeral == expected[i].ephemeral);
    CHECK(samples[i].usage.used == expected[i].used);
    CHECK(samples[i].usage.capacity == expected[i].capacity);
  }
  CHECK(samples[4].usage.available == 80);
  CHECK(samples[4].usage.inodes_free == 48);
}
