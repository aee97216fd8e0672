// A node of plain values for the API to serve, and a loop that a blocking client can talk to.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/journal/journal.hpp"
#include "agent/server/data.hpp"
#include "agent/server/unix_server.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "cri/runtime_service.hpp"

namespace keelson::agent::test {

inline constexpr SystemTime kNow = SystemTime(std::chrono::seconds(1'700'000'000));

struct FakeRuntime final : cri::RuntimeService {
  Awaitable<Result<cri::v1::ExecResponse>> exec(cri::v1::ExecRequest request, Milliseconds) override {
    last_exec = request;
    if (exec_url.empty()) co_return make_error(Errc::resource_exhausted, "too many streams");
    cri::v1::ExecResponse reply;
    reply.set_url(exec_url);
    co_return reply;
  }
  Awaitable<Result<cri::v1::ExecSyncResponse>> exec_sync(cri::v1::ExecSyncRequest request, Milliseconds) override {
    cri::v1::ExecSyncResponse reply;
    reply.set_stdout("out of " + request.cmd(0) + "\n");
    reply.set_stderr("err\n");
    reply.set_exit_code(request.cmd(0) == "false" ? 3 : 0);
    co_return reply;
  }
  std::string exec_url;
  cri::v1::ExecRequest last_exec;
};

struct FakeData final : ServerData {
  std::vector<PodEntry> pods() override { return entries; }
  std::optional<PodEntry> find_pod(const std::string& ns, const std::string& name) override {
    for (const auto& e : entries) {
      if (e.pod->metadata.ns == ns && e.pod->metadata.name == name) return e;
    }
    return std::nullopt;
  }
  std::optional<std::string> log_path(const std::string&, const std::string& id) override {
    if (id != "c1") return std::nullopt;
    return log_file;
  }
  std::string sandbox_id(const std::string&) override { return "s1"; }
  const PodJournal* journal(const std::string& key) override { return journals.find(key); }
  void on_change(std::function<void()> handler) override { changed = std::move(handler); }
  Awaitable<nlohmann::json> explain_service(std::string ns, std::string name) override {
    nlohmann::json out = {{"subject", ns.empty() ? name : ns + "/" + name}, {"proxy", {{"enabled", false}}}};
    co_return out;
  }
  nlohmann::json services() override {
    return {{"services", nlohmann::json::array()},
            {"endpointSlices", nlohmann::json::array()},
            {"proxy", {{"enabled", false}}}};
  }
  nlohmann::json workloads() override { return workload_list; }
  nlohmann::json problems() override { return problem_list; }
  nlohmann::json status() override { return {{"version", "test"}, {"node", "n1"}}; }
  nlohmann::json kubelet_config() override { return {{"kind", "KubeletConfiguration"}, {"maxPods", 110}}; }
  std::filesystem::path checkpoint_dir() override { return checkpoints; }
  std::string node_name() override { return "n1"; }
  Awaitable<Result<stats::Sample>> sample(stats::Detail detail) override {
    last_detail = detail;
    co_return usage;
  }
  stats::MachineFacts machine() override { return {}; }
  Awaitable<void> write_metrics(stats::MetricText& out) override {
    out.single("of_the_node", "gauge", "h", 1);
    co_return;
  }
  void write_probe_metrics(stats::MetricText& out) override { out.single("of_the_probes", "gauge", "h", 2); }
  cri::RuntimeService& runtime() override { return cri; }
  BlockingPool& pool() override { return threads; }
  SystemTime now() override { return kNow; }

  // A pod "default/NAME" with one container "app", running as instance "c1".
  PodEntry& add_pod(const std::string& name, const std::string& ns = "default") {
    kube::Pod pod;
    pod.metadata.name = name;
    pod.metadata.ns = ns;
    pod.metadata.uid = "uid-" + name;
    pod.spec.containers.emplace_back().name = "app";
    kube::PodStatus status;
    status.phase = "Running";
    auto& c = status.container_statuses.emplace_back();
    c.name = "app";
    c.container_id = "containerd://c1";
    c.ready = true;
    c.state.running.emplace();
    entries.push_back(
        {std::make_shared<const kube::Pod>(pod), std::make_shared<const kube::PodStatus>(status), std::nullopt});
    return entries.back();
  }

  std::vector<PodEntry> entries;
  ManualClock clock{kNow};
  Journal journals{clock};
  nlohmann::json workload_list = nlohmann::json::array(), problem_list = nlohmann::json::array();
  stats::Sample usage;
  stats::Detail last_detail = stats::Detail::full;
  std::string log_file;
  std::filesystem::path checkpoints;
  std::function<void()> changed;
  FakeRuntime cri;
  BlockingPool threads{1};
};

// The server on a socket in a folder of its own, its loop on a thread of its own.
class TestServer {
 public:
  explicit TestServer(SessionLimits limits = {}, unsigned max_connections = 128) {
    char name[] = "/tmp/keelson-server-XXXXXX";
    folder_ = ::mkdtemp(name);
    UnixServerOptions options{
        .socket = folder_ / "run" / "keelson.sock", .max_connections = max_connections, .limits = limits};
    server = std::make_unique<UnixServer>(loop.get_executor(), data, options);
  }
  ~TestServer() {
    if (thread_.joinable()) {
      asio::co_spawn(loop, server->stop(), [this](const std::exception_ptr&) { work_.reset(); });
      thread_.join();
    }
    server.reset();
    std::filesystem::remove_all(folder_);
  }

  Result<void> start() {
    auto started = server->start();
    thread_ = std::thread([this] { loop.run(); });
    return started;
  }
  // Runs f on the loop and waits for it.
  template <class F>
  void on_loop(F f) {
    std::promise<void> done;
    asio::post(loop, [&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  [[nodiscard]] std::filesystem::path folder() const { return folder_; }
  [[nodiscard]] std::string socket() const { return (folder_ / "run" / "keelson.sock").string(); }

  asio::io_context loop{1};
  FakeData data;
  std::unique_ptr<UnixServer> server;

 private:
  std::filesystem::path folder_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(loop);
  std::thread thread_;
};

}  // namespace keelson::agent::test
