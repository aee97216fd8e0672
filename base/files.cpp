#include "base/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace keelson {
namespace fs = std::filesystem;
namespace {

Result<void> write_all(int fd, std::string_view data, const fs::path& path) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "write " + path.string());
    }
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> sync_dir(const fs::path& dir) {
  UniqueFd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error(errno, "open " + dir.string());
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return errno_error(errno, "fsync " + dir.string());
  return {};
}

std::string temp_name(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return (path.parent_path() / ("." + path.filename().string() + ".tmp-" + std::to_string(::getpid()) + "-" +
                                std::to_string(counter.fetch_add(1))))
      .string();
}

Result<void> fill_temp(int fd, std::string_view data, mode_t mode, Durability durability, const fs::path& path) {
  CHECK_OK(write_all(fd, data, path));
  if (::fchmod(fd, mode) != 0) return errno_error(errno, "chmod " + path.string());
  if (durability == Durability::durable && ::fsync(fd) != 0) return errno_error(errno, "fsync " + path.string());
  return {};
}

// Removes what is in `dirfd`, staying on mount `mount`.
Result<void> remove_children(int dirfd, std::uint64_t mount, const fs::path& path);

Result<void> remove_entry(int dirfd, const char* name, std::uint64_t mount, const fs::path& path) {
  struct stat st {};
  if (::fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<void>() : Result<void>(errno_error(errno, "stat " + path.string()));
  }
  if (!S_ISDIR(st.st_mode)) {
    if (::unlinkat(dirfd, name, 0) != 0 && errno != ENOENT) return errno_error(errno, "unlink " + path.string());
    return {};
  }
  UniqueFd child(::openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!child) return errno == ENOENT ? Result<void>() : Result<void>(errno_error(errno, "open " + path.string()));
  TRY(const std::uint64_t on, mount_id(child.get(), path));
  if (on != mount) return make_error(Errc::failed_precondition, path.string() + " is a mount point, not removed");
  CHECK_OK(remove_children(child.get(), mount, path));
  if (::unlinkat(dirfd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
    return errno_error(errno, "rmdir " + path.string());
  return {};
}

Result<void> remove_children(int dirfd, std::uint64_t mount, const fs::path& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(::dup(dirfd)), ::closedir);
  if (!dir) return errno_error(errno, "read " + path.string());
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    CHECK_OK(remove_entry(dirfd, entry->d_name, mount, path / name));
  }
  return {};
}

}  // namespace

Result<std::uint64_t> mount_id(int fd, const fs::path& path) {
  struct statx st {};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) != 0) {
    return errno_error(errno, "stat " + path.string());
  }
  if ((st.stx_mask & STATX_MNT_ID) != 0) return st.stx_mnt_id;
  TRY(const std::string info, read_file("/proc/self/fdinfo/" + std::to_string(fd)));  // kernels before 5.8
  const auto at = info.find("mnt_id:");
  if (at == std::string::npos) return make_error(Errc::unimplemented, "no mount id for " + path.string());
  return std::strtoull(info.c_str() + at + 7, nullptr, 10);
}

Result<std::string> read_file(const fs::path& path, std::size_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error(errno, "open " + path.string());
  std::string out;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "read " + path.string());
    }
    if (n == 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > limit) {
      return make_error(Errc::resource_exhausted, path.string() + ": larger than " + std::to_string(limit) + " bytes");
    }
  }
}

Result<void> write_file_atomic(const fs::path& path, std::string_view data, mode_t mode, Durability durability) {
  const std::string temp = temp_name(path);
  UniqueFd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, "create " + temp);
  auto filled = fill_temp(fd.get(), data, mode, durability, path);
  if (filled && ::rename(temp.c_str(), path.c_str()) != 0) filled = errno_error(errno, "rename to " + path.string());
  if (!filled) {
    ::unlink(temp.c_str());
    return filled;
  }
  return durability == Durability::durable ? sync_dir(path.parent_path()) : Result<void>();
}

Result<UniqueFd> lock_file(const fs::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, "open " + path.string());
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &lock) == 0) return fd;
  const int error = errno;
  if (error != EACCES && error != EAGAIN) return errno_error(error, "lock " + path.string());
  const bool named = ::fcntl(fd.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  return make_error(Errc::already_exists, path.string() + " is held by " +
                                              (named ? "process " + std::to_string(lock.l_pid) : "another process"));
}

Result<void> make_dirs(const fs::path& path, mode_t mode) {
  if (path.empty() || path == path.root_path()) return {};
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return {};
    return errno_error(ENOTDIR, "mkdir " + path.string());
  }
  CHECK_OK(make_dirs(path.parent_path(), mode));
  if (::mkdir(path.c_str(), mode) != 0) {
    if (errno == EEXIST) return {};
    return errno_error(errno, "mkdir " + path.string());
  }
  if (::chmod(path.c_str(), mode) != 0) return errno_error(errno, "chmod " + path.string());
  return {};
}

Result<void> remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "unlink " + path.string());
  return {};
}

Result<void> remove_tree(const fs::path& path) {
  const fs::path dir = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  UniqueFd parent(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return errno == ENOENT ? Result<void>() : Result<void>(errno_error(errno, "open " + dir.string()));
  TRY(const std::uint64_t mount, mount_id(parent.get(), dir));
  return remove_entry(parent.get(), path.filename().c_str(), mount, path);
}

Result<std::vector<std::string>> list_dir(const fs::path& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) return errno_error(errno, "read folder " + path.string());
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace keelson
