#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/stats/cgroup_files.hpp"
#include "agent/stats/cpu_rates.hpp"
#include "agent/stats/metric_text.hpp"
#include "agent/stats/metrics.hpp"
#include "agent/stats/reader.hpp"
#include "agent/stats/summary.hpp"
#include "base/files.hpp"

using namespace keelson;
using namespace keelson::stats;
using nlohmann::json;

namespace {

constexpr SystemTime kTime{Seconds(1'700'000'000)};

struct Tree {
  Tree() {
    char name[] = "/tmp/keelson-stats-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Tree() { std::filesystem::remove_all(path); }
  void put(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path / file).parent_path());
    CHECK(write_file_atomic(path / file, text, 0644, Durability::volatile_ok).has_value());
  }
  std::filesystem::path path;
};

Sample example() {
  Sample s;
  s.node.name = "n1";
  s.node.booted_at = kTime;
  s.node.memory_capacity = 8000;
  s.node.usage = {.path = "/",
                  .time = kTime,
                  .cpu = CpuUsage{.usage_ns = 5'000'000'000},
                  .memory = MemoryUsage{.usage = 4000, .working_set = 3000}};
  s.node.fs = FsUsage{.time = kTime, .available = 10, .capacity = 100, .used = 90};
  PodSample pod{.name = "web", .ns = "default", .uid = "u1", .sandbox_id = "sb", .started_at = kTime};
  pod.usage = {.path = "/kubepods/podu1",
               .time = kTime,
               .cpu = CpuUsage{.usage_ns = 2'500'000'000},
               .memory = MemoryUsage{.working_set = 50}};
  pod.interfaces.push_back({.name = "eth0", .rx_bytes = 7});
  ContainerSample c{.name = "app", .id = "c1", .image = "img", .started_at = kTime};
  c.usage = {.path = "/kubepods/podu1/c1",
             .time = kTime,
             .cpu = CpuUsage{.usage_ns = 1'500'000'000},
             .memory = MemoryUsage{.usage = 60, .working_set = 40, .page_faults = 6, .swap = 8, .limit = 100,
                                   .swap_limit = 20},
             .io = {{"/dev/sda", {.read_bytes = 9}}},
             .threads = 4,
             .cpu_spec = CpuSpec{.shares = 998, .period_us = 100000, .quota_us = 5000}};
  c.rootfs = FsUsage{.time = kTime, .used = 11, .inodes_used = 2};
  c.logs = FsUsage{.time = kTime, .used = 5, .inodes_used = 1};
  pod.containers.push_back(c);
  pod.volumes = {{.name = "cache", .ephemeral = true, .usage = {.time = kTime, .used = 100, .inodes_used = 3}},
                 {.name = "data",
                  .claim = "claim",
                  .usage = {.time = kTime, .available = 30, .capacity = 40, .used = 10, .inodes = 7}}};
  s.node.processes = ProcessLimit{.time = kTime, .max = 100, .current = 9};
  s.pods.push_back(pod);
  return s;
}

}  // namespace

TEST_CASE("Numbers of cgroup files") {
  CHECK(parse_number("42\n") == 42);
  CHECK_FALSE(parse_number("max\n").has_value());
  CHECK_FALSE(parse_number("9223372036854771712\n").has_value());
  CHECK_FALSE(parse_number("").has_value());
}

TEST_CASE("CPU, of both versions") {
  const auto v2 = parse_cpu_v2(
      "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 4\nnr_throttled 2\nthrottled_usec 30\n");
  CHECK(v2.usage_ns == 1'500'000);
  CHECK(v2.user_ns == 1'000'000);
  CHECK(v2.throttled_periods == 2);
  CHECK(v2.throttled_ns == 30'000);
  const auto v1 = parse_cpu_v1("123456\n", "user 7\nsystem 3\n", "nr_periods 4\nnr_throttled 1\nthrottled_time 99\n");
  CHECK(v1.usage_ns == 123456);
  CHECK(v1.user_ns == 70'000'000);
  CHECK(v1.system_ns == 30'000'000);
  CHECK(v1.throttled_ns == 99);
}

TEST_CASE("Memory: the working set is what is used without inactive file pages, never below 0") {
  const auto v2 =
      parse_memory_v2("anon 100\nfile 300\nfile_mapped 20\ninactive_file 250\npgfault 9\npgmajfault 1\n", "400\n");
  CHECK(v2.usage == 400);
  CHECK(v2.working_set == 150);
  CHECK(v2.rss == 100);
  CHECK(v2.cache == 300);
  CHECK(v2.page_faults == 9);
  CHECK(parse_memory_v2("inactive_file 500\n", "400").working_set == 0);
  CHECK(parse_memory_v2("anon 1\nfile 2\n", "").usage == 3);
  const auto v1 =
      parse_memory_v1("cache 1\nrss 2\ntotal_cache 30\ntotal_rss 20\ntotal_inactive_file 10\ntotal_swap 4\n", "60\n");
  CHECK(v1.working_set == 50);
  CHECK(v1.rss == 20);
  CHECK(v1.swap == 4);
}

TEST_CASE("Disks, pressure and network counters") {
  const auto io =
      parse_io_v2("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=0 rios=1 wios=0\n");
  CHECK(io.at("8:0").read_bytes == 10);
  CHECK(io.at("8:0").writes == 2);
  CHECK(io.at("8:16").read_bytes == 5);
  const auto v1 = parse_io_v1("8:0 Read 10\n8:0 Write 20\nTotal 30\n", "8:0 Read 1\n8:0 Write 2\nTotal 3\n");
  CHECK(v1.size() == 1);
  CHECK(v1.at("8:0").written_bytes == 20);
  CHECK(v1.at("8:0").reads == 1);
  const auto psi = parse_pressure(
      "some avg10=1.50 avg60=0.00 avg300=0.25 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
  REQUIRE(psi.has_value());
  CHECK(psi->some.avg10 == 1.5);
  CHECK(psi->some.total_us == 77);
  CHECK(psi->full.total_us == 5);
  CHECK_FALSE(parse_pressure("").has_value());
  const auto net = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
      "compressed\n"
      "    lo:       1       1    0    0    0     0          0         0        1       1    0    0    0     0       0 "
      "         0\n"
      "  eth0:     100       2    3    4    0     0          0         0      200       5    6    7    0     0       0 "
      "         0\n");
  REQUIRE(net.size() == 1);
  CHECK(net[0].name == "eth0");
  CHECK(net[0].rx_dropped == 4);
  CHECK(net[0].tx_bytes == 200);
  CHECK(net[0].tx_errors == 6);
}

TEST_CASE("What bounds a cgroup's CPU, in v1's measures") {
  struct Case {
    const char *weight, *max;
    std::uint64_t shares, period;
    std::optional<std::uint64_t> quota;
  };
  // 39 and 4 are what runc makes of 1024 and 102 shares: the way back is not exact.
  const Case cases[] = {{"39\n", "max 100000\n", 998, 100000, std::nullopt},
                        {"4\n", "50000 100000\n", 80, 100000, 50000},
                        {"1\n", "1000 20000\n", 2, 20000, 1000},
                        {"10000\n", "", 262144, 0, std::nullopt}};
  for (const auto& c : cases) {
    CAPTURE(c.weight);
    const auto spec = parse_cpu_spec_v2(c.weight, c.max);
    CHECK(spec.shares == c.shares);
    CHECK(spec.period_us == c.period);
    CHECK(spec.quota_us == c.quota);
  }
  CHECK_FALSE(parse_cpu_spec_v1("512\n", "-1\n", "100000\n").quota_us.has_value());
  CHECK(parse_cpu_spec_v1("512\n", "20000\n", "100000\n").quota_us == 20000);
}

TEST_CASE("Devices of the mount table, and a process' own cgroup") {
  const auto sources = parse_mount_sources(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 0:21 / /proc rw - proc proc rw\nbroken\n");
  CHECK(sources == std::map<std::string, std::string>{{"8:1", "/dev/sda1"}, {"0:21", "proc"}});
  CHECK(parse_own_cgroup("0::/system.slice/keelson.service\n") == "/system.slice/keelson.service");
  CHECK(parse_own_cgroup("12:cpu,cpuacct:/a\n9:memory:/b\n0::/c\n") == "/b");
  CHECK(parse_own_cgroup("").empty());
}

TEST_CASE("A container's cgroup by its ID, for both drivers") {
  CHECK(find_container_cgroup({"a", "c1"}, "c1") == "c1");
  CHECK(find_container_cgroup({"cri-containerd-c1.scope"}, "c1") == "cri-containerd-c1.scope");
  CHECK(find_container_cgroup({"crio-c1.scope", "x"}, "c1") == "crio-c1.scope");
  CHECK(find_container_cgroup({"c11"}, "c1").empty());
  CHECK(find_container_cgroup({""}, "").empty());
}

TEST_CASE("A whole sample of a v2 tree") {
  const Tree tree;
  const std::string pod = "cg/kubepods/podu1/";
  tree.put("cg/cpu.stat", "usage_usec 9\n");
  tree.put("cg/memory.stat", "anon 1\n");
  for (const auto& dir : {std::string("cg/kubepods/"), pod, pod + "c1/"}) {
    tree.put(dir + "cpu.stat", "usage_usec 1000\n");
    tree.put(dir + "memory.stat", "inactive_file 10\n");
    tree.put(dir + "memory.current", "100\n");
  }
  tree.put(pod + "c1/memory.max", "max\n");
  tree.put(pod + "c1/memory.events", "max 3\noom_kill 2\n");
  tree.put(pod + "c1/pids.current", "5\n");
  tree.put(pod + "c1/cgroup.procs", "80\n81\n82\n");
  tree.put(pod + "c1/cpu.weight", "39\n");
  tree.put(pod + "c1/cpu.max", "max 100000\n");
  tree.put("cg/system.slice/x/cpu.stat", "usage_usec 3\n");
  tree.put("proc/sys/kernel/pid_max", "4194304\n");
  tree.put("proc/sys/kernel/threads-max", "1000\n");
  tree.put("proc/loadavg", "0.1 0.2 0.3 2/345 999\n");
  tree.put(pod + "sb/cgroup.procs", "77\n78\n");
  tree.put("proc/77/net/dev", "h\nh\n eth0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n");
  tree.put("proc/meminfo",
           "MemTotal: 1000 kB\nMemFree: 400 kB\nInactive(file): 100 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
  tree.put("proc/stat", "cpu 1 2\nbtime 1700000000\n");
  tree.put("logs/0.log", "hello");
  const NodeTarget node{.name = "n1",
                        .mount = {tree.path / "cg", 2},
                        .proc = tree.path / "proc",
                        .system_cgroups = {{"kubelet", "/system.slice/x"}, {"runtime", "/gone"}},
                        .fs = tree.path};
  const PodTarget target{
      .name = "web",
      .ns = "d",
      .uid = "u1",
      .started_at = kTime,
      .cgroup = "/kubepods/podu1",
      .sandbox_id = "sb",
      .containers = {{.name = "app", .id = "c1", .log_dir = tree.path / "logs"}, {.name = "gone", .id = "c2"}},
      .volumes = {{.name = "data"}}};
  const auto s = take_sample(node, {target}, Detail::full);
  CHECK(s.node.memory_capacity == 1024000);
  CHECK(s.node.usage.memory->usage == 600 * 1024);
  CHECK(s.node.usage.memory->working_set == 500 * 1024);
  CHECK(s.node.booted_at == kTime);
  CHECK(s.node.system.at("pods").cpu->usage_ns == 1'000'000);
  REQUIRE(s.pods.size() == 1);
  REQUIRE(s.pods[0].containers.size() == 1);
  const auto& c = s.pods[0].containers[0];
  CHECK(c.usage.memory->working_set == 90);
  CHECK_FALSE(c.usage.memory->limit.has_value());
  CHECK(c.usage.memory->oom_kills == 2);
  CHECK(c.usage.threads == 5);
  CHECK(c.usage.processes == 3);
  CHECK(c.usage.cpu_spec->shares == 998);
  CHECK(s.pods[0].usage.processes == 5);
  CHECK(s.pods[0].volumes.size() == 1);
  CHECK(s.node.system.at("kubelet").cpu->usage_ns == 3000);
  CHECK(s.node.system.count("runtime") == 0);
  CHECK(s.node.processes->max == 1000);
  CHECK(s.node.processes->current == 345);
  CHECK(c.logs->inodes_used == 1);
  REQUIRE(s.pods[0].interfaces.size() == 1);
  CHECK(s.pods[0].interfaces[0].tx_bytes == 2);
  const auto brief = take_sample(node, {target}, Detail::resource);
  CHECK(brief.pods[0].containers[0].usage.memory->working_set == 90);
  CHECK_FALSE(brief.pods[0].containers[0].usage.processes.has_value());
}

TEST_CASE("Rates are of samples at least a second apart") {
  CpuRates rates;
  auto s = example();
  rates.apply(s);
  CHECK_FALSE(s.node.usage.cpu->nano_cores.has_value());
  s.node.usage.time += Seconds(2);
  s.node.usage.cpu->usage_ns += 1'000'000'000;
  rates.apply(s);
  CHECK(s.node.usage.cpu->nano_cores == 500'000'000);
  s.node.usage.time += Milliseconds(10);
  s.node.usage.cpu->usage_ns += 5;
  rates.apply(s);
  CHECK(s.node.usage.cpu->nano_cores == 500'000'000);
  s.node.usage.time += Seconds(2);
  s.node.usage.cpu->usage_ns = 1;  // made anew
  rates.apply(s);
  CHECK_FALSE(s.node.usage.cpu->nano_cores.has_value());
}

TEST_CASE("The summary") {
  const auto all = make_summary(example());
  CHECK(all["node"]["nodeName"] == "n1");
  CHECK(all["node"]["memory"]["availableBytes"] == 5000);
  CHECK(all["node"]["fs"]["capacityBytes"] == 100);
  const auto& pod = all["pods"][0];
  CHECK(pod["podRef"] == json::parse(R"({"name":"web","namespace":"default","uid":"u1"})"));
  CHECK(pod["network"]["name"] == "eth0");
  CHECK(pod["network"]["interfaces"][0]["rxBytes"] == 7);
  CHECK(pod["ephemeral-storage"]["usedBytes"] == 116);
  CHECK(pod["volume"][0]["name"] == "cache");
  CHECK(pod["volume"][0]["usedBytes"] == 100);
  CHECK(pod["volume"][0]["capacityBytes"] == 100);  // the node's
  CHECK_FALSE(pod["volume"][0].contains("pvcRef"));
  CHECK(pod["volume"][1]["pvcRef"] == json::parse(R"({"name":"claim","namespace":"default"})"));
  CHECK(pod["volume"][1]["capacityBytes"] == 40);
  CHECK(all["node"]["rlimit"]["maxpid"] == 100);
  CHECK(all["node"]["rlimit"]["curproc"] == 9);
  CHECK(pod["containers"][0]["swap"]["swapAvailableBytes"] == 12);
  CHECK(pod["containers"][0]["memory"]["availableBytes"] == 60);
  CHECK(pod["containers"][0]["swap"]["swapUsageBytes"] == 8);
  CHECK(pod["containers"][0]["startTime"] == "2023-11-14T22:13:20Z");
  CHECK_FALSE(pod["containers"][0]["cpu"].contains("usageNanoCores"));
  const auto brief = make_summary(example(), true);
  CHECK(brief["pods"][0]["cpu"]["usageCoreNanoSeconds"] == 2'500'000'000);
  CHECK_FALSE(brief["pods"][0].contains("network"));
  CHECK_FALSE(brief["node"].contains("fs"));
}

TEST_CASE("What metrics-server reads") {
  const auto text = resource_metrics(example());
  const auto has = [&](const std::string& line) { return ("\n" + text).find("\n" + line + "\n") != std::string::npos; };
  CHECK(has("node_cpu_usage_seconds_total 5 1700000000000"));
  CHECK(has("node_memory_working_set_bytes 3000 1700000000000"));
  CHECK(has("pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"web\"} 2.5 1700000000000"));
  CHECK(
      has("container_cpu_usage_seconds_total{container=\"app\",namespace=\"default\",pod=\"web\"} 1.5 1700000000000"));
  CHECK(
      has("container_memory_working_set_bytes{container=\"app\",namespace=\"default\",pod=\"web\"} 40 1700000000000"));
  CHECK(has("container_start_time_seconds{container=\"app\",namespace=\"default\",pod=\"web\"} 1.7e+09"));
  CHECK(has("container_swap_usage_bytes{container=\"app\",namespace=\"default\",pod=\"web\"} 8 1700000000000"));
  CHECK(has("container_swap_limit_bytes{container=\"app\",namespace=\"default\",pod=\"web\"} 20 1700000000000"));
  CHECK(has("scrape_error 0"));
  CHECK(resource_metrics(example(), true).find("\nscrape_error 1\n") != std::string::npos);
}

TEST_CASE("What dashboards read of cAdvisor") {
  const auto text =
      cadvisor_metrics(example(), {.kernel = "6.1", .os = "Debian", .runtime_version = "1.6", .boot_id = "b"});
  const auto has = [&](const std::string& part) { return text.find(part) != std::string::npos; };
  CHECK(
      has("container_cpu_usage_seconds_total{container=\"app\",id=\"/kubepods/podu1/"
          "c1\",image=\"img\",name=\"c1\",namespace=\"default\",pod=\"web\"} 1.5 "));
  CHECK(
      has("container_memory_usage_bytes{container=\"\",id=\"/\",image=\"\",name=\"\",namespace=\"\",pod=\"\"} 4000 "));
  CHECK(
      has("container_network_receive_bytes_total{container=\"\",id=\"/kubepods/"
          "podu1\",image=\"\",interface=\"eth0\",name=\"sb\",namespace=\"default\",pod=\"web\"} 7 "));
  CHECK(has("machine_memory_bytes{boot_id=\"b\",machine_id=\"\",system_uuid=\"\"} 8000\n"));
  const std::string app =
      "container=\"app\",id=\"/kubepods/podu1/c1\",image=\"img\",name=\"c1\",namespace=\"default\",pod=\"web\"} ";
  const std::pair<std::string, std::string> rows[] = {
      {"container_threads{", "4 "},
      {"container_spec_cpu_shares{", "998 "},
      {"container_spec_cpu_period{", "1e+05 "},
      {"container_spec_cpu_quota{", "5000 "},
      {"container_spec_memory_limit_bytes{", "100 "},
      {"container_spec_memory_swap_limit_bytes{", "20 "},
      {"container_memory_failures_total{failure_type=\"pgfault\",scope=\"hierarchy\",", "6 "},
      {"container_fs_reads_bytes_total{device=\"/dev/sda\",", "9 "},
      {"container_fs_usage_bytes{device=\"\",", "11 "},
      {"container_start_time_seconds{", "1.7e+09 "}};
  for (const auto& [start, value] : rows) {
    CAPTURE(start);
    CHECK(has(start + app + value));
  }
  CHECK(has("kernelVersion=\"6.1\""));
}

TEST_CASE("What volumes of claims take, each claim once") {
  auto sample = example();
  sample.pods.push_back(sample.pods.front());
  MetricText out;
  write_volume_metrics(out, sample.pods);
  const auto text = out.take();
  const std::string row = "kubelet_volume_stats_used_bytes{namespace=\"default\",persistentvolumeclaim=\"claim\"} 10\n";
  const auto first = text.find(row);
  REQUIRE(first != std::string::npos);
  CHECK(text.find(row, first + 1) == std::string::npos);
  CHECK(text.find("kubelet_volume_stats_inodes_free{") == std::string::npos);
  MetricText none;
  write_volume_metrics(none, {});
  CHECK(none.take().empty());
}

TEST_CASE("Labels are escaped") { CHECK(label_text({{"a", "x\"y\\z\n"}, {"b", ""}}) == "a=\"x\\\"y\\\\z\\n\",b=\"\""); }
