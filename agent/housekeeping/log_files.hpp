// What log rotation does on disk. All calls block: use a pool.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/housekeeping/log_plan.hpp"
#include "base/result.hpp"

namespace keelson::agent {

// What rotate_files() did: `rotated` is the active log's new path, `compress` are paths.
struct RotatedFiles {
  std::filesystem::path rotated;
  std::vector<std::filesystem::path> compress;
};

// Performs plan_rotation() on `active`'s folder up to the rename; the runtime must then be told to reopen the log.
// Errc::not_found: there is no active log.
Result<RotatedFiles> rotate_files(const std::filesystem::path& active, std::int64_t max_files, SystemTime now,
                                  Nanoseconds settle);
// Gives the log its name back, unless there is a new one by now: for a runtime that did not reopen it.
Result<void> undo_rotation(const std::filesystem::path& active, const std::filesystem::path& rotated);

// Writes PATH.gz (by way of PATH.tmp) and removes PATH. Gives up, leaving PATH, when `stop` becomes true or PATH is
// gone.
Result<void> compress_file(const std::filesystem::path& path, const std::atomic<bool>& stop);

// Removes the log and every rotated file of it. Nothing there is success.
Result<void> remove_log(const std::filesystem::path& active);

// Removes the links in `links` that point below `logs` at what is not there any more: of containers that went while no
// agent ran. How many.
Result<int> remove_dangling_links(const std::filesystem::path& links, const std::filesystem::path& logs);

}  // namespace keelson::agent
