// The pod network's part of the daemon: the CNI manager and the socket that the shim calls, where the agent runs the
// plugins; nothing, where the runtime runs them.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "agent/config/options.hpp"
#include "agent/daemon/runtime_facts.hpp"
#include "base/blocking_pool.hpp"
#include "cni/manager.hpp"
#include "cni/server.hpp"

namespace keelson::agent {

class Network {
 public:
  Network(Executor executor, BlockingPool& pool, const Options& options);

  // Starts to serve the shim, before the runtime is asked for anything: sandboxes of an earlier agent may be stopping.
  // Does nothing in mode `runtime`.
  Awaitable<Result<void>> start();
  // Decides who runs the plugins, now that the runtime has told; installs the shim's conflist where asked to.
  // Error: mode `agent`, and the runtime does not use our shim.
  Awaitable<Result<void>> settle(cri::RuntimeService& runtime, RuntimeFacts& facts);
  // Removes what dead sandboxes left. `live`: IDs of the READY sandboxes.
  Awaitable<void> reconcile(std::set<std::string> live);
  Awaitable<void> stop();

  // Called when the networks of the conf dir changed: what failed for want of one may be tried again.
  void on_change(std::function<void()> handler);
  [[nodiscard]] bool ours() const { return ours_; }
  // Why pods get no network now, where the agent runs the plugins ("" = they do); nothing where the runtime does.
  [[nodiscard]] std::optional<std::string> error() const;
  // The plugin that works for the pod just now, in words, or nothing.
  [[nodiscard]] std::string activity(const std::string& pod_uid) const;
  [[nodiscard]] cni::Manager* manager() { return manager_ ? &*manager_ : nullptr; }
  // "agent" or "runtime", for people.
  [[nodiscard]] std::string mode() const { return ours_ ? "agent" : "runtime"; }

 private:
  Awaitable<Result<void>> wait_for_shim(cri::RuntimeService& runtime, RuntimeFacts& facts);
  [[nodiscard]] cni::ShimOptions shim_options() const;

  Executor executor_;
  BlockingPool& pool_;
  const Options& options_;
  cni::ProcessExec exec_;
  std::optional<cni::Manager> manager_;
  std::optional<cni::Server> server_;
  bool ours_ = false;
};

}  // namespace keelson::agent
