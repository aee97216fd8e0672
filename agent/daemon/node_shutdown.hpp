// Graceful node shutdown: holds the machine's shutdown up through logind until pods have ended, ordinary ones first,
// critical ones last. Off unless shutdownGracePeriod or shutdownGracePeriodByPodPriority is set. After upstream's
// pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go. Lives on the loop's thread.
#pragma once

#include <functional>
#include <memory>

#include "agent/config/protection_options.hpp"
#include "agent/housekeeping/logind.hpp"
#include "agent/housekeeping/shutdown_plan.hpp"
#include "agent/pod/manager.hpp"
#include "base/blocking_pool.hpp"

namespace keelson::agent {

class NodeShutdown {
 public:
  // `on_change`: under_way() is another.
  NodeShutdown(Executor executor, BlockingPool& pool, const Clock& clock, PodManager& pods,
               const ShutdownOptions& options, std::function<void()> on_change);

  // Until cancelled. Without logind it logs that and ends.
  Awaitable<void> run();
  void pods_changed() { changed_.notify(); }
  [[nodiscard]] bool under_way() const { return under_way_; }

 private:
  void told(bool begins);
  Awaitable<void> end_pods();
  [[nodiscard]] bool any_runs(const std::vector<std::string>& uids) const;

  Executor executor_;
  BlockingPool& pool_;
  const Clock& clock_;
  PodManager& pods_;
  std::vector<ShutdownStep> steps_;
  std::function<void()> on_change_;
  bool under_way_ = false;
  Notifier told_;
  Notifier changed_;
  std::shared_ptr<Logind> logind_;  // null: off
};

}  // namespace keelson::agent
