// proxy_model: what the Service proxy costs with a generated model and no API server, in the network namespace that it
// is started in (which it fills with rules: give it one of its own). Prints
//   {"full_seconds", "full_cpu", "change_ms": median, "change_ms_slowest", "change_cpu_ms", "resident_mib",
//    "highest_mib", "model_mib", ...}
// CPU is the process's and that of the programs that it ran; a change is one endpoint replaced, from set_slice() to the
// end of the sync; with --new-counts each change gives its Service a number of endpoints that no other has. --burst
// adds what so many changes cost that come twenty a second: {"burst_cpu", "burst_syncs"}.
#include <malloc.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"
#include "proxy/nft_kernel.hpp"
#include "proxy/proxier.hpp"

namespace {

using namespace keelson;
using namespace keelson::proxy;
using Steady = std::chrono::steady_clock;

double since(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

double cpu_seconds() {
  double out = 0;
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(whose, &used);
    for (const timeval& time : {used.ru_utime, used.ru_stime}) {
      out += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    }
  }
  return out;
}

double status_mib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field, 0) == 0) return std::stod(line.substr(field.size())) / 1024;
  }
  return 0;
}

std::string address(int first, int number) {
  return "10." + std::to_string(first + number / 62500) + '.' + std::to_string(number / 250 % 250) + '.' +
         std::to_string(1 + number % 250);
}

kube::Service make_service(int number) {
  kube::Service out;
  out.metadata.ns = "bench";
  out.metadata.name = "svc-" + std::to_string(number);
  out.spec.type = "ClusterIP";
  out.spec.cluster_ip = address(96, number);
  out.spec.cluster_ips = {out.spec.cluster_ip};
  auto& port = out.spec.ports.emplace_back();
  port.name = "http";
  port.protocol = "TCP";
  port.port = 80;
  return out;
}

kube::EndpointSlice make_slice(int number, const std::vector<std::string>& ips) {
  kube::EndpointSlice out;
  out.metadata.ns = "bench";
  out.metadata.name = "svc-" + std::to_string(number) + "-abcde";
  out.metadata.labels[kube::EndpointSlice::kServiceNameLabel] = "svc-" + std::to_string(number);
  out.address_type = "IPv4";
  for (const std::string& ip : ips) {
    out.endpoints.emplace_back().addresses = {ip};
    out.endpoints.back().node_name = "elsewhere";
  }
  auto& port = out.ports.emplace_back();
  port.name = "http";
  port.port = 8080;
  return out;
}

struct Bench {
  Bench(const ProxyConfig& config)
      : proxier(loop.get_executor(), config, "node", {*IpAddress::parse("192.168.77.1")}, system_clock(), iptables,
                conntrack, &nft) {
    proxier.on_sync([this] { ++syncs; });
    tasks.spawn("proxier", proxier.run());
  }
  ~Bench() {
    tasks.cancel();
    loop.restart();
    loop.run_for(std::chrono::seconds(5));
  }
  void settle() {
    const int before = syncs;
    while (syncs == before || proxier.status().pending) {
      loop.restart();
      loop.run_one();
    }
  }

  asio::io_context loop;
  BlockingPool pool{1};
  SystemIptables iptables;
  NetlinkNft nft{pool};
  NetlinkConntrack conntrack{pool};
  Proxier proxier;
  TaskGroup tasks{loop.get_executor()};
  int syncs = 0;
};

struct Options {
  int services = 44000, changes = 50, burst = 0;
  bool new_counts = false;
};

// The endpoints of a Service after change number `change`.
std::vector<std::string> changed_endpoints(const Options& options, int service, int change) {
  std::vector<std::string> ips{address(128, 2 * service), address(200, change)};
  for (int extra = 0; options.new_counts && extra <= change; ++extra) ips.push_back(address(210, 100 * change + extra));
  return ips;
}

// CPU seconds and syncs of the options' burst.
std::pair<double, int> burst(Bench& bench, const Options& options) {
  constexpr auto kInterval = std::chrono::milliseconds(50);
  const auto turn = [&bench](Steady::time_point until) {
    while (Steady::now() < until) {
      bench.loop.restart();
      bench.loop.run_until(until);
    }
  };
  turn(Steady::now() + std::chrono::milliseconds(2500));
  const double cpu = cpu_seconds();
  const int before = bench.syncs;
  const auto start = Steady::now();
  for (int i = 0; i < options.burst; ++i) {
    const int number = static_cast<int>((i * 6007L + 29) % options.services);
    bench.proxier.set_slice(make_slice(number, {address(128, 2 * number), address(220, i)}));
    turn(start + (i + 1) * kInterval);
  }
  if (bench.proxier.status().pending) bench.settle();
  return {cpu_seconds() - cpu, bench.syncs - before};
}

int run(const ProxyConfig& config, const Options& options) {
  const int services = options.services, changes = options.changes;
  Bench bench(config);
  const double empty = status_mib("VmRSS:");
  for (int i = 0; i < services; ++i) {
    bench.proxier.set_service(make_service(i));
    bench.proxier.set_slice(make_slice(i, {address(128, 2 * i), address(128, 2 * i + 1)}));
  }
  ::malloc_trim(0);
  const double model = status_mib("VmRSS:") - empty;
  double cpu = cpu_seconds();
  auto start = Steady::now();
  bench.proxier.services_synced();
  bench.proxier.slices_synced();
  bench.settle();
  const double full = since(start), full_cpu = cpu_seconds() - cpu;
  cpu = cpu_seconds();
  std::vector<double> times;
  double last = full;
  for (int i = 0; i < changes; ++i) {
    // After a quiet time: in a burst the proxy paces itself.
    const auto quiet = std::chrono::duration<double>(std::clamp(21 * last, 0.11, 2.1 * std::max(1.0, last)));
    bench.loop.restart();
    bench.loop.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(quiet));
    const int number = static_cast<int>((i * 7919L + 13) % services);
    start = Steady::now();
    bench.proxier.set_slice(make_slice(number, changed_endpoints(options, number, i)));
    bench.settle();
    last = since(start);
    times.push_back(last * 1000);
  }
  std::sort(times.begin(), times.end());
  const double change_cpu = (cpu_seconds() - cpu) * 1000 / changes;
  const auto [burst_cpu, burst_syncs] = burst(bench, options);
  ::malloc_trim(0);
  std::printf(
      "{\"services\": %d, \"full_seconds\": %.3f, \"full_cpu\": %.3f, \"change_ms\": %.3f, \"change_ms_slowest\": "
      "%.3f, "
      "\"change_cpu_ms\": %.3f, \"resident_mib\": %.1f, \"highest_mib\": %.1f, \"model_mib\": %.1f, "
      "\"burst_cpu\": %.3f, \"burst_syncs\": %d}\n",
      services, full, full_cpu, times[times.size() / 2], times.back(), change_cpu, status_mib("VmRSS:"),
      status_mib("VmHWM:"), model, burst_cpu, burst_syncs);
  const auto status = bench.proxier.status().families.at(0);
  if (status.last_error.empty() && status.failures == 0) return 0;
  std::fprintf(stderr, "proxy_model: %zu failures; %s\n", status.failures, status.last_error.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The Service proxy with a generated model.");
  Options options;
  std::string mode = "iptables";
  app.add_option("--services", options.services)->check(CLI::Range(1, 60000));
  app.add_option("--changes", options.changes)->check(CLI::Range(1, 10000));
  app.add_option("--burst", options.burst)->check(CLI::Range(0, 10000));
  app.add_flag("--new-counts", options.new_counts);
  app.add_option("--mode", mode)->check(CLI::IsMember({"iptables", "nftables"}));
  CLI11_PARSE(app, argc, argv);
  ProxyConfig config;
  config.cluster_cidrs = {"10.128.0.0/9"};
  config.tune_sysctls = false;
  config.mode = parse_proxy_mode(mode).value();
  return run(config, options);
}
