// What the agent asks of the runtime once, at its start: who it is, its cgroup driver, who runs its CNI plugins.
#pragma once

#include <optional>
#include <string>

#include "agent/spec/node_facts.hpp"
#include "cni/shim_config.hpp"
#include "cri/client.hpp"

namespace keelson::agent {

struct RuntimeFacts {
  std::string name;                                 // "containerd"
  std::string version;                              // "1.6.20~ds1"
  std::optional<spec::CgroupDriver> cgroup_driver;  // none: the runtime does not tell
  cni::RuntimeCni cni = cni::RuntimeCni::unknown;
  std::string sandbox_image;                        // empty: the runtime does not tell (its images say "pinned" then)
  std::string cni_conf_dir;  // where the runtime looks for its networks; empty: it does not tell
  bool recursive_read_only = false;
  bool image_volumes = false;
};

// Asks a connected runtime. Errors: what the runtime says.
Awaitable<Result<RuntimeFacts>> read_runtime_facts(cri::RuntimeService& runtime);

// Which network the runtime uses now.
Awaitable<Result<cni::RuntimeCni>> read_runtime_cni(cri::RuntimeService& runtime);

}  // namespace keelson::agent
