#include "agent/daemon/daemon.hpp"

#include "agent/daemon/main_task.hpp"
#include "agent/daemon/parts.hpp"
#include "agent/daemon/subids.hpp"
#include "agent/spec/cgroups.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"

namespace keelson::agent {
namespace {

constexpr auto kStarted = std::chrono::seconds(1);          // after the last change that the start brought
constexpr auto kQuiet = std::chrono::seconds(5);            // after the last change of a pod
constexpr auto kRuntimePatience = std::chrono::seconds(2);  // between log lines while the runtime is not there

std::filesystem::path lock_path(const std::filesystem::path& root) { return root / "keelson.lock"; }

// The start goes through most of the program, and a burst of pods leaves the heap full of holes: once it is over, what
// it needed is given back.
Awaitable<void> give_back_when_quiet(Notifier& busy) {
  for (auto quiet = kStarted;; quiet = kQuiet) {
    for (bool more = true; more;) more = co_await busy.wait_until(std::chrono::steady_clock::now() + quiet);
    give_memory_back();
    co_await busy.wait();
  }
}

// What is ours below the root dir, and the mount that made it shared. Whatever else lies there stays.
Result<void> remove_state(const std::filesystem::path& root) {
  CHECK_OK(volumes::linux_mounter().unmount(root));
  // image_manager stays, as the images do: it says with whose credentials they came.
  for (const char* name : {"pods", "cni", "standalone"}) CHECK_OK(remove_tree(root / name));
  CHECK_OK(remove_file(lock_path(root)));
  std::error_code ignored;
  std::filesystem::remove(root, ignored);  // only when nothing is left in it
  return {};
}

}  // namespace

Daemon::Daemon(Options options) : options_(std::move(options)) {}
Daemon::~Daemon() = default;

int Daemon::run() { return drive(serve()); }
int Daemon::clean_up() { return drive(remove_all()); }

// Runs `main` with the loop; whatever happens inside, the daemon's parts are stopped in order.
int Daemon::drive(Awaitable<void> main) {
  if (!run_main(loop_, std::move(main), "daemon")) exit_code_ = 1;
  parts_.reset();
  return exit_code_;
}

Awaitable<void> Daemon::serve() {
  asio::signal_set signals(loop_, SIGTERM, SIGINT);
  auto starting = start();
  const bool started = co_await start_until_signal(signals, std::move(starting), "stopping; pods go on running");
  if (!started) exit_code_ = 1;
  co_await stop();
}

Awaitable<void> Daemon::remove_all() {
  const auto started = co_await start();
  if (!started) {
    log_error("start failed", {{"error", started.error()}});
    exit_code_ = 1;
  } else {
    Notifier changed(loop_.get_executor());
    auto& pods = parts_->pods;
    pods.on_change([&changed] { changed.notify(); });
    pods.sources_ready();
    while (!pods.empty()) co_await changed.wait();
    co_await pods.remove_stray_cgroups();
    co_await parts_->reconcile_network();
    const auto cleaned = co_await proxy::cleanup_rules(parts_->iptables, parts_->nft, false);
    if (!cleaned) {
      log_error("rules not removed", {{"error", cleaned.error()}});
      exit_code_ = 1;
    }
  }
  co_await stop();
  if (exit_code_ == 0) {
    root_lock_.reset();  // an open file would hold the mount
    if (const auto cleaned = remove_state(options_.root_dir); !cleaned) {
      log_error("state not removed", {{"error", cleaned.error()}});
      exit_code_ = 1;
    }
  }
}

Awaitable<Result<void>> Daemon::connect_runtime() {
  auto& p = *parts_;
  for (;;) {
    auto facts = co_await read_runtime_facts(*p.client);
    if (facts) {
      p.runtime = std::move(*facts);
      break;
    }
    if (facts.error().code == Errc::permission_denied) co_return facts.error();
    // Not there yet, or there and still starting ("server is not initialized yet").
    log_warn("waiting for the container runtime", {{"error", facts.error()}});
    co_await sleep_for(kRuntimePatience);
  }
  if (p.runtime.cgroup_driver && options_.cgroup_driver.empty()) p.facts.cgroup_driver = *p.runtime.cgroup_driver;
  p.context.runtime_name = p.runtime.name;
  p.context.recursive_read_only = p.runtime.recursive_read_only;
  p.context.image_volumes = p.runtime.image_volumes;
  p.facts.supplemental_groups_policy = p.runtime.supplemental_groups_policy;
  p.facts.stop_signals = p.runtime.stop_signals;
  p.facts.user_namespace_handlers = p.runtime.user_namespace_handlers;
  log_info("runtime connected",
           {{"runtime", p.runtime.name},
            {"version", p.runtime.version},
            {"cgroup driver", p.facts.cgroup_driver == spec::CgroupDriver::systemd ? "systemd" : "cgroupfs"},
            {"cgroup version", p.facts.cgroup_version}});
  co_return Result<void>();
}

// Two agents on one folder would undo each other's work.
Result<void> Daemon::claim_root_dir() {
  CHECK_OK(make_dirs(options_.root_dir, 0750));
  auto lock = lock_file(lock_path(options_.root_dir));
  if (!lock && lock.error().code == Errc::already_exists) {
    return make_error(Errc::already_exists, "another keelson runs: " + lock.error().message);
  }
  if (!lock) return lock.error();
  root_lock_ = std::move(*lock);
  return {};
}

Result<void> Daemon::load_providers() {
  const auto &config = options_.credential_provider_config, &bin_dir = options_.credential_provider_bin_dir;
  if (config.empty() != bin_dir.empty()) {
    return make_error(Errc::invalid_argument,
                      "--image-credential-provider-config and --image-credential-provider-bin-dir go together");
  }
  if (config.empty()) return {};
  TRY(auto providers, load_credential_providers(config, bin_dir));
  auto& p = *parts_;
  p.credential_providers = std::make_unique<CredentialProviders>(p.executor, p.clock, std::move(providers));
  p.images.set_providers(*p.credential_providers);
  return {};
}

Awaitable<Result<void>> Daemon::start() {
  CO_CHECK_OK(with_context(claim_root_dir(), "root dir"));
  CO_TRY(auto facts, make_node_facts(options_));
  CO_TRY(auto client, cri::Client::create(loop_.get_executor(), options_.runtime_endpoint));
  parts_ = std::make_unique<Parts>(loop_.get_executor(), options_, std::move(facts), std::move(client));
  auto& p = *parts_;
  CO_TRY(const auto ids, co_await user_namespace_range());
  p.user_namespaces.set_range(ids);
  CO_CHECK_OK(with_context(p.server.start(), "control socket"));
  CO_CHECK_OK(with_context(co_await p.network.start(), "pod network"));
  CO_CHECK_OK(co_await connect_runtime());
  p.cgroups = spec::Cgroups(p.facts);
  if (auto keyring = read_node_credentials(options_.root_dir)) {
    p.images.set_node_credentials(std::move(*keyring));
  } else {
    log_warn("the node's registry credentials are not used", {{"error", keyring.error()}});
  }
  CO_CHECK_OK(load_providers());
  p.pull_records.load();
  p.images.set_records(p.pull_records);
  CO_CHECK_OK(with_context(p.cgroups.ensure_qos(p.facts.hugepage_sizes), "QoS cgroups"));
  CO_CHECK_OK(co_await p.network.settle(*p.client, p.runtime));
  CO_CHECK_OK(with_context(co_await p.volumes.start(), "volumes"));
  CO_CHECK_OK(with_context(co_await p.pods.start(), "pods of the runtime"));
  co_await p.reconcile_network();
  CO_CHECK_OK(p.connect());
  p.pods.on_change([&p] { p.busy.notify(); });
  p.tasks.spawn("memory", give_back_when_quiet(p.busy));
  p.tasks.spawn("proxy", p.services.run());
  if (p.proxy_serving) CO_CHECK_OK(with_context(p.proxy_serving->start(), "Service proxy"));
  p.events.start();
  CO_CHECK_OK(with_context(co_await p.protection.start(p.runtime), "node protection"));
  if (p.source) p.tasks.spawn("manifest folder", p.source->run());
  if (p.cluster) CO_CHECK_OK(co_await p.cluster->start());
  if (!p.source) p.server.answer();
  log_info("ready",
           {{"node", p.facts.name}, {"address", p.facts.ips.front()}, {"manifests", options_.manifests.string()}});
  co_return Result<void>();
}

Awaitable<void> Daemon::stop() {
  if (!parts_) co_return;
  auto& p = *parts_;
  co_await p.server.stop();
  if (p.proxy_serving) co_await p.proxy_serving->stop();
  if (p.cluster) co_await p.cluster->stop();
  p.tasks.cancel();
  co_await p.tasks.join();
  co_await p.events.stop();
  co_await p.protection.stop();
  co_await p.pods.stop();
  co_await p.probes.stop();
  co_await p.images.stop();
  if (p.credential_providers) co_await p.credential_providers->stop();
  co_await p.volumes.stop();
  co_await p.network.stop();
}

}  // namespace keelson::agent
