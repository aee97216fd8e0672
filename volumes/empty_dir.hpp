// emptyDir, and the wrapped empty folder that configMap and secret volumes live in (upstream:
// pkg/volume/emptydir/empty_dir.go).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "volumes/kind.hpp"
#include "volumes/ownership.hpp"

namespace keelson::volumes {

// An empty folder to be made ready at `path`. `marker` is the file that says it was.
struct EmptyFolder {
  std::string path;
  std::string marker;
  std::string fs_type;               // "": a plain folder; tmpfs; hugetlbfs
  std::vector<std::string> options;  // of the mount
  std::optional<FsGroup> fs_group;
};

// Makes the folder, mode 0777, mounting what it needs; nothing is touched when it is ready already. Blocks.
Result<void> set_up_empty_folder(Mounter& mounter, const EmptyFolder& folder);

// Unmounts all at and below the volume's folder, then removes it and its marker folder `meta`. Blocks.
Result<void> tear_down_empty_folder(Mounter& mounter, const std::string& path, const std::string& meta);

// --- pure ---

// What the pod's containers may use together, in bytes, when every one of them has a memory limit (or the pod has).
[[nodiscard]] std::optional<std::int64_t> pod_memory_limit(const kube::Pod& pod);

// Size of a tmpfs volume: the smallest of the node's allocatable memory, the pod's limit and sizeLimit; 0: no bound.
[[nodiscard]] std::int64_t memory_volume_size(const kube::Pod& pod, const std::optional<kube::Quantity>& size_limit,
                                              std::int64_t allocatable_memory);

// tmpfs mount options for a size: "size=N", or none for 0.
[[nodiscard]] std::vector<std::string> tmpfs_options(std::int64_t size);

// The page size in bytes that `medium` ("HugePages", "HugePages-2Mi") asks for; the plain form takes the one size that
// the pod's containers request. Errors: no or several sizes requested, a size that cannot be read, none of it on the
// node.
Result<std::int64_t> huge_page_size(const std::string& medium, const kube::Pod& pod,
                                    const std::vector<std::int64_t>& node_sizes);

// The folder of a memory- or disk-backed volume that wraps other content: NAME's, with the marker of wrapped_NAME.
[[nodiscard]] EmptyFolder wrapped_folder(const KindContext& context, const VolumeRequest& request, bool memory);

[[nodiscard]] std::unique_ptr<VolumeKind> make_empty_dir_kind(KindContextPtr context, Jobs& jobs);

// Page sizes in bytes of which this node has pages (/sys/kernel/mm/hugepages), for NodeFacts. Blocks.
[[nodiscard]] std::vector<std::int64_t> detect_huge_page_sizes(const std::string& sysfs = "/sys/kernel/mm/hugepages");

}  // namespace keelson::volumes
