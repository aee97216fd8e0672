// Where a pod's volumes live below the agent's root directory, laid out as the kubelet does so that CSI drivers and
// tools find them (upstream: pkg/kubelet/kubelet_getters.go). Pure; nothing here touches the disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::volumes {

class Paths {
 public:
  explicit Paths(std::filesystem::path root) : root_(std::move(root)) {}

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  [[nodiscard]] std::filesystem::path pods() const { return root_ / "pods"; }
  [[nodiscard]] std::filesystem::path pod(std::string_view uid) const { return pods() / uid; }
  [[nodiscard]] std::filesystem::path volumes(std::string_view uid) const { return pod(uid) / "volumes"; }
  // `plugin` with a slash, e.g. "kubernetes.io/empty-dir" -> pods/UID/volumes/kubernetes.io~empty-dir/NAME.
  [[nodiscard]] std::filesystem::path volume(std::string_view uid, std::string_view plugin,
                                             std::string_view name) const;
  // pods/UID/plugins/kubernetes.io~empty-dir: one folder per volume that was set up, holding the file `ready`.
  [[nodiscard]] std::filesystem::path empty_dir_meta(std::string_view uid) const;
  // plugins/kubernetes.io/iscsi: what a kind keeps for all pods together, mounts of whole devices above all.
  [[nodiscard]] std::filesystem::path plugin(std::string_view plugin) const { return root_ / "plugins" / plugin; }
  [[nodiscard]] std::filesystem::path sub_paths(std::string_view uid) const { return pod(uid) / "volume-subpaths"; }
  // pods/UID/volume-subpaths/VOLUME/CONTAINER/INDEX
  [[nodiscard]] std::filesystem::path sub_path(std::string_view uid, std::string_view volume,
                                               std::string_view container, std::size_t index) const;

 private:
  std::filesystem::path root_;
};

// "kubernetes.io/empty-dir" <-> "kubernetes.io~empty-dir".
[[nodiscard]] std::string escape_plugin(std::string_view plugin);
[[nodiscard]] std::string unescape_plugin(std::string_view dir_name);

// A name that becomes one path component: not empty, not "." or "..", no '/' and no NUL, at most 255 bytes.
// `what` names the field in the error.
Result<void> check_component(std::string_view what, std::string_view name);

// A relative path from a user: not empty, not absolute, no ".." component, at most 4096 bytes, components at most 255.
Result<void> check_relative_path(std::string_view what, std::string_view path);

// Whether `path` is `base` or lies below it, by name alone; both absolute and normal.
[[nodiscard]] bool is_at_or_below(std::string_view path, std::string_view base);

}  // namespace keelson::volumes
