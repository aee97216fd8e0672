// subPath mounts, safe against a container that swaps links in a volume while we look (upstream:
// pkg/volume/util/subpath/subpath_linux.go). All calls block.
#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "volumes/mounter.hpp"

namespace keelson::volumes {

// Opens (O_PATH) what `sub_path` names inside the folder `volume`, making missing folders with the mode of the volume's
// top folder. Links are followed as long as they stay inside. Errors: the path leads outside of the volume; a missing
// part lies behind a file.
Result<UniqueFd> open_sub_path(const std::string& volume, const std::string& sub_path);

// Binds what `sub_path` names inside `volume` on `target`, a folder (0750) or an empty file (0640) that is made for it.
// A mount that shows the same already is kept, another one is replaced.
Result<void> bind_sub_path(Mounter& mounter, const std::string& volume, const std::string& sub_path,
                           const std::string& target);

// Unmounts all below `dir` (pods/UID/volume-subpaths) and removes it.
Result<void> remove_sub_paths(Mounter& mounter, const std::string& dir);

}  // namespace keelson::volumes
