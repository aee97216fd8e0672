// A private folder for one test, unmounted and removed however the test ends.
#pragma once

#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/files.hpp"
#include "volumes/mounter.hpp"
#include "volumes/paths.hpp"

namespace keelson::volumes {

class TempRoot {
 public:
  TempRoot() {
    char name[] = "/tmp/keelson-volumes-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempRoot() {
    for (int round = 0; round < 5; ++round) {
      auto entries = linux_mounter().mounts("/");
      bool found = false;
      for (auto it = entries->rbegin(); it != entries->rend(); ++it) {
        if (!is_at_or_below(it->mount_point, path.string())) continue;
        ::mount(nullptr, it->mount_point.c_str(), nullptr, MS_PRIVATE, nullptr);
        ::umount2(it->mount_point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
        found = true;
      }
      if (!found) break;
    }
    static_cast<void>(remove_tree(path));
  }
  TempRoot(const TempRoot&) = delete;
  TempRoot& operator=(const TempRoot&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return (path / name).string(); }
  // Mounts at or below the folder.
  [[nodiscard]] std::size_t mounts_below(const std::string& name = "") const {
    auto entries = linux_mounter().mounts("/");
    const std::string base = name.empty() ? path.string() : (path / name).string();
    return static_cast<std::size_t>(std::count_if(
        entries->begin(), entries->end(), [&](const MountEntry& e) { return is_at_or_below(e.mount_point, base); }));
  }
  std::filesystem::path path;
};

inline std::string text_of(const std::string& path) {
  auto text = read_file(path);
  return text ? *text : "error: " + text.error().message;
}

inline mode_t mode_of(const std::string& path) {
  return static_cast<mode_t>(std::filesystem::status(path).permissions());
}

#define SKIP_UNLESS_ROOT()       \
  if (::geteuid() != 0) {        \
    WARN("skipped: needs root"); \
    return;                      \
  }                              \
  static_assert(true)

// The error's text, or "ok".
template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : result.error().message;
}

}  // namespace keelson::volumes
