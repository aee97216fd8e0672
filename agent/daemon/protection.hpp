// What protects the node from its pods, made, connected, started and ended together.
//   pods' changes -> LogRotator -> runtime (ReopenContainerLog)
#pragma once

#include "agent/config/options.hpp"
#include "agent/housekeeping/log_rotator.hpp"
#include "agent/pod/manager.hpp"
#include "cri/client.hpp"

namespace keelson::agent {

// What the wiring lends; all of it outlives the Protection.
struct ProtectionNeeds {
  Executor executor;
  BlockingPool& pool;
  const Clock& clock;
  const Options& options;
  spec::NodeFacts& facts;
  cri::Client& cri;
  PodManager& pods;
  Journal& journal;
};

class Protection {
 public:
  explicit Protection(ProtectionNeeds needs);

  void start();
  Awaitable<void> stop();

 private:
  [[nodiscard]] std::vector<LogTarget> log_targets() const;

  ProtectionNeeds needs_;
  LogRotator logs_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
