// The CRI PodSandboxConfig of a pod. Follows kubernetes pkg/kubelet/kuberuntime/kuberuntime_sandbox.go.
#pragma once

#include <cstdint>

#include "agent/spec/cri_fwd.hpp"
#include "agent/spec/dns.hpp"
#include "agent/spec/node_facts.hpp"
#include "agent/spec/security.hpp"
#include "base/result.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

struct SandboxInput {
  const kube::Pod& pod;
  std::uint32_t attempt = 0;
  const NodeFacts& node;
  const Dns& dns;  // pod_dns(pod, node); its warnings are the caller's to report
  PodSecurityFacts security;
};

// Pure: the log directory it names must be made by the caller (0755) before RunPodSandbox. Errors name the field.
Result<v1::PodSandboxConfig> make_sandbox_config(const SandboxInput& input);

}  // namespace keelson::spec
