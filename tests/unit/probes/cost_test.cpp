// What probing costs, on demand: unit_probes '[cost]' in a release build. Hidden from ordinary runs.
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/task_group.hpp"
#include "probes/manager.hpp"
#include "servers.hpp"

using namespace keelson;
using namespace keelson::probes;
using namespace keelson::probes::test;

namespace {

double thread_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

TEST_CASE("cost of one http attempt, the loop's thread alone", "[.][cost]") {
  constexpr int kPods = 100;
  const RawServer server([](const std::string&) { return reply(200, "ok"); });
  asio::io_context loop;
  ProbeManager manager(loop.get_executor(), system_clock(), {});
  for (int i = 0; i < kPods; ++i) {
    auto pod = std::make_shared<kube::Pod>();
    pod->metadata.uid = "u" + std::to_string(i);
    auto& container = pod->spec.containers.emplace_back();
    container.name = "app";
    auto& probe = container.readiness_probe.emplace();
    probe.http_get.emplace();
    probe.http_get->port = kube::IntOrString(server.port());
    probe.period_seconds = 1;
    PodProbes seen;
    seen.pod = pod;
    seen.pod_ip = "127.0.0.1";
    seen.containers.push_back({"app", "c" + std::to_string(i), true, std::chrono::system_clock::now(), {}, {}});
    manager.update(seen);
  }
  const double before = thread_cpu_seconds();
  loop.run_for(Seconds(10));
  const double used = thread_cpu_seconds() - before;
  std::uint64_t attempts = 0;
  for (const auto& entry : manager.totals()) attempts += entry.successful;
  CHECK(attempts >= kPods * 9);
  const double each = used / static_cast<double>(attempts);
  WARN("CPU per attempt: " << each * 1e6 << " us; 100 pods each 10 s: " << each * 10 * 100 << " % of a core");
  CHECK(each < 500e-6);
  TaskGroup stopping(loop.get_executor());
  stopping.spawn("stop", manager.stop());
  loop.restart();
  loop.run();
}
