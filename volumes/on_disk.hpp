// What volumes there are on disk, read without any pod's spec.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "volumes/mounter.hpp"
#include "volumes/paths.hpp"
#include "volumes/volume.hpp"

namespace keelson::volumes {

// The volumes below pods/UID/volumes. Entries that are no folders are skipped. Blocks.
Result<std::vector<VolumeOnDisk>> volumes_on_disk(Mounter& mounter, const Paths& paths, const std::string& uid);

// The same for every pod that has anything of ours below pods/: volumes, subPath mounts or emptyDir markers. Blocks.
Result<std::map<std::string, std::vector<VolumeOnDisk>>> all_volumes_on_disk(Mounter& mounter, const Paths& paths);

// Removes the folders that held volumes, once the volumes are gone: empty ones only, and emptyDir markers. Blocks.
Result<void> remove_volume_folders(const Paths& paths, const std::string& uid);

}  // namespace keelson::volumes
