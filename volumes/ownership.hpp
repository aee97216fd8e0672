// fsGroup: gives a volume's files to the pod's group (upstream: pkg/volume/volume_linux.go).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace keelson::volumes {

struct FsGroup {
  std::int64_t gid = 0;
  bool read_only = false;         // the volume is: group gets r instead of rw
  bool on_root_mismatch = false;  // fsGroupChangePolicy OnRootMismatch: a top folder that fits stands for the rest
};

// The mode that a file or folder of the volume gets: 0660 (read-only 0440) ored in, folders also 0110 and setgid.
[[nodiscard]] mode_t fs_group_mode(mode_t mode, bool directory, bool read_only);

// Whether the top folder already has the group, the mode bits and setgid, so that OnRootMismatch need not walk.
[[nodiscard]] bool fs_group_root_matches(mode_t root_mode, std::int64_t root_gid, const FsGroup& group);

// Changes the tree at `path`: owner kept, group set, modes as above; symbolic links are given to the group but not
// followed, and other mounts below are left alone. Blocks, for as long as the tree is large.
Result<void> apply_fs_group(const std::string& path, const FsGroup& group);

}  // namespace keelson::volumes
