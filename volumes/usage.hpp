// How much a volume takes, for eviction and statistics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace keelson::volumes {

// The size of a filesystem, and what is free of it: bytes and inodes.
struct FilesystemSize {
  std::int64_t bytes = 0, available = 0, inodes = 0, inodes_free = 0;
  bool operator==(const FilesystemSize&) const = default;
};

struct VolumeUsage {
  std::int64_t bytes = 0;  // allocated on disk, not apparent size; a file with several links counts once
  std::int64_t inodes = 0;
  std::optional<FilesystemSize> filesystem;  // the volume's own; none: it lies on that of the pods
  bool operator==(const VolumeUsage&) const = default;
};

// What one emptyDir takes. `memory`: tmpfs or huge pages, which count as the pod's memory and not as its disk.
struct EmptyDirUsage {
  VolumeUsage used;
  bool memory = false;
  bool operator==(const EmptyDirUsage&) const = default;
};

// Walks the tree at `path` without crossing mounts or following links. Files that vanish meanwhile are skipped. Blocks.
Result<VolumeUsage> measure_tree(const std::string& path);
// What the filesystem mounted at `path` uses as a whole (statfs). Blocks.
Result<VolumeUsage> measure_filesystem(const std::string& path);

}  // namespace keelson::volumes
