#include "agent/node/runtime_health.hpp"

namespace keelson::agent {
namespace {

// The error of a condition that is missing or false; "" when it is true.
std::string unready(const std::vector<RuntimeCondition>& conditions, const char* type, const char* what) {
  for (const auto& condition : conditions) {
    if (condition.type != type) continue;
    if (condition.status) return {};
    return what + (": " + condition.type) + "=false reason:" + condition.reason + " message:" + condition.message;
  }
  return what + std::string(": <nil>");
}

}  // namespace

void RuntimeHealth::status(const std::vector<RuntimeCondition>& conditions, SteadyTime now) {
  network_error_ = unready(conditions, "NetworkReady", "container runtime network not ready");
  runtime_error_ = unready(conditions, "RuntimeReady", "container runtime not ready");
  if (runtime_error_.empty()) last_ready_ = now;
}

std::vector<std::string> RuntimeHealth::errors(SteadyTime now) const {
  std::vector<std::string> out;
  if (!last_ready_) {
    out.emplace_back("container runtime status check may not have completed yet");
  } else if (now - *last_ready_ >= kRuntimeSilence) {
    out.emplace_back("container runtime is down");
  }
  if (!runtime_error_.empty()) out.push_back(runtime_error_);
  const std::string& network = network_override_ ? *network_override_ : network_error_;
  if (!network.empty()) out.push_back(network);
  if (!storage_error_.empty()) out.push_back(storage_error_);
  if (shutting_down_) out.emplace_back("node is shutting down");
  return out;
}

std::optional<SteadyTime> RuntimeHealth::due(SteadyTime now) const {
  if (!last_ready_ || now - *last_ready_ >= kRuntimeSilence) return std::nullopt;
  return *last_ready_ + kRuntimeSilence;
}

}  // namespace keelson::agent
