// Whole files, read with a bound and written so that a kill -9 leaves either the old or the new content. These calls
// block; run them on the BlockingPool where a slow disk could hurt.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keelson {

inline constexpr std::size_t kDefaultReadLimit = 16u << 20;

// The file's bytes. A file over `limit` bytes is Errc::resource_exhausted; errors name the path.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = kDefaultReadLimit);

enum class Durability { durable, volatile_ok };  // volatile_ok skips fsync: for tmpfs and for what is rebuilt at start

// Writes to a temporary file beside `path`, sets `mode`, fsyncs, renames over `path` and fsyncs the folder.
Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view data, mode_t mode = 0644,
                               Durability durability = Durability::durable);

// mkdir -p, giving `mode` (umask ignored) to the folders it makes.
Result<void> make_dirs(const std::filesystem::path& path, mode_t mode = 0755);

// Removes the file; a missing one is success.
Result<void> remove_file(const std::filesystem::path& path);

// The id of the mount that `fd` (O_PATH will do) is on. Tells bind mounts of one filesystem apart, which the device
// number does not. `path` is for the error's text.
Result<std::uint64_t> mount_id(int fd, const std::filesystem::path& path);

// Removes the tree at `path` without ever crossing into another mount (a bind mount of the same filesystem included): a
// mount at or below `path` is an error (failed_precondition, naming the mount point) and stays untouched. A missing
// tree is success. `path` must not end in a slash.
Result<void> remove_tree(const std::filesystem::path& path);

// Makes the file if need be and locks it for this process until the descriptor is closed or the process ends, however
// it ends; a child that was just forked does not hold it (fcntl(2), F_SETLK). Errc::already_exists, naming the process
// that holds it, when another has it. The file must not be opened anywhere else: closing it there would give the lock
// up.
Result<UniqueFd> lock_file(const std::filesystem::path& path);

// The names in the folder, sorted bytewise; "." and ".." left out.
Result<std::vector<std::string>> list_dir(const std::filesystem::path& path);

}  // namespace keelson
