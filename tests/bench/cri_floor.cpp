// The floor of the bench: starts N pods of one container by the CRI calls that a node agent cannot do without
// (RunPodSandbox, CreateContainer, StartContainer, one ContainerStatus that must say RUNNING), directly, so many at a
// time as told; prints the times as JSON; stops and removes them. The requests ask of the runtime what a pod's must: a
// cgroup of its own, DNS, the sandbox's seccomp profile, the /etc/hosts and termination log mounts, masked paths, an
// OOM score.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/semaphore.hpp"
#include "base/strings.hpp"
#include "base/task_group.hpp"
#include "cri/client.hpp"

namespace keelson {
namespace {

struct Options {
  std::string endpoint = cri::kDefaultEndpoint;
  int pods = 1;
  unsigned concurrency = 4;
  std::string image = "docker.io/local/testapp:1";
  std::vector<std::string> command, args;
  std::string log_dir = "/tmp/cri-floor-logs";
  std::string cgroup_parent;
};

double seconds(SteadyTime from, SteadyTime to) { return std::chrono::duration<double>(to - from).count(); }

struct Pod {
  cri::v1::PodSandboxConfig config;
  std::string sandbox_id;
  std::string container_id;
  double sandbox_seconds = 0;    // RunPodSandbox
  double container_seconds = 0;  // CreateContainer, StartContainer and ContainerStatus
  double removed_seconds = 0;    // StopContainer, StopPodSandbox and RemovePodSandbox
  SteadyTime running_at;
  Error failure{Errc::cancelled, "was not started", ""};
  bool ok = false;
};

class Floor {
 public:
  Floor(Executor executor, cri::Client& client, Options options)
      : client_(client), options_(std::move(options)), places_(executor, options_.concurrency), tasks_(executor) {}

  // Errors: those of the first pod that failed. All pods are removed in any case.
  Awaitable<Result<std::string>> run() {
    for (int i = 0; i < options_.pods; ++i) pods_.push_back(make_pod(i));
    const auto begin = std::chrono::steady_clock::now();
    for (auto& pod : pods_) tasks_.spawn("start a pod", start(pod));
    co_await tasks_.join();
    const auto started = std::chrono::steady_clock::now();
    for (auto& pod : pods_) tasks_.spawn("remove a pod", remove(pod));
    co_await tasks_.join();
    const auto removed = std::chrono::steady_clock::now();
    for (const auto& pod : pods_) {
      if (!pod.ok) co_return pod.failure.context(pod.config.metadata().name());
    }
    co_return report(begin, started, removed);
  }

 private:
  Pod make_pod(int index) const {
    Pod pod;
    auto& config = pod.config;
    config.mutable_metadata()->set_name("floor-" + std::to_string(index));
    config.mutable_metadata()->set_namespace_("floor");
    config.mutable_metadata()->set_uid(random_uuid());
    config.set_hostname(config.metadata().name());
    config.set_log_directory(options_.log_dir + "/" + config.metadata().uid());
    auto& labels = *config.mutable_labels();
    labels["io.kubernetes.pod.name"] = config.metadata().name();
    labels["io.kubernetes.pod.namespace"] = config.metadata().namespace_();
    labels["io.kubernetes.pod.uid"] = config.metadata().uid();
    auto& linux = *config.mutable_linux();
    linux.set_cgroup_parent(options_.cgroup_parent + "/pod" + config.metadata().uid());
    linux.mutable_security_context()->mutable_namespace_options()->set_pid(cri::v1::CONTAINER);
    linux.mutable_security_context()->mutable_seccomp()->set_profile_type(cri::v1::SecurityProfile::RuntimeDefault);
    config.mutable_dns_config()->add_servers("10.96.0.10");
    config.mutable_dns_config()->add_options("ndots:5");
    std::filesystem::create_directories(config.log_directory());
    for (const char* file : {"hosts", "termination-log"}) std::ofstream(config.log_directory() + "/" + file);
    return pod;
  }

  // What every container of a pod gets beside its image, command and log.
  static void add_common(cri::v1::ContainerConfig& config, const std::string& folder) {
    const auto mount = [&](const char* at, const char* file) {
      auto& added = *config.add_mounts();
      added.set_container_path(at);
      added.set_host_path(folder + "/" + file);
    };
    mount("/etc/hosts", "hosts");
    mount("/dev/termination-log", "termination-log");
    auto& linux = *config.mutable_linux();
    linux.mutable_resources()->set_cpu_shares(2);
    linux.mutable_resources()->set_oom_score_adj(1000);
    auto& security = *linux.mutable_security_context();
    security.mutable_namespace_options()->set_pid(cri::v1::CONTAINER);
    for (const char* path :
         {"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"}) {
      security.add_masked_paths(path);
    }
    for (const char* path : {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}) {
      security.add_readonly_paths(path);
    }
  }

  Awaitable<void> start(Pod& pod) {
    auto permit = co_await places_.acquire();
    auto result = co_await start_calls(pod);
    pod.ok = result.has_value();
    if (!result) pod.failure = result.error();
    pod.running_at = std::chrono::steady_clock::now();
  }

  Awaitable<Result<void>> start_calls(Pod& pod) {
    const auto begin = std::chrono::steady_clock::now();
    cri::v1::RunPodSandboxRequest sandbox;
    *sandbox.mutable_config() = pod.config;
    CO_TRY(auto made, co_await client_.run_pod_sandbox(std::move(sandbox)));
    pod.sandbox_id = made.pod_sandbox_id();
    const auto sandbox_at = std::chrono::steady_clock::now();
    pod.sandbox_seconds = seconds(begin, sandbox_at);

    cri::v1::CreateContainerRequest create;
    create.set_pod_sandbox_id(pod.sandbox_id);
    *create.mutable_sandbox_config() = pod.config;
    auto& config = *create.mutable_config();
    config.mutable_metadata()->set_name("main");
    config.mutable_image()->set_image(options_.image);
    for (const auto& word : options_.command) config.add_command(word);
    for (const auto& word : options_.args) config.add_args(word);
    *config.mutable_labels() = pod.config.labels();
    (*config.mutable_labels())["io.kubernetes.container.name"] = "main";
    config.set_log_path("main.log");
    add_common(config, pod.config.log_directory());
    CO_TRY(auto container, co_await client_.create_container(std::move(create)));
    pod.container_id = container.container_id();

    cri::v1::StartContainerRequest start;
    start.set_container_id(pod.container_id);
    CO_CHECK_OK(co_await client_.start_container(std::move(start)));
    cri::v1::ContainerStatusRequest ask;
    ask.set_container_id(pod.container_id);
    CO_TRY(auto status, co_await client_.container_status(std::move(ask)));
    pod.container_seconds = seconds(sandbox_at, std::chrono::steady_clock::now());
    if (status.status().state() != cri::v1::CONTAINER_RUNNING) {
      co_return make_error(Errc::internal, "is not running: " + status.status().reason() + status.status().message());
    }
    co_return Result<void>();
  }

  Awaitable<void> remove(Pod& pod) {
    auto permit = co_await places_.acquire();
    const auto begin = std::chrono::steady_clock::now();
    auto result = co_await remove_calls(pod);
    if (!result && pod.ok) {
      pod.ok = false;
      pod.failure = result.error();
    }
    pod.removed_seconds = seconds(begin, std::chrono::steady_clock::now());
    std::error_code ignored;
    std::filesystem::remove_all(pod.config.log_directory(), ignored);
  }

  Awaitable<Result<void>> remove_calls(Pod& pod) {
    if (!pod.container_id.empty()) {
      cri::v1::StopContainerRequest stop;
      stop.set_container_id(pod.container_id);  // grace 0: SIGKILL at once
      CO_CHECK_OK(co_await client_.stop_container(std::move(stop)));
    }
    if (pod.sandbox_id.empty()) co_return Result<void>();
    cri::v1::StopPodSandboxRequest stop;
    stop.set_pod_sandbox_id(pod.sandbox_id);
    CO_CHECK_OK(co_await client_.stop_pod_sandbox(std::move(stop)));
    cri::v1::RemovePodSandboxRequest gone;
    gone.set_pod_sandbox_id(pod.sandbox_id);
    CO_CHECK_OK(co_await client_.remove_pod_sandbox(std::move(gone)));
    co_return Result<void>();
  }

  [[nodiscard]] std::string report(SteadyTime begin, SteadyTime started, SteadyTime removed) const {
    auto per_pod = nlohmann::json::array();
    std::vector<double> ready;
    for (const auto& pod : pods_) {
      ready.push_back(seconds(begin, pod.running_at));
      per_pod.push_back({{"running_seconds", ready.back()},
                         {"sandbox_seconds", pod.sandbox_seconds},
                         {"container_seconds", pod.container_seconds},
                         {"removed_seconds", pod.removed_seconds}});
    }
    std::ranges::sort(ready);
    const nlohmann::json out = {{"pods", options_.pods},
                                {"concurrency", options_.concurrency},
                                {"ready_seconds", seconds(begin, started)},
                                {"median_running_seconds", ready[ready.size() / 2]},
                                {"max_running_seconds", ready.back()},
                                {"remove_seconds", seconds(started, removed)},
                                {"per_pod", per_pod}};
    return out.dump(2);
  }

  cri::Client& client_;
  Options options_;
  Semaphore places_;
  TaskGroup tasks_;
  std::vector<Pod> pods_;
};

Awaitable<Result<std::string>> measure(Floor& floor, cri::Client& client) {
  cri::v1::VersionRequest request;
  CO_CHECK_OK(co_await client.version(std::move(request), Seconds(5)));  // the connection is not what is measured
  co_return co_await floor.run();
}

int run(const Options& options) {
  asio::io_context io;
  auto client = cri::Client::create(io.get_executor(), options.endpoint);
  if (!client) {
    std::cerr << "cri_floor: " << client.error().message << '\n';
    return 2;
  }
  Floor floor(io.get_executor(), **client, options);
  int code = 1;
  asio::co_spawn(io, measure(floor, **client), [&](const std::exception_ptr& failure, Result<std::string> result) {
    if (failure) std::rethrow_exception(failure);
    if (result) {
      std::cout << *result << '\n';
      code = 0;
    } else {
      std::cerr << "cri_floor: " << result.error().message << '\n';
    }
  });
  io.run();
  return code;
}

}  // namespace
}  // namespace keelson

int main(int argc, char** argv) {
  keelson::Options options;
  CLI::App app("Times the bare CRI calls that start pods, without any agent; prints JSON.", "cri_floor");
  app.add_option("--endpoint", options.endpoint, "The runtime's socket")->capture_default_str();
  app.add_option("--pods", options.pods, "How many pods")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--concurrency", options.concurrency, "How many at a time")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--image", options.image, "An image that the runtime has")->capture_default_str();
  app.add_option("--command", options.command, "What the container runs instead of what its image says");
  app.add_option("--args", options.args, "What is passed to the command, one --args=WORD for each");
  app.add_option("--log-dir", options.log_dir, "Folder for the containers' logs")->capture_default_str();
  app.add_option("--cgroup-parent", options.cgroup_parent, "Parent of the pods' cgroups (driver's own form)");
  CLI11_PARSE(app, argc, argv);
  return keelson::run(options);
}
