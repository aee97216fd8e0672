// The kernel's mount table, as a seam: volume kinds mount through this, tests may put something else in its place. All
// calls block and may come from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::volumes {

struct MountEntry {
  int id = 0;
  int parent = 0;
  std::string root;         // path inside the filesystem that is mounted: tells which folder a bind mount shows
  std::string mount_point;  // escapes undone
  std::string fs_type;
  std::string source;
  std::vector<std::string> options;  // per mount, then per superblock
  int peer_group = 0;                // the "shared:N" tag, 0 when not shared
  [[nodiscard]] bool shared() const { return peer_group != 0; }
};

struct MountRequest {
  std::string source;
  std::string target;
  std::string fs_type;
  std::vector<std::string> options;  // as in fstab: "ro", "noexec", "size=64"; unknown ones go to the filesystem
};

class Mounter {
 public:
  virtual ~Mounter() = default;
  // Mounts a filesystem on an existing folder.
  virtual Result<void> mount(const MountRequest& request) = 0;
  // Shows `source` (not the mounts below it) at the existing `target`. A `source` of /proc/self/fd/N binds what the
  // descriptor is open on. Options that a bind mount takes (ro, nosuid, nodev, noexec, ...) are set by a remount.
  virtual Result<void> bind(const std::string& source, const std::string& target,
                            const std::vector<std::string>& options) = 0;
  // Unmounts the topmost mount at `target`; success when there is none. Symlinks are not followed. Busy is
  // failed_precondition.
  virtual Result<void> unmount(const std::string& target) = 0;
  // Propagation of one mount, without those below it.
  virtual Result<void> make_private(const std::string& target) = 0;
  virtual Result<void> make_shared_recursive(const std::string& target) = 0;
  // The table in mount order (a later entry at the same point covers an earlier one), at least what is mounted at or
  // below `base`: a node has hundreds of mounts, of which one volume needs one.
  virtual Result<std::vector<MountEntry>> mounts(const std::string& base) = 0;
};

// The machine's: mount(2), umount2(2) and /proc/self/mountinfo.
[[nodiscard]] Mounter& linux_mounter();

// --- pure ---

// The text of a mountinfo file (proc(5)), of it what is mounted at or below `base`. Lines that do not parse are an error
// naming the line.
Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text, std::string_view base = "/");

struct MountOptions {
  unsigned long flags = 0;  // MS_*
  std::string data;         // what is left for the filesystem, comma-separated
};
// fstab-style options to mount(2)'s arguments; later options win over earlier ones ("ro,rw" is read-write).
[[nodiscard]] MountOptions parse_mount_options(const std::vector<std::string>& options);

// --- over the seam ---

Result<bool> is_mount_point(Mounter& mounter, const std::string& path);

// Unmounts everything at and below `base`, last mounted first, over and over until nothing is left there. Each mount is
// made private before, so that what is unmounted below a bind mount stays mounted in the folder that it shows. Safe to
// call again after any failure; success when there is nothing to do.
Result<void> unmount_all_below(Mounter& mounter, const std::string& base);

// Makes `root` part of a shared mount (bound on itself where it is not), so that mounts made below it reach the
// containers that ask for HostToContainer propagation. After upstream's MakeRShared.
Result<void> ensure_shared(Mounter& mounter, const std::string& root);

}  // namespace keelson::volumes
