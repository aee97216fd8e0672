// What a probe's attempts are aimed at, worked out once from the pod and kept from attempt to attempt.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "kube/int_or_string.hpp"
#include "probes/exec_probe.hpp"

namespace keelson::kube {
struct Container;
struct Probe;
}  // namespace keelson::kube

namespace keelson::probes {

struct HttpTarget;
struct TcpTarget;
struct GrpcTarget;
struct ExecTarget {
  std::vector<std::string> argv;
};

// Shared, so that an attempt under way keeps its target when the pod changes.
using Target = std::variant<std::shared_ptr<const ExecTarget>, std::shared_ptr<const HttpTarget>,
                            std::shared_ptr<const TcpTarget>, std::shared_ptr<const GrpcTarget>>;

// The number of a port given by number, by the name of one of the container's ports, or as a number in a string.
[[nodiscard]] Result<std::uint16_t> resolve_port(const kube::IntOrString& port, const kube::Container& container);

// The probe's target. Error: an unknown port name, a port out of range, a header that cannot be sent, no handler.
[[nodiscard]] Result<Target> make_target(const kube::Probe& probe, const kube::Container& container,
                                         const std::string& pod_ip);

// True when the target lies at the pod's own IP.
[[nodiscard]] bool needs_pod_ip(const kube::Probe& probe);

// Makes one attempt. `exec` must outlive the coroutine.
Awaitable<Outcome> attempt(Target target, const ExecCallback& exec, std::string container_id, Nanoseconds timeout);

}  // namespace keelson::probes
