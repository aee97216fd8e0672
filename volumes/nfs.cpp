#include "volumes/nfs.hpp"

#include <unistd.h>

#include <cerrno>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::volumes {
namespace {

// mount.nfs itself goes on for two minutes when the server does not answer; it must end before the pod's patience.
constexpr Seconds kMountTimeout{115};
constexpr Seconds kUnmountTimeout{60};  // then by force (upstream: unmountTimeout)

class NfsKind final : public VolumeKind {
 public:
  NfsKind(KindContextPtr context, Jobs& jobs, Runner& runner)
      : context_(std::move(context)), jobs_(jobs), runner_(runner) {}

  [[nodiscard]] std::string_view plugin() const override { return kNfsPlugin; }

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) override {
    const std::string target = context_->paths.volume(request.pod_uid(), kNfsPlugin, request.inner_name).string();
    MountedVolume mounted;
    mounted.name = request.volume.name;
    mounted.inner_name = request.inner_name;
    mounted.plugin = kNfsPlugin;
    mounted.host_path = target;
    mounted.read_only = request.read_only;
    std::function<Result<bool>()> look = [context = context_, target]() -> Result<bool> {
      TRY(const bool there, is_mount_point(context->mounter, target));
      if (!there) CHECK_OK(make_dirs(target, 0750));
      return there;
    };
    CO_TRY(const bool there, co_await jobs_.run(Lane::bounded, std::move(look)));
    if (there) co_return mounted;
    Result<void> done = co_await mount(std::move(request), target);
    if (done) co_return mounted;
    std::function<Result<void>()> undo = [context = context_, target] {
      return remove_target(context->mounter, target);
    };
    Result<void> undone = co_await jobs_.run(Lane::unbounded, std::move(undo));
    if (!undone) log_warn("left-over of a failed nfs mount", {{"path", target}, {"error", undone.error()}});
    co_return done.error();
  }

  Awaitable<Result<void>> tear_down(VolumeOnDisk volume) override {
    if (volume.mounted) co_await unmount(volume.path);
    std::function<Result<void>()> work = [context = context_, path = volume.path] {
      return remove_target(context->mounter, path);
    };
    Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
    co_return done;
  }

 private:
  Awaitable<Result<void>> mount(VolumeRequest request, std::string target) {
    if (!runner_.has("mount.nfs")) {
      co_return make_error(Errc::failed_precondition,
                           "an nfs volume needs the program mount.nfs, which this node has not (package nfs-common or "
                           "nfs-utils)");
    }
    const auto* volume = request.persistent_volume.get();
    const kube::NfsVolumeSource source = volume != nullptr ? *volume->spec.nfs : *request.volume.nfs;
    std::vector<std::string> options;
    if (volume != nullptr) options = volume->spec.mount_options;
    const auto command = nfs_mount_command(source, std::move(options), request.read_only, target);
    CO_TRY(const CommandResult result, co_await runner_.run(command, kMountTimeout));
    if (!result.ok()) co_return nfs_mount_error(command, result);
    co_return Result<void>();
  }

  // As gently as the server lets us. What fails here is tried once more, and told, by remove_target().
  Awaitable<void> unmount(std::string path) {
    std::vector<std::string> gentle = {"umount", path};
    const auto done = co_await runner_.run(std::move(gentle), kUnmountTimeout);
    if (!done || done->ok()) co_return;
    log_warn("nfs volume not unmounted, using force", {{"path", path}, {"error", done->describe()}});
    std::vector<std::string> force = {"umount", "-f", path};
    static_cast<void>(co_await runner_.run(std::move(force), kUnmountTimeout));
  }

  // Only ever an empty folder that is no mount point.
  static Result<void> remove_target(Mounter& mounter, const std::string& target) {
    CHECK_OK(unmount_all_below(mounter, target));
    if (::rmdir(target.c_str()) == 0 || errno == ENOENT) return {};
    return errno_error(errno, "remove mount point " + target);
  }

  KindContextPtr context_;
  Jobs& jobs_;
  Runner& runner_;
};

}  // namespace

std::vector<std::string> nfs_mount_command(const kube::NfsVolumeSource& source, std::vector<std::string> options,
                                           bool read_only, const std::string& target) {
  const bool v6 = source.server.find(':') != std::string::npos && !source.server.starts_with('[');
  const std::string server = v6 ? "[" + source.server + "]" : source.server;
  if (read_only) options.emplace_back("ro");
  std::vector<std::string> command = {"mount", "-t", "nfs"};
  if (!options.empty()) command.insert(command.end(), {"-o", join(options, ",")});
  command.insert(command.end(), {server + ":" + source.path, target});
  return command;
}

Error nfs_mount_error(const std::vector<std::string>& command, const CommandResult& result) {
  Error error = command_error(join(command, " "), result);
  const auto said = [&](std::string_view words) { return result.err.find(words) != std::string::npos; };
  if (result.timed_out) {
    error.message += " (the server did not answer in time)";
  } else if (said("No such device") || said("unknown filesystem type")) {
    error.message += " (the kernel of this node has no NFS client: module nfs)";
  } else if (said("rpc.statd is not running")) {
    error.message += " (start rpc.statd on this node, or add nolock to the PersistentVolume's mountOptions)";
  }
  return error;
}

std::unique_ptr<VolumeKind> make_nfs_kind(KindContextPtr context, Jobs& jobs, Runner& runner) {
  return std::make_unique<NfsKind>(std::move(context), jobs, runner);
}

}  // namespace keelson::volumes
