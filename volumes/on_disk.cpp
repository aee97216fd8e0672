#include "volumes/on_disk.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

bool is_folder(const fs::path& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// The folders in `path`; none where it is missing. Mount points are not looked at: the server behind one may be gone,
// and who asks it hangs.
Result<std::vector<std::string>> folders_in(const fs::path& path, const std::set<std::string>& mount_points = {}) {
  auto names = list_dir(path);
  if (!names && names.error().code == Errc::not_found) return std::vector<std::string>();
  if (!names) return names.error();
  std::erase_if(*names, [&](const std::string& name) {
    return !mount_points.contains((path / name).string()) && !is_folder(path / name);
  });
  return names;
}

Result<std::vector<VolumeOnDisk>> list_volumes(const std::set<std::string>& mount_points, const Paths& paths,
                                               const std::string& uid) {
  std::vector<VolumeOnDisk> found;
  const fs::path base = paths.volumes(uid);
  TRY(const auto plugins, folders_in(base));
  for (const std::string& plugin : plugins) {
    TRY(const auto names, folders_in(base / plugin, mount_points));
    for (const std::string& name : names) {
      const std::string path = (base / plugin / name).string();
      found.push_back({uid, unescape_plugin(plugin), name, path, mount_points.contains(path)});
    }
  }
  return found;
}

Result<std::set<std::string>> mount_points(Mounter& mounter, const fs::path& base) {
  TRY(const auto entries, mounter.mounts(base.string()));
  std::set<std::string> points;
  for (const MountEntry& entry : entries) points.insert(entry.mount_point);
  return points;
}

Result<void> remove_empty(const fs::path& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error(errno, "remove " + path.string());
}

}  // namespace

Result<std::vector<VolumeOnDisk>> volumes_on_disk(Mounter& mounter, const Paths& paths, const std::string& uid) {
  TRY(const auto points, mount_points(mounter, paths.volumes(uid)));
  return list_volumes(points, paths, uid);
}

Result<std::map<std::string, std::vector<VolumeOnDisk>>> all_volumes_on_disk(Mounter& mounter, const Paths& paths) {
  std::map<std::string, std::vector<VolumeOnDisk>> found;
  TRY(const auto points, mount_points(mounter, paths.pods()));
  TRY(const auto uids, folders_in(paths.pods()));
  for (const std::string& uid : uids) {
    auto volumes = list_volumes(points, paths, uid);
    if (!volumes) {  // one pod's folder that cannot be read does not hide the others
      log_warn("volumes of a pod not read", {{"uid", uid}, {"error", volumes.error()}});
      continue;
    }
    const bool ours = !volumes->empty() || is_folder(paths.volumes(uid)) || is_folder(paths.sub_paths(uid)) ||
                      is_folder(paths.empty_dir_meta(uid));
    if (ours) found.emplace(uid, std::move(*volumes));
  }
  return found;
}

Result<void> remove_volume_folders(const Paths& paths, const std::string& uid) {
  const fs::path base = paths.volumes(uid);
  TRY(const auto plugins, folders_in(base));
  for (const std::string& plugin : plugins) CHECK_OK(remove_empty(base / plugin));
  CHECK_OK(remove_empty(base));
  CHECK_OK(remove_tree(paths.empty_dir_meta(uid)));
  const fs::path plugin_data = paths.pod(uid) / "plugins";
  if (::rmdir(plugin_data.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY) {
    return errno_error(errno, "remove " + plugin_data.string());
  }
  return {};
}

}  // namespace keelson::volumes
