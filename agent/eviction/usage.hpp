// What a pod uses of what may run short, as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/pod.hpp"

namespace keelson::agent {

struct ContainerUsage {
  std::optional<std::uint64_t> memory;                     // working set, bytes
  std::optional<std::uint64_t> rootfs, logs;               // bytes: writable layer; log files
  std::optional<std::uint64_t> rootfs_inodes, log_inodes;  // number
};

struct VolumeUsage {
  std::uint64_t bytes = 0, inodes = 0;
  bool in_memory = false;
};

struct PodUsage {
  std::shared_ptr<const kube::Pod> pod;
  std::optional<std::uint64_t> processes;
  std::map<std::string, ContainerUsage> containers;  // running ones, by name
  std::map<std::string, VolumeUsage> volumes;        // emptyDirs, by name
  bool critical = false;                             // never evicted

  // Sums; nothing where nothing is known.
  [[nodiscard]] std::optional<std::uint64_t> memory() const;
};

// Which of a pod's files count for a filesystem.
struct DiskParts {
  bool rootfs = true, logs = true, volumes = true;
};

// Bytes, or inodes, of those parts.
[[nodiscard]] std::uint64_t disk_bytes(const PodUsage& usage, const DiskParts& parts);
[[nodiscard]] std::uint64_t disk_inodes(const PodUsage& usage, const DiskParts& parts);

}  // namespace keelson::agent
