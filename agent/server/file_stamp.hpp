// Whether a file is still the one that was read. What is used seldom is looked at when it is used: no watch to lose,
// and every way to replace a file (rename, link, rewrite) is seen.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>

namespace keelson::agent {

// What stat(2) tells of a file's identity and content; differs after each replacement or rewrite.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
  bool operator==(const FileStamp&) const = default;
};

// Links are followed. Nothing when there is no such file.
[[nodiscard]] inline std::optional<FileStamp> file_stamp(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileStamp{info.st_dev, info.st_ino, info.st_size, info.st_ctim.tv_sec, info.st_ctim.tv_nsec};
}

}  // namespace keelson::agent
