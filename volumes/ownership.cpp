#include "volumes/ownership.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "base/files.hpp"
#include "base/unique_fd.hpp"

namespace keelson::volumes {
namespace {

constexpr mode_t kPermissionBits = 07777;

// chmod on a descriptor that was opened with O_PATH: through /proc, so that no link can be swapped in between.
Result<void> change_mode(int fd, mode_t mode, const std::string& path) {
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  if (::chmod(self.c_str(), mode) != 0) return errno_error(errno, "chmod " + path);
  return {};
}

class Walk {
 public:
  Walk(const FsGroup& group, std::uint64_t mount) : group_(group), mount_(mount) {}

  // Takes `fd` (O_PATH | O_NOFOLLOW). The top folder is changed last: it is what OnRootMismatch looks at, so that a
  // walk that was interrupted is done again.
  Result<void> visit(int fd, const std::string& path) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return errno_error(errno, "stat " + path);
    if (S_ISDIR(st.st_mode)) {
      TRY(const std::uint64_t mount, mount_id(fd, path));
      if (mount != mount_) return {};
      CHECK_OK(visit_children(fd, path));
    }
    return change(fd, st, path);
  }

 private:
  Result<void> change(int fd, const struct stat& st, const std::string& path) {
    const auto gid = static_cast<gid_t>(group_.gid);
    if (st.st_gid != gid && ::fchownat(fd, "", static_cast<uid_t>(-1), gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
      return errno_error(errno, "chown " + path);
    }
    if (S_ISLNK(st.st_mode)) return {};
    const mode_t now = st.st_mode & kPermissionBits;
    const mode_t wanted = fs_group_mode(now, S_ISDIR(st.st_mode), group_.read_only);
    // chown may have cleared setuid and setgid bits, so the mode is set again whenever the group changed.
    if (wanted == now && st.st_gid == gid) return {};
    return change_mode(fd, wanted, path);
  }

  Result<void> visit_children(int fd, const std::string& path) {
    UniqueFd readable(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!readable) return errno_error(errno, "open " + path);
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(readable.get()), ::closedir);
    if (!dir) return errno_error(errno, "read " + path);
    static_cast<void>(readable.release());
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string child_path = path + "/" + entry->d_name;
      UniqueFd child(::openat(fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!child) {
        if (errno == ENOENT) continue;  // removed by a container meanwhile
        return errno_error(errno, "open " + child_path);
      }
      CHECK_OK(visit(child.get(), child_path));
    }
    return {};
  }

  const FsGroup& group_;
  std::uint64_t mount_;
};

}  // namespace

mode_t fs_group_mode(mode_t mode, bool directory, bool read_only) {
  mode |= read_only ? 0440 : 0660;
  if (directory) mode |= S_ISGID | 0110;
  return mode & kPermissionBits;
}

bool fs_group_root_matches(mode_t root_mode, std::int64_t root_gid, const FsGroup& group) {
  const mode_t needed = fs_group_mode(0, true, group.read_only);
  return root_gid == group.gid && (root_mode & needed) == needed;
}

Result<void> apply_fs_group(const std::string& path, const FsGroup& group) {
  UniqueFd root(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!root) return errno_error(errno, "open " + path);
  struct stat st {};
  if (::fstat(root.get(), &st) != 0) return errno_error(errno, "stat " + path);
  if (group.on_root_mismatch && fs_group_root_matches(st.st_mode, st.st_gid, group)) return {};
  TRY(const std::uint64_t mount, mount_id(root.get(), path));
  return Walk(group, mount).visit(root.get(), path);
}

}  // namespace keelson::volumes
