// Host ids for pods with hostUsers: false. Each pod has a block of 65536 ids of its own, noted in its folder
// (pods/UID/userns, the kubelet's format), and that is the only record: removing the folder gives the block back, and a
// restarted agent finds what it gave. Follows kubernetes pkg/kubelet/userns/userns_manager.go. All calls block.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace keelson::spec {

// Ids that pods may have: whole blocks, never the first one, which holds root.
struct IdRange {
  std::uint64_t first = 65536;
  std::uint64_t count = (1ULL << 32) - 65536;
  bool operator==(const IdRange&) const = default;
};

// One line of getsubids(1), "0: kubelet 65536 2147483648". Errc::invalid_argument for anything else, or for a range
// that is not made of whole blocks.
Result<IdRange> parse_subids(const std::string& text);

class UserNamespaces {
 public:
  explicit UserNamespaces(std::filesystem::path pods_dir, IdRange range = {})
      : pods_dir_(std::move(pods_dir)), range_(range) {}

  // Before the first pod.
  void set_range(IdRange range) { range_ = range; }

  // The first of the pod's ids: as noted in its folder, else a free block, which is noted there. The folder must exist.
  // Errors: a file that cannot be read or is not as the kubelet's; no block is free. Safe to call from any thread.
  Result<std::uint32_t> ensure(const std::string& uid);

  // As noted; nothing where nothing is.
  [[nodiscard]] Result<std::optional<std::uint32_t>> find(const std::string& uid) const;

 private:
  std::filesystem::path pods_dir_;
  IdRange range_;
  std::mutex mutex_;  // between looking for a free block and noting it
};

}  // namespace keelson::spec
