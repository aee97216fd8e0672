// Reads the manifest folder and tells when it changed.
#pragma once

#include <filesystem>
#include <vector>

#include "agent/standalone/manifests.hpp"
#include "base/blocking_pool.hpp"
#include "base/dir_watcher.hpp"

namespace keelson::agent {

struct FolderContent {
  std::vector<ManifestFile> files;  // by name, bytewise
  std::vector<SourceProblem> problems;
  bool present = false;
};

inline constexpr std::size_t kMaxManifestBytes = 10u << 20;

// Every manifest of the folder, not of its sub-folders. A file that cannot be read is a problem. Blocks.
[[nodiscard]] FolderContent read_folder(const std::filesystem::path& dir);

// Follows one folder, also through its removal and return.
class Folder {
 public:
  Folder(Executor executor, BlockingPool& pool, std::filesystem::path dir)
      : executor_(std::move(executor)), pool_(pool), dir_(std::move(dir)) {}

  // The content now. What happens to the folder after this is told by the next changed().
  Awaitable<FolderContent> read();
  // Returns after the next change. While the folder is missing its parent is watched.
  Awaitable<void> changed();

 private:
  bool watch();
  Executor executor_;
  BlockingPool& pool_;
  std::filesystem::path dir_;
  std::optional<DirWatcher> watcher_;
  bool watching_parent_ = false;
};

}  // namespace keelson::agent
