// Payloads, paths, modes, sizes: no I/O.
#include <catch2/catch.hpp>

#include "temp_root.hpp"
#include "volumes/empty_dir.hpp"
#include "volumes/host_path.hpp"
#include "volumes/manager.hpp"
#include "volumes/ownership.hpp"
#include "volumes/payload.hpp"

namespace keelson::volumes {
namespace {

kube::ConfigMap config_map() {
  kube::ConfigMap map;
  map.metadata.name = "app";
  map.data = {{"a.conf", "A"}, {"b.conf", "B"}};
  map.binary_data = {{"logo", std::string("\x00\xff", 2)}};
  return map;
}

TEST_CASE("config_map_payload: all keys, with the default mode") {
  const auto map = config_map();
  kube::ConfigMapVolumeSource source;
  source.name = "app";
  auto all = config_map_payload(source, &map);
  REQUIRE(all.has_value());
  const std::string logo("\x00\xff", 2);
  const Payload expected{{"a.conf", {"A", 0644, {}}}, {"b.conf", {"B", 0644, {}}}, {"logo", {logo, 0644, {}}}};
  CHECK(*all == expected);
  source.default_mode = 0400;
  all = config_map_payload(source, &map);
  REQUIRE(all.has_value());
  CHECK(all->at("logo").mode == 0400);
}

TEST_CASE("config_map_payload: items choose keys, paths and modes") {
  const auto map = config_map();
  kube::ConfigMapVolumeSource source;
  source.name = "app";
  source.items = {{"a.conf", "etc//app/./a", 0755}, {"b.conf", "b", std::nullopt}};
  const auto chosen = config_map_payload(source, &map);
  REQUIRE(chosen.has_value());
  CHECK(*chosen == Payload{{"b", {"B", 0644, {}}}, {"etc/app/a", {"A", 0755, {}}}});
  CHECK(top_level_names(*chosen) == std::vector<std::string>{"b", "etc"});
}

TEST_CASE("missing objects and keys say so, unless optional") {
  const auto map = config_map();
  kube::ConfigMapVolumeSource source;
  source.name = "app";
  source.items = {{"zzz", "z", std::nullopt}};
  CHECK(outcome(config_map_payload(source, nullptr)) == "configmap \"app\" not found");
  CHECK(outcome(config_map_payload(source, &map)) == "references non-existent config key: zzz");
  source.optional = true;
  CHECK(*config_map_payload(source, nullptr) == Payload{});
  CHECK(*config_map_payload(source, &map) == Payload{});

  kube::SecretVolumeSource secret_source;
  secret_source.secret_name = "tls";
  secret_source.items = {{"key", "key", std::nullopt}};
  kube::Secret secret;
  CHECK(outcome(secret_payload(secret_source, nullptr)) == "secret \"tls\" not found");
  CHECK(outcome(secret_payload(secret_source, &secret)) == "references non-existent secret key: key");
  secret.data["key"] = "K";
  CHECK(secret_payload(secret_source, &secret)->at("key").data == "K");
}

TEST_CASE("checked_payload refuses paths that would leave the volume or clash with the writer's own names") {
  const auto check = [](const std::string& path) { return outcome(checked_payload({{path, {}}})); };
  CHECK(check("a/b..c") == "ok");
  CHECK(check("a/..b") == "ok");
  CHECK(check("/etc/passwd") == "path: \"/etc/passwd\" must be a relative path");
  CHECK(check("a/../../b") == "path: \"a/../../b\" must not contain '..'");
  CHECK(check("..data") == "path: \"..data\" must not start with '..'");
  CHECK(check("./..data/x") == "path: \"./..data/x\" must not start with '..'");
  CHECK(check("") == "path: \"\" must not be empty");
  CHECK(check("./") == "path: \"./\" names no file");
  CHECK(check(std::string(256, 'x')).find("component longer than 255 bytes") != std::string::npos);
  std::string deep;
  while (deep.size() <= 4096) deep += "dir/";
  CHECK(check(deep).find("longer than 4096 bytes") != std::string::npos);
  CHECK(outcome(checked_payload({{"a", {}}, {"a/b", {}}})) == "path \"a/b\" needs a folder where \"a\" is a file");
}

TEST_CASE("diff_payload") {
  const Payload wanted{{"a", {"1", 0644, {}}}, {"b", {"2", 0644, {}}}};
  CHECK(diff_payload(wanted, {{"a", "1"}, {"b", "2"}}).empty());
  CHECK(diff_payload(wanted, {{"a", "1"}, {"c", "3"}}) == PayloadDiff{{"b"}, {"c"}});
  CHECK(diff_payload(wanted, {{"a", "0"}, {"b", "2"}}) == PayloadDiff{{"a"}, {}});
}

TEST_CASE("paths") {
  const Paths paths("/var/lib/keelson");
  CHECK(paths.volume("u", "kubernetes.io/empty-dir", "cache") ==
        "/var/lib/keelson/pods/u/volumes/kubernetes.io~empty-dir/cache");
  CHECK(paths.sub_path("u", "cache", "web", 3) == "/var/lib/keelson/pods/u/volume-subpaths/cache/web/3");
  CHECK(unescape_plugin(escape_plugin("kubernetes.io/configmap")) == "kubernetes.io/configmap");
  CHECK(is_at_or_below("/a/b", "/a"));
  CHECK(is_at_or_below("/a", "/a"));
  CHECK_FALSE(is_at_or_below("/ab", "/a"));
  CHECK(is_at_or_below("/a", "/"));
  CHECK(check_component("name", "web").has_value());
  for (const char* bad : {"", ".", "..", "a/b"}) CHECK_FALSE(check_component("name", bad).has_value());
}

TEST_CASE("fsGroup modes") {
  struct Row {
    mode_t before;
    bool directory, read_only;
    mode_t after;
  };
  const Row row = GENERATE(Row{0600, false, false, 0660}, Row{0644, false, true, 0644}, Row{0400, false, true, 0440},
                           Row{0755, true, false, 02775}, Row{0700, true, true, 02750}, Row{0777, true, false, 02777},
                           Row{04711, false, false, 04771});
  CHECK(fs_group_mode(row.before, row.directory, row.read_only) == row.after);
  CHECK(fs_group_root_matches(02770, 5, {5, false, true}));
  CHECK_FALSE(fs_group_root_matches(02770, 6, {5, false, true}));
  CHECK_FALSE(fs_group_root_matches(0770, 5, {5, false, true}));
  CHECK_FALSE(fs_group_root_matches(02750, 5, {5, false, true}));
}

kube::Container container(std::int64_t memory) {
  kube::Container c;
  if (memory > 0) c.resources.limits["memory"] = kube::Quantity::of(memory);
  return c;
}

TEST_CASE("memory_volume_size: the smallest of node, pod and sizeLimit") {
  kube::Pod pod;
  pod.spec.containers = {container(100), container(50)};
  CHECK(memory_volume_size(pod, std::nullopt, 1000) == 150);
  CHECK(memory_volume_size(pod, kube::Quantity::of(40), 1000) == 40);
  CHECK(memory_volume_size(pod, kube::Quantity::of(400), 1000) == 150);
  CHECK(memory_volume_size(pod, std::nullopt, 90) == 90);
  pod.spec.init_containers = {container(400)};
  CHECK(pod_memory_limit(pod) == 400);
  pod.spec.init_containers[0].restart_policy = "Always";  // a sidecar runs beside the others
  CHECK(pod_memory_limit(pod) == 550);
  pod.spec.containers[1] = container(0);
  CHECK_FALSE(pod_memory_limit(pod).has_value());
  CHECK(memory_volume_size(pod, std::nullopt, 1000) == 1000);
  CHECK(memory_volume_size(pod, kube::Quantity::of(7), 0) == 7);
  CHECK(tmpfs_options(0).empty());
  CHECK(tmpfs_options(64) == std::vector<std::string>{"size=64"});
}

TEST_CASE("huge_page_size") {
  kube::Pod pod;
  pod.spec.containers = {container(0)};
  const std::vector<std::int64_t> node{2 << 20};
  CHECK(*huge_page_size("HugePages-2Mi", pod, node) == 2 << 20);
  CHECK(outcome(huge_page_size("HugePages-1Gi", pod, node)) ==
        "medium \"HugePages-1Gi\": this node has no huge pages of size 1Gi");
  CHECK(outcome(huge_page_size("HugePages", pod, node)) ==
        "medium HugePages: no container of the pod requests huge pages");
  pod.spec.containers[0].resources.requests["hugepages-2Mi"] = kube::Quantity::of(4 << 20);
  CHECK(*huge_page_size("HugePages", pod, node) == 2 << 20);
  CHECK(outcome(huge_page_size("HugePagesX", pod, node)) == "medium \"HugePagesX\": not a huge page size");
}

TEST_CASE("hostPath type check: upstream's texts") {
  struct Row {
    const char* type;
    FileType found;
    const char* text;
  };
  const Row row =
      GENERATE(Row{"", FileType::missing, "ok"}, Row{"Directory", FileType::directory, "ok"},
               Row{"Directory", FileType::file, "hostPath type check failed: /p is not a directory"},
               Row{"DirectoryOrCreate", FileType::file, "hostPath type check failed: /p is not a directory"},
               Row{"File", FileType::missing, "hostPath type check failed: /p is not a file"},
               Row{"FileOrCreate", FileType::directory, "hostPath type check failed: /p is not a file"},
               Row{"Socket", FileType::file, "hostPath type check failed: /p is not a socket file"},
               Row{"CharDevice", FileType::file, "hostPath type check failed: /p is not a character device"},
               Row{"BlockDevice", FileType::char_device, "hostPath type check failed: /p is not a block device"},
               Row{"Fifo", FileType::other, "hostPath type check failed: Fifo is an invalid volume type"});
  CHECK(outcome(check_host_path_type("/p", row.type, row.found)) == row.text);
}

TEST_CASE("hostPath refuses relative paths and ..") {
  CHECK(outcome(check_host_path("/a/..b")) == "ok");
  CHECK(outcome(check_host_path("/a/../b")) == "invalid HostPath `/a/../b`: must not contain '..'");
  CHECK(outcome(check_host_path("a")) == "invalid HostPath `a`: must be an absolute path");
}

TEST_CASE("next_retry doubles from 500 ms to 2 min 2 s") {
  auto delay = next_retry(std::nullopt);
  CHECK(delay == Milliseconds(500));
  delay = next_retry(delay);
  CHECK(delay == Seconds(1));
  for (int i = 0; i < 10; ++i) delay = next_retry(delay);
  CHECK(delay == Seconds(122));
}

}  // namespace
}  // namespace keelson::volumes
