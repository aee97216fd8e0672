// local PersistentVolumes: a folder of the node, bind mounted into the pod's folder (upstream: pkg/volume/local). A
// source that is a block device would have to be formatted and mounted first: it is refused by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "volumes/kind.hpp"
#include "volumes/ownership.hpp"

namespace keelson::volumes {

struct LocalMount {
  std::string source;  // the PersistentVolume's local.path
  std::string target;  // pods/UID/volumes/kubernetes.io~local-volume/NAME
  std::vector<std::string> options;
  std::optional<FsGroup> fs_group;
};

// Binds unless it is bound already; then applies the group, except where another pod uses the volume with another
// group (that one came first and stays). Blocks, on the host's own mounts.
Result<void> set_up_local(Mounter& mounter, const LocalMount& mount);

// Unmounts and removes the (then empty) mount point; never anything in it. Blocks.
Result<void> tear_down_local(Mounter& mounter, const std::string& target);

[[nodiscard]] std::unique_ptr<VolumeKind> make_local_kind(KindContextPtr context, Jobs& jobs);

}  // namespace keelson::volumes
