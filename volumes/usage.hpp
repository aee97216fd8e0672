// How much a volume takes, for eviction and statistics.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace keelson::volumes {

struct VolumeUsage {
  std::int64_t bytes = 0;  // allocated on disk, not apparent size; a file with several links counts once
  std::int64_t inodes = 0;
  bool operator==(const VolumeUsage&) const = default;
};

// Walks the tree at `path` without crossing mounts or following links. Files that vanish meanwhile are skipped. Blocks.
Result<VolumeUsage> measure_tree(const std::string& path);
// What the filesystem mounted at `path` uses as a whole (statfs). Blocks.
Result<VolumeUsage> measure_filesystem(const std::string& path);

}  // namespace keelson::volumes
