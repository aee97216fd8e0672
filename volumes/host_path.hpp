// hostPath: a file or folder of the node, checked by type (upstream: pkg/volume/hostpath/host_path.go). Nothing is kept
// below the agent's root dir, and tear down leaves the host's files alone.
#pragma once

#include <memory>
#include <string>

#include "volumes/kind.hpp"

namespace keelson::volumes {

// What is at a path, links followed.
enum class FileType { missing, directory, file, socket, char_device, block_device, other };

// The check of an existing path, pure. Errors as upstream:
//   hostPath type check failed: PATH is not a directory
Result<void> check_host_path_type(const std::string& path, const std::string& type, FileType found);

// Refuses relative paths and "..": invalid HostPath `P`: must not contain '..'.
Result<void> check_host_path(const std::string& path);

// Makes what an ...OrCreate type may make, then checks. Type "" looks at nothing. Blocks, on the host's own mounts.
Result<void> prepare_host_path(const std::string& path, const std::string& type);

[[nodiscard]] std::unique_ptr<VolumeKind> make_host_path_kind(Jobs& jobs);

}  // namespace keelson::volumes
