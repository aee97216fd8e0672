#include "volumes/sub_path.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "volumes/paths.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

constexpr mode_t kModeBits = 07777;

// EAGAIN: a rename or mount somewhere kept the kernel from being sure that ".." of a link stays below `dir`.
int open_below(int dir, const std::string& path, std::uint64_t extra = 0) {
  constexpr int kTries = 128;
  struct open_how how {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | extra;
  int fd = -1;
  for (int i = 0; i < kTries; ++i) {
    fd = static_cast<int>(::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how));
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return fd;
}

Error outside(const std::string& volume, const std::string& sub_path) {
  return make_error(Errc::permission_denied, "subPath \"" + sub_path + "\" leads outside of volume path " + volume);
}

// An absolute link that points back into the volume is refused by RESOLVE_BENEATH though it is fine: resolve by name,
// check, and open the result with no links allowed, so that nothing can change under us.
Result<UniqueFd> open_resolved(int root, const std::string& volume, const std::string& sub_path) {
  std::error_code ec;
  const std::string real_volume = fs::canonical(volume, ec).string();
  if (ec) return system_error(ec, "resolve " + volume);
  const std::string real = fs::canonical(fs::path(volume) / sub_path, ec).string();
  if (ec || !is_at_or_below(real, real_volume)) return outside(volume, sub_path);
  const std::string rest = real.size() == real_volume.size() ? "." : real.substr(real_volume.size() + 1);
  UniqueFd fd(open_below(root, rest, RESOLVE_NO_SYMLINKS));
  if (!fd) return outside(volume, sub_path);
  return fd;
}

// Makes one folder below `parent` and opens it, whoever made it.
Result<UniqueFd> make_folder(int parent, const std::string& name, mode_t mode, const std::string& shown) {
  const bool made = ::mkdirat(parent, name.c_str(), mode & 0777) == 0;
  if (!made && errno != EEXIST) return errno_error(errno, "mkdir " + shown);
  UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno_error(errno, "open " + shown);
  if (made && ::fchmod(fd.get(), mode) != 0) return errno_error(errno, "chmod " + shown);
  return fd;
}

// Opens the longest part of `parts` that exists, then makes the rest one by one.
Result<UniqueFd> make_missing(int root, const std::vector<std::string>& parts, mode_t mode, const std::string& volume) {
  std::size_t present = parts.size();
  UniqueFd at;
  while (present > 0) {
    --present;
    const auto end = parts.begin() + static_cast<std::ptrdiff_t>(present);
    const std::string head = present == 0 ? "." : join({parts.begin(), end}, "/");
    at.reset(open_below(root, head));
    if (at) break;
    if (errno == EXDEV || errno == ELOOP) return outside(volume, head);
    if (errno != ENOENT) return errno_error(errno, "open " + volume + "/" + head);
  }
  std::string shown = volume;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    shown += "/" + parts[i];
    if (i < present) continue;
    TRY(at, make_folder(at.get(), parts[i], mode, shown));
  }
  return at;
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Whether `target` is mounted; one that shows something else than `wanted` is unmounted first.
Result<bool> already_bound(Mounter& mounter, const std::string& target, const struct stat& wanted) {
  TRY(const bool mounted, is_mount_point(mounter, target));
  if (!mounted) return false;
  struct stat st {};
  if (::lstat(target.c_str(), &st) == 0 && same_file(st, wanted)) return true;
  CHECK_OK(unmount_all_below(mounter, target));
  return false;
}

Result<void> make_target(const std::string& target, bool directory) {
  CHECK_OK(remove_tree(target));
  if (directory) return make_dirs(target, 0750);
  CHECK_OK(make_dirs(fs::path(target).parent_path(), 0750));
  return write_file_atomic(target, "", 0640, Durability::volatile_ok);
}

}  // namespace

Result<UniqueFd> open_sub_path(const std::string& volume, const std::string& sub_path) {
  CHECK_OK(check_relative_path("subPath", sub_path));
  UniqueFd root(::open(volume.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return errno_error(errno, "open volume path " + volume);
  UniqueFd fd(open_below(root.get(), sub_path));
  if (fd) return fd;
  if (errno == ENOSYS) return errno_error(ENOSYS, "subPath needs openat2(2), Linux 5.6");
  if (errno == EXDEV) return open_resolved(root.get(), volume, sub_path);
  if (errno != ENOENT) return errno_error(errno, "open " + volume + "/" + sub_path);
  struct stat st {};
  if (::fstat(root.get(), &st) != 0) return errno_error(errno, "stat " + volume);
  std::vector<std::string> parts;
  for (std::string& part : split(sub_path, '/')) {
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
  }
  return make_missing(root.get(), parts, st.st_mode & kModeBits, volume);
}

Result<void> bind_sub_path(Mounter& mounter, const std::string& volume, const std::string& sub_path,
                           const std::string& target) {
  TRY(const UniqueFd source, open_sub_path(volume, sub_path));
  struct stat st {};
  if (::fstat(source.get(), &st) != 0) return errno_error(errno, "stat " + volume + "/" + sub_path);
  TRY(const bool bound, already_bound(mounter, target, st));
  if (bound) return {};
  CHECK_OK(make_target(target, S_ISDIR(st.st_mode)));
  return mounter.bind("/proc/self/fd/" + std::to_string(source.get()), target, {});
}

Result<void> remove_sub_paths(Mounter& mounter, const std::string& dir) {
  CHECK_OK(unmount_all_below(mounter, dir));
  return remove_tree(dir);
}

}  // namespace keelson::volumes
