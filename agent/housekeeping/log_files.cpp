#include "agent/housekeeping/log_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <memory>

#include "base/files.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunk = 64 * 1024;

Result<std::vector<std::string>> names_beside(const fs::path& active) { return list_dir(active.parent_path()); }

// Copies `in` into a gzip stream on a new file at `path`.
Result<void> write_compressed(int in, const fs::path& path, const std::atomic<bool>& stop) {
  UniqueFd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!out) return errno_error(errno, "create " + path.string());
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> stream(::gzdopen(out.get(), "wb"), &::gzclose);
  if (!stream) return make_error(Errc::resource_exhausted, "gzip " + path.string() + ": no memory");
  static_cast<void>(out.release());  // the stream's own from here on
  std::vector<char> buffer(kChunk);
  for (;;) {
    if (stop) return make_error(Errc::cancelled, "gzip " + path.string() + ": stopped");
    const auto n = ::read(in, buffer.data(), buffer.size());
    if (n < 0) return errno_error(errno, "read the log for " + path.string());
    if (n == 0) break;
    if (::gzwrite(stream.get(), buffer.data(), static_cast<unsigned>(n)) != n) {
      return errno_error(errno, "write " + path.string());
    }
  }
  if (::gzflush(stream.get(), Z_FINISH) != Z_OK) return errno_error(errno, "write " + path.string());
  return {};
}

}  // namespace

Result<RotatedFiles> rotate_files(const fs::path& active, std::int64_t max_files, SystemTime now, Nanoseconds settle) {
  const auto folder = active.parent_path();
  TRY(const auto names, names_beside(active));
  const auto plan = plan_rotation(active.filename(), names, max_files, now, settle);
  for (const auto& name : plan.remove) CHECK_OK(remove_file(folder / name));
  RotatedFiles out{folder / plan.rotated, {}};
  if (::rename(active.c_str(), out.rotated.c_str()) != 0) return errno_error(errno, "rename " + active.string());
  for (const auto& name : plan.compress) out.compress.push_back(folder / name);
  return out;
}

Result<void> undo_rotation(const fs::path& active, const fs::path& rotated) {
  if (::renameat2(AT_FDCWD, rotated.c_str(), AT_FDCWD, active.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST || errno == ENOENT) return {};
  return errno_error(errno, "rename " + rotated.string() + " back");
}

Result<void> compress_file(const fs::path& path, const std::atomic<bool>& stop) {
  const UniqueFd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return errno == ENOENT ? Result<void>() : Result<void>(errno_error(errno, "open " + path.string()));
  const fs::path partial = path.string() + ".tmp", whole = path.string() + ".gz";
  auto written = write_compressed(in.get(), partial, stop);
  // Rotated away meanwhile: then its compressed copy is not wanted either.
  const bool gone = ::access(path.c_str(), F_OK) != 0;
  if (!written || gone) {
    static_cast<void>(remove_file(partial));
    return written;
  }
  if (::rename(partial.c_str(), whole.c_str()) != 0) return errno_error(errno, "rename " + partial.string());
  return remove_file(path);
}

Result<int> remove_dangling_links(const fs::path& links, const fs::path& logs) {
  const auto names = list_dir(links);
  if (!names) return names.error().code == Errc::not_found ? Result<int>(0) : Result<int>(names.error());
  int removed = 0;
  for (const auto& name : *names) {
    std::error_code ec;
    const auto target = fs::read_symlink(links / name, ec);
    if (ec || !target.native().starts_with(logs.native() + "/")) continue;
    if (fs::exists(target, ec) || ec) continue;
    CHECK_OK(remove_file(links / name));
    ++removed;
  }
  return removed;
}

Result<void> remove_log(const fs::path& active) {
  const auto names = names_beside(active);
  if (!names) return names.error().code == Errc::not_found ? Result<void>() : Result<void>(names.error());
  for (const auto& name : files_of_log(active.filename(), *names)) CHECK_OK(remove_file(active.parent_path() / name));
  return {};
}

}  // namespace keelson::agent
