#include "volumes/atomic_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

constexpr const char* kData = "..data";
constexpr const char* kDataTemp = "..data_tmp";

// Where a link points to; nothing when there is no link of that name.
Result<std::optional<std::string>> read_link(const fs::path& path) {
  char buffer[4097];
  const ssize_t n = ::readlink(path.c_str(), buffer, sizeof buffer);
  if (n >= 0) return std::optional<std::string>(std::string(buffer, static_cast<std::size_t>(n)));
  if (errno == ENOENT || errno == EINVAL) return std::optional<std::string>();
  return errno_error(errno, "read link " + path.string());
}

Result<void> make_link(const std::string& target, const fs::path& link) {
  if (::symlink(target.c_str(), link.c_str()) != 0) return errno_error(errno, "link " + link.string());
  return {};
}

Result<void> read_folder(const fs::path& dir, const std::string& prefix, DiskContent& out) {
  TRY(const auto names, list_dir(dir));
  for (const std::string& name : names) {
    struct stat st {};
    const fs::path path = dir / name;
    if (::lstat(path.c_str(), &st) != 0) return errno_error(errno, "stat " + path.string());
    if (S_ISDIR(st.st_mode)) {
      CHECK_OK(read_folder(path, prefix + name + "/", out));
      continue;
    }
    TRY(std::string content, read_file(path));
    out.emplace(prefix + name, std::move(content));
  }
  return {};
}

Result<void> write_file(const fs::path& path, const PayloadFile& file) {
  CHECK_OK(make_dirs(path.parent_path(), 0755));
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, "create " + path.string());
  std::string_view rest = file.data;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "write " + path.string());
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  if (file.uid && ::fchown(fd.get(), static_cast<uid_t>(*file.uid), static_cast<gid_t>(-1)) != 0) {
    return errno_error(errno, "chown " + path.string());
  }
  if (::fchmod(fd.get(), file.mode) != 0) return errno_error(errno, "chmod " + path.string());
  return {};
}

Result<void> fill(const std::string& dir, const Payload& payload, const std::optional<FsGroup>& group) {
  if (::chmod(dir.c_str(), 0755) != 0) return errno_error(errno, "chmod " + dir);
  for (const auto& [path, file] : payload) CHECK_OK(write_file(fs::path(dir) / path, file));
  if (group) CHECK_OK(apply_fs_group(dir, *group));
  return {};
}

// Fills a new folder of the volume and returns its name; none is left when that fails (the volume may be full).
Result<std::string> write_new_folder(const fs::path& volume, const Payload& payload,
                                     const std::optional<FsGroup>& group, SystemTime now) {
  std::string dir = (volume / (timestamp_prefix(now) + "XXXXXX")).string();
  if (::mkdtemp(dir.data()) == nullptr) return errno_error(errno, "make folder " + dir);
  if (auto filled = fill(dir, payload, group); !filled) {
    if (auto removed = remove_tree(dir); !removed) log_warn("left-over not removed", {{"error", removed.error()}});
    return filled.error();
  }
  return fs::path(dir).filename().string();
}

// Removes folders that an interrupted call left behind.
Result<void> sweep(const fs::path& volume, const std::string& shown) {
  TRY(const auto entries, list_dir(volume));
  for (const std::string& entry : entries) {
    if (entry.starts_with("..") && entry != kData && entry != shown) CHECK_OK(remove_tree(volume / entry));
  }
  return {};
}

// The switch: from here on containers see `folder`.
Result<void> show(const fs::path& volume, const std::string& folder) {
  const fs::path temp = volume / kDataTemp;
  CHECK_OK(remove_file(temp));
  CHECK_OK(make_link(folder, temp));
  if (::rename(temp.c_str(), (volume / kData).c_str()) != 0) {
    return errno_error(errno, "rename to " + (volume / kData).string());
  }
  return {};
}

// Top-level links for `names`, none else, and no folder but the one shown.
Result<void> tidy(const fs::path& volume, const std::vector<std::string>& names, const std::string& shown) {
  for (const std::string& name : names) {
    TRY(const auto target, read_link(volume / name));
    const std::string wanted = std::string(kData) + "/" + name;
    if (target == wanted) continue;
    CHECK_OK(remove_tree(volume / name));
    CHECK_OK(make_link(wanted, volume / name));
  }
  TRY(const auto entries, list_dir(volume));
  for (const std::string& entry : entries) {
    if (entry == kData || entry == shown || std::binary_search(names.begin(), names.end(), entry)) continue;
    CHECK_OK(remove_tree(volume / entry));
  }
  return {};
}

}  // namespace

std::string timestamp_prefix(SystemTime now) {
  const std::time_t seconds = std::chrono::duration_cast<Seconds>(now.time_since_epoch()).count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "..%Y_%m_%d_%H_%M_%S.", &utc);
  return {text, n};
}

Result<DiskContent> read_payload(const std::string& volume) {
  DiskContent content;
  TRY(const auto shown, read_link(fs::path(volume) / kData));
  if (!shown || !fs::exists(fs::path(volume) / *shown)) return content;
  CHECK_OK(read_folder(fs::path(volume) / *shown, "", content));
  return content;
}

Result<bool> write_payload(const std::string& volume, const Payload& payload, const std::optional<FsGroup>& group,
                           SystemTime now) {
  const fs::path dir = volume;
  TRY(auto shown, read_link(dir / kData));
  if (shown && !fs::exists(dir / *shown)) shown.reset();
  TRY(const DiskContent actual, read_payload(volume));
  const bool changed = !shown || !diff_payload(payload, actual).empty();
  if (changed) {
    CHECK_OK(sweep(dir, shown.value_or("")));
    TRY(std::string folder, write_new_folder(dir, payload, group, now));
    CHECK_OK(show(dir, folder));
    shown = std::move(folder);
  }
  CHECK_OK(tidy(dir, top_level_names(payload), *shown));
  return changed;
}

}  // namespace keelson::volumes
