// Why a node is not Ready, from what the runtime last said. Pure; after upstream's pkg/kubelet/runtime.go and
// updateRuntimeUp() of pkg/kubelet/kubelet.go.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/chrono.hpp"

namespace keelson::agent {

// A condition of CRI's RuntimeStatus.
struct RuntimeCondition {
  std::string type;  // RuntimeReady, NetworkReady
  bool status = false;
  std::string reason;
  std::string message;
  bool operator==(const RuntimeCondition&) const = default;
};

// A runtime that has not said that it is ready for this long is down.
inline constexpr Nanoseconds kRuntimeSilence = std::chrono::seconds(30);

class RuntimeHealth {
 public:
  // The answer to one Status call of the runtime. A call that failed is no answer: it is not told, and time passes.
  void status(const std::vector<RuntimeCondition>& conditions, SteadyTime now);
  // Where the agent itself runs the pod network, its own network is the node's: empty once it is ready.
  void set_network_error(std::string error) { network_override_ = std::move(error); }
  // E.g. "CSINode is not yet initialized"; empty: none.
  void set_storage_error(std::string error) { storage_error_ = std::move(error); }
  void set_shutting_down(bool shutting_down) { shutting_down_ = shutting_down; }

  // What NodeInput::errors wants: runtime, network, storage, shutdown. Empty: the node is Ready.
  [[nodiscard]] std::vector<std::string> errors(SteadyTime now) const;
  // When errors() will change by time alone, if nothing more is told.
  [[nodiscard]] std::optional<SteadyTime> due(SteadyTime now) const;

 private:
  std::optional<SteadyTime> last_ready_;
  std::string runtime_error_;
  std::string network_error_ = "network state unknown";
  std::optional<std::string> network_override_;
  std::string storage_error_;
  bool shutting_down_ = false;
};

}  // namespace keelson::agent
