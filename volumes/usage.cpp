#include "volumes/usage.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "base/files.hpp"
#include "base/unique_fd.hpp"

namespace keelson::volumes {
namespace {

class Meter {
 public:
  explicit Meter(std::uint64_t mount) : mount_(mount) {}

  Result<void> folder(int fd, const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), ::closedir);
    if (!dir) return errno_error(errno, "read " + path);
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      CHECK_OK(child(fd, entry->d_name, path + "/" + entry->d_name));
    }
    return {};
  }

  void count(const struct stat& st) {
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && !seen_.insert({st.st_dev, st.st_ino}).second) return;
    usage_.bytes += static_cast<std::int64_t>(st.st_blocks) * 512;
    ++usage_.inodes;
  }

  [[nodiscard]] const VolumeUsage& usage() const { return usage_; }

 private:
  Result<void> child(int dir, const char* name, const std::string& path) {
    struct stat st {};
    if (::fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
      return errno == ENOENT ? Result<void>() : Result<void>(errno_error(errno, "stat " + path));
    }
    if (!S_ISDIR(st.st_mode)) {
      count(st);
      return {};
    }
    UniqueFd fd(::openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno == ENOENT ? Result<void>() : Result<void>(errno_error(errno, "open " + path));
    TRY(const std::uint64_t mount, mount_id(fd.get(), path));
    if (mount != mount_) return {};
    count(st);
    return folder(fd.get(), path);
  }

  std::uint64_t mount_;
  std::set<std::pair<dev_t, ino_t>> seen_;  // files with several links
  VolumeUsage usage_;
};

}  // namespace

Result<VolumeUsage> measure_tree(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error(errno, "open " + path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error(errno, "stat " + path);
  TRY(const std::uint64_t mount, mount_id(fd.get(), path));
  Meter meter(mount);
  meter.count(st);
  CHECK_OK(meter.folder(fd.get(), path));
  return meter.usage();
}

Result<VolumeUsage> measure_filesystem(const std::string& path) {
  struct statfs st {};
  if (::statfs(path.c_str(), &st) != 0) return errno_error(errno, "statfs " + path);
  VolumeUsage usage;
  usage.bytes = static_cast<std::int64_t>(st.f_blocks - st.f_bfree) * st.f_bsize;
  usage.inodes = static_cast<std::int64_t>(st.f_files - st.f_ffree);
  usage.filesystem = {.bytes = static_cast<std::int64_t>(st.f_blocks) * st.f_bsize,
                      .available = static_cast<std::int64_t>(st.f_bavail) * st.f_bsize,
                      .inodes = static_cast<std::int64_t>(st.f_files),
                      .inodes_free = static_cast<std::int64_t>(st.f_ffree)};
  return usage;
}

}  // namespace keelson::volumes
