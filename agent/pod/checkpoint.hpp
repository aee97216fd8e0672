// What of a pod would be lost with the agent's memory: the pod as it was last wanted, its start time, conditions,
// container readiness and restart backoff. One file per pod, pods/UID/keelson.json, removed with the pod's folder.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/pod/resize.hpp"
#include "base/backoff.hpp"
#include "base/result.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

struct Checkpoint {
  std::shared_ptr<const kube::Pod> pod;  // never null; its own status is empty
  kube::PodStatus status;
  std::map<std::string, BackoffState> backoff;  // by container name
  ActuatedMap actuated;                         // resources as they were set on the containers
};

[[nodiscard]] std::string encode_checkpoint(const Checkpoint& checkpoint);
Result<Checkpoint> decode_checkpoint(const std::string& text);

// Reads pods/UID/keelson.json below the root dir; nothing when there is none, or when it cannot be read (logged: the
// pod then starts with a fresh memory, which harms nothing).
[[nodiscard]] std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& pod_dir);
// Writes it atomically; survives kill -9 of the agent. Blocks.
Result<void> store_checkpoint(const std::filesystem::path& pod_dir, const Checkpoint& checkpoint);

}  // namespace keelson::agent
