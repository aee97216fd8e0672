#include "agent/daemon/network.hpp"

#include "base/log.hpp"

namespace keelson::agent {
namespace {

// A runtime takes up a new conflist within some milliseconds (inotify); this is how long it may take.
constexpr int kShimTries = 50;
constexpr Milliseconds kShimPause{100};

}  // namespace

Network::Network(Executor executor, BlockingPool& pool, const Options& options)
    : executor_(std::move(executor)), pool_(pool), options_(options), exec_(executor_) {
  if (options.cni == CniMode::runtime) return;
  cni::ManagerOptions manager_options;
  manager_options.state_dir = options.root_dir / "cni";
  manager_options.conf_dir = options.cni_conf_dir;
  manager_options.bin_dirs = options.cni_bin_dirs;
  manager_.emplace(executor_, pool, exec_, std::move(manager_options));
  cni::ServerOptions server_options;
  server_options.socket = options.cni_socket;
  server_.emplace(executor_, *manager_, server_options);
}

cni::ShimOptions Network::shim_options() const {
  return {.socket = options_.cni_socket, .state_dir = options_.root_dir / "cni", .bin_dirs = options_.cni_bin_dirs};
}

void Network::on_change(std::function<void()> handler) {
  if (manager_) manager_->on_networks_changed(std::move(handler));
}

Awaitable<Result<void>> Network::start() {
  if (!manager_) co_return Result<void>();
  CO_CHECK_OK(co_await manager_->start());
  CO_CHECK_OK(server_->start());
  if (!options_.install_cni_shim.empty()) {
    CO_TRY(const bool written, cni::install_shim_conflist(options_.install_cni_shim, shim_options()));
    if (written) log_info("CNI shim installed", {{"dir", options_.install_cni_shim.string()}});
  }
  co_return Result<void>();
}

Awaitable<Result<void>> Network::wait_for_shim(cri::RuntimeService& runtime, RuntimeFacts& facts) {
  for (int i = 0; i < kShimTries && facts.cni != cni::RuntimeCni::shim; ++i) {
    co_await sleep_for(kShimPause);
    CO_TRY(facts.cni, co_await read_runtime_cni(runtime));
  }
  co_return Result<void>();
}

Awaitable<Result<void>> Network::settle(cri::RuntimeService& runtime, RuntimeFacts& facts) {
  if (manager_ && !options_.install_cni_shim.empty()) CO_CHECK_OK(co_await wait_for_shim(runtime, facts));
  ours_ = manager_ && (facts.cni == cni::RuntimeCni::shim ||
                       (options_.cni == CniMode::agent && facts.cni == cni::RuntimeCni::unknown));
  if (ours_ || options_.cni == CniMode::runtime) {
    log_info("pod network", {{"plugins run by", mode()}});
    co_return Result<void>();
  }
  const std::string where = facts.cni_conf_dir.empty() ? "its CNI conf dir" : facts.cni_conf_dir;
  if (options_.cni == CniMode::agent) {
    co_return make_error(Errc::failed_precondition,
                         "--cni=agent, but the runtime's network is not our shim (it says: " +
                             std::string(cni::to_string(facts.cni)) + "): install it with --install-cni-shim " + where);
  }
  log_warn("the runtime runs the CNI plugins itself: our shim is not installed in it",
           {{"runtime says", cni::to_string(facts.cni)}, {"install with", "--install-cni-shim " + where}});
  co_return Result<void>();
}

// In the words of a runtime that has no network.
std::optional<std::string> Network::error() const {
  if (!ours_) return std::nullopt;
  if (!manager_->networks().networks.empty()) return "";
  return "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin "
         "returns error: cni plugin not initialized";
}

std::string Network::activity(const std::string& pod_uid) const {
  if (!manager_) return {};
  const auto seconds = [](auto span) {
    return std::to_string(std::chrono::duration_cast<Seconds>(span).count()) + "s";
  };
  for (const auto& plugin : manager_->running()) {
    if (pod_uid.empty() || plugin.pod_uid != pod_uid) continue;
    return "the CNI plugin \"" + plugin.type + "\" has not answered " + plugin.command + " for " +
           seconds(std::chrono::steady_clock::now() - plugin.since) + "; it may take " +
           seconds(plugin.deadline - plugin.since);
  }
  return {};
}

Awaitable<void> Network::reconcile(std::set<std::string> live) {
  if (manager_) co_await manager_->reconcile(std::move(live));
}

Awaitable<void> Network::stop() {
  if (!manager_) co_return;
  co_await server_->stop();
  co_await manager_->stop();
}

}  // namespace keelson::agent
