#include "volumes/empty_dir.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/files.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

constexpr mode_t kVolumeMode = 0777;
constexpr mode_t kParentMode = 0750;

Result<bool> exists(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return errno_error(errno, "stat " + path);
}

// tmpfs, kept out of swap where the kernel (6.4 and later) can do that.
Result<void> mount_tmpfs(Mounter& mounter, const EmptyFolder& folder) {
  static std::atomic<bool> noswap_known_bad{false};
  MountRequest request{"tmpfs", folder.path, "tmpfs", folder.options};
  if (!noswap_known_bad) {
    request.options.emplace_back("noswap");
    auto mounted = mounter.mount(request);
    if (mounted || mounted.error().code != Errc::invalid_argument) return mounted;
    request.options.pop_back();
  }
  CHECK_OK(mounter.mount(request));
  noswap_known_bad = true;
  return {};
}

class EmptyDirKind final : public VolumeKind {
 public:
  EmptyDirKind(KindContextPtr context, Jobs& jobs) : context_(std::move(context)), jobs_(jobs) {}

  [[nodiscard]] std::string_view plugin() const override { return kEmptyDirPlugin; }

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) override {
    CO_TRY(EmptyFolder folder, plan(request));
    MountedVolume mounted = describe(request, folder.path);
    // With fsGroup and a lost marker, the walk goes over whatever containers have left there.
    const Lane lane = folder.fs_group ? Lane::unbounded : Lane::bounded;
    std::function<Result<void>()> work = [context = context_, folder] {
      return set_up_empty_folder(context->mounter, folder);
    };
    Result<void> done = co_await jobs_.run(lane, std::move(work));
    if (!done) co_return done.error();
    co_return mounted;
  }

  Awaitable<Result<void>> tear_down(VolumeOnDisk volume) override {
    const std::string meta = (context_->paths.empty_dir_meta(volume.pod_uid) / volume.inner_name).string();
    std::function<Result<void>()> work = [context = context_, path = volume.path, meta] {
      return tear_down_empty_folder(context->mounter, path, meta);
    };
    Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
    co_return done;
  }

 private:
  Result<EmptyFolder> plan(const VolumeRequest& request) const {
    const auto& source = *request.volume.empty_dir;
    EmptyFolder folder;
    folder.path = context_->paths.volume(request.pod_uid(), kEmptyDirPlugin, request.inner_name).string();
    folder.marker = (context_->paths.empty_dir_meta(request.pod_uid()) / request.inner_name / "ready").string();
    if (request.fs_group) folder.fs_group = FsGroup{*request.fs_group, false, false};
    if (source.medium.empty()) return folder;
    if (source.medium == "Memory") {
      folder.fs_type = "tmpfs";
      folder.options =
          tmpfs_options(memory_volume_size(*request.pod, source.size_limit, context_->node.allocatable_memory));
      return folder;
    }
    if (!source.medium.starts_with("HugePages")) {
      return make_error(Errc::invalid_argument, "unknown storage medium \"" + source.medium + "\"");
    }
    TRY(const std::int64_t page, huge_page_size(source.medium, *request.pod, context_->node.huge_page_sizes));
    folder.fs_type = "hugetlbfs";
    folder.options = {"pagesize=" + std::to_string(page)};
    return folder;
  }

  static MountedVolume describe(const VolumeRequest& request, const std::string& path) {
    MountedVolume mounted;
    mounted.name = request.volume.name;
    mounted.inner_name = request.inner_name;
    mounted.plugin = kEmptyDirPlugin;
    mounted.host_path = path;
    mounted.selinux_relabel = true;
    const auto& limit = request.volume.empty_dir->size_limit;
    if (limit && limit->sign() > 0) mounted.size_limit = limit->value();
    return mounted;
  }

  KindContextPtr context_;
  Jobs& jobs_;
};

}  // namespace

Result<void> set_up_empty_folder(Mounter& mounter, const EmptyFolder& folder) {
  const bool needs_mount = !folder.fs_type.empty();
  bool is_mounted = false;
  if (needs_mount) {
    TRY(is_mounted, is_mount_point(mounter, folder.path));
  }
  TRY(const bool marked, exists(folder.marker));
  TRY(const bool there, exists(folder.path));
  if (marked && (needs_mount ? is_mounted : there)) return {};

  CHECK_OK(make_dirs(fs::path(folder.path).parent_path(), kParentMode));
  CHECK_OK(make_dirs(folder.path, kVolumeMode));
  if (needs_mount && !is_mounted) {
    CHECK_OK(folder.fs_type == "tmpfs" ? mount_tmpfs(mounter, folder)
                                       : mounter.mount({folder.fs_type, folder.path, folder.fs_type, folder.options}));
  }
  if (::chmod(folder.path.c_str(), kVolumeMode) != 0) return errno_error(errno, "chmod " + folder.path);
  if (folder.fs_group) CHECK_OK(apply_fs_group(folder.path, *folder.fs_group));
  CHECK_OK(make_dirs(fs::path(folder.marker).parent_path(), kParentMode));
  return write_file_atomic(folder.marker, "", 0640, Durability::volatile_ok);
}

Result<void> tear_down_empty_folder(Mounter& mounter, const std::string& path, const std::string& meta) {
  CHECK_OK(unmount_all_below(mounter, path));
  CHECK_OK(remove_tree(path));
  return remove_tree(meta);  // last: while it is there, the next start knows that there was a volume
}

EmptyFolder wrapped_folder(const KindContext& context, const VolumeRequest& request, bool memory) {
  EmptyFolder folder;
  folder.path = context.paths.volume(request.pod_uid(), request.plugin, request.inner_name).string();
  const auto meta = context.paths.empty_dir_meta(request.pod_uid()) / ("wrapped_" + request.inner_name);
  folder.marker = (meta / "ready").string();
  if (memory) {
    folder.fs_type = "tmpfs";
    folder.options = tmpfs_options(memory_volume_size(*request.pod, std::nullopt, context.node.allocatable_memory));
  }
  return folder;
}

std::unique_ptr<VolumeKind> make_empty_dir_kind(KindContextPtr context, Jobs& jobs) {
  return std::make_unique<EmptyDirKind>(std::move(context), jobs);
}

}  // namespace keelson::volumes
