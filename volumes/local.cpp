#include "volumes/local.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/files.hpp"
#include "base/log.hpp"
#include "volumes/host_path.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

Result<void> check_source(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return make_error(Errc::not_found, "path \"" + path + "\" does not exist");
    return errno_error(errno, "stat " + path);
  }
  if (S_ISBLK(st.st_mode)) {
    return make_error(Errc::unimplemented,
                      "local.path \"" + path + "\" is a block device: mount it on the node and give its folder");
  }
  if (S_ISDIR(st.st_mode)) return {};
  return make_error(Errc::failed_precondition, "local.path \"" + path + "\" is not a directory");
}

// Whether another pod has the same volume mounted: pods/OTHER/volumes/kubernetes.io~local-volume/NAME.
bool used_by_another_pod(const std::vector<MountEntry>& entries, const std::string& target) {
  const fs::path volume = target;
  const std::string tail = (fs::path("volumes") / volume.parent_path().filename() / volume.filename()).string();
  const std::string pods = volume.parent_path().parent_path().parent_path().parent_path().string() + "/";
  return std::any_of(entries.begin(), entries.end(), [&](const MountEntry& e) {
    return e.mount_point != target && e.mount_point.starts_with(pods) && e.mount_point.ends_with("/" + tail);
  });
}

Result<void> apply_group(const LocalMount& mount, const std::vector<MountEntry>& entries) {
  struct stat st {};
  if (::stat(mount.target.c_str(), &st) != 0) return errno_error(errno, "stat " + mount.target);
  if (st.st_gid != mount.fs_group->gid && used_by_another_pod(entries, mount.target)) {
    log_warn("fsGroup not applied: another pod uses the volume with another group",
             {{"path", mount.source}, {"gid", st.st_gid}, {"wanted", mount.fs_group->gid}});
    return {};
  }
  return apply_fs_group(mount.target, *mount.fs_group);
}

class LocalKind final : public VolumeKind {
 public:
  LocalKind(KindContextPtr context, Jobs& jobs) : context_(std::move(context)), jobs_(jobs) {}

  [[nodiscard]] std::string_view plugin() const override { return kLocalPlugin; }

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) override {
    const kube::PersistentVolumeSpec& spec = request.persistent_volume->spec;
    CO_CHECK_OK(check_host_path(spec.local->path));
    LocalMount mount;
    mount.source = spec.local->path;
    mount.target = context_->paths.volume(request.pod_uid(), kLocalPlugin, request.inner_name).string();
    mount.options = spec.mount_options;
    if (request.read_only) mount.options.emplace_back("ro");
    if (request.fs_group && !request.read_only) {
      mount.fs_group = FsGroup{*request.fs_group, false, request.fs_group_on_root_mismatch};
    }
    MountedVolume mounted;
    mounted.name = request.volume.name;
    mounted.inner_name = request.inner_name;
    mounted.plugin = kLocalPlugin;
    mounted.host_path = mount.target;
    mounted.read_only = request.read_only;
    mounted.selinux_relabel = true;
    std::function<Result<void>()> work = [context = context_, mount] { return set_up_local(context->mounter, mount); };
    Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
    if (!done) co_return done.error();
    co_return mounted;
  }

  Awaitable<Result<void>> tear_down(VolumeOnDisk volume) override {
    std::function<Result<void>()> work = [context = context_, path = volume.path] {
      return tear_down_local(context->mounter, path);
    };
    Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
    co_return done;
  }

 private:
  KindContextPtr context_;
  Jobs& jobs_;
};

}  // namespace

Result<void> set_up_local(Mounter& mounter, const LocalMount& mount) {
  CHECK_OK(check_source(mount.source));
  TRY(const auto entries, mounter.mounts(mount.target));
  const bool bound =
      std::any_of(entries.begin(), entries.end(), [&](const MountEntry& e) { return e.mount_point == mount.target; });
  if (!bound) {
    CHECK_OK(make_dirs(mount.target, 0750));
    if (auto done = mounter.bind(mount.source, mount.target, mount.options); !done) {
      ::rmdir(mount.target.c_str());
      return done;
    }
  }
  return mount.fs_group ? apply_group(mount, entries) : Result<void>();
}

Result<void> tear_down_local(Mounter& mounter, const std::string& target) {
  CHECK_OK(unmount_all_below(mounter, target));
  if (::rmdir(target.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error(errno, "remove mount point " + target);
}

std::unique_ptr<VolumeKind> make_local_kind(KindContextPtr context, Jobs& jobs) {
  return std::make_unique<LocalKind>(std::move(context), jobs);
}

}  // namespace keelson::volumes
