#include "volumes/iscsi.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/semaphore.hpp"
#include "volumes/ownership.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "iscsi.json";

// How a device gets from its global mount into a pod.
struct Bind {
  std::string device;
  std::string fs_type;
  std::vector<std::string> options;  // of the file system
  std::string global;
  std::string target;
  std::string config;  // iscsi.json
  bool read_only = false;
  std::optional<FsGroup> fs_group;
};

// What detaching needs is on disk before anything is attached.
Result<void> write_config(const std::string& global, const std::string& config) {
  CHECK_OK(make_dirs(global, 0750));
  return write_file_atomic(fs::path(global) / kConfig, config, 0600);
}

Result<void> mount_and_bind(Mounter& mounter, const Bind& bind) {
  TRY(const bool global, is_mount_point(mounter, bind.global));
  if (!global) CHECK_OK(mounter.mount({bind.device, bind.global, bind.fs_type, bind.options}));
  TRY(const bool bound, is_mount_point(mounter, bind.target));
  if (!bound) {
    CHECK_OK(make_dirs(bind.target, 0750));
    std::vector<std::string> options;
    if (bind.read_only) options.emplace_back("ro");
    if (auto done = mounter.bind(bind.global, bind.target, options); !done) {
      ::rmdir(bind.target.c_str());
      return done;
    }
  }
  return bind.fs_group ? apply_fs_group(bind.target, *bind.fs_group) : Result<void>();
}

Result<void> remove_target(Mounter& mounter, const std::string& target) {
  CHECK_OK(unmount_all_below(mounter, target));
  if (::rmdir(target.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error(errno, "remove mount point " + target);
}

struct Global {
  std::string path;
  std::string lock;    // of its target
  std::string device;  // that is mounted; empty: none
};

// The global folders that no pod's volume is bound from: nothing else mounts the device that is mounted there.
Result<std::vector<Global>> unused_globals(Mounter& mounter, const fs::path& base) {
  std::vector<Global> found;
  TRY(const auto entries, mounter.mounts("/"));
  const auto interfaces = list_dir(base);
  if (!interfaces) return found;
  for (const std::string& interface : *interfaces) {
    const auto names = list_dir(base / interface);
    if (!names) continue;
    for (const std::string& name : *names) {
      const std::string path = (base / interface / name).string();
      const auto own =
          std::find_if(entries.begin(), entries.end(), [&](const MountEntry& e) { return e.mount_point == path; });
      const bool used = own != entries.end() && std::any_of(entries.begin(), entries.end(), [&](const MountEntry& e) {
                          return e.mount_point != path && e.source == own->source && e.fs_type == own->fs_type;
                        });
      const std::string device = own == entries.end() ? std::string() : own->source;
      if (!used) found.push_back({path, name.substr(0, name.rfind("-lun-")), device});
    }
  }
  return found;
}

// Unmounts the device; then what is below the mount says how to let go of it. Nothing: it was never attached, or
// nobody can tell any more what was.
Result<std::optional<IscsiDisk>> unmount_global(Mounter& mounter, const std::string& path) {
  CHECK_OK(unmount_all_below(mounter, path));
  const auto text = read_file(fs::path(path) / kConfig);
  if (!text && text.error().code == Errc::not_found) return std::optional<IscsiDisk>();
  if (!text) return text.error();
  auto disk = decode_iscsi(*text);
  if (disk) return std::optional(std::move(*disk));
  log_error("an iscsi session may be left logged in", {{"path", path}, {"error", disk.error()}});
  return std::optional<IscsiDisk>();
}

// And the folders above it that are empty now.
Result<void> remove_global(const std::string& path, const fs::path& root) {
  CHECK_OK(remove_tree(path));
  for (fs::path at = fs::path(path).parent_path(); at != root && ::rmdir(at.c_str()) == 0; at = at.parent_path()) {
  }
  return {};
}

// What is unused once the pod's mount is gone: the device that it showed, and no other target is waited for. Where
// there was none, all of them: a set up may have failed half-way.
Result<std::vector<Global>> unmount_from_pod(const KindContext& context, const std::string& target) {
  TRY(const auto entries, context.mounter.mounts("/"));
  const auto shown =
      std::find_if(entries.begin(), entries.end(), [&](const MountEntry& e) { return e.mount_point == target; });
  CHECK_OK(remove_target(context.mounter, target));
  TRY(auto unused, unused_globals(context.mounter, context.paths.plugin(kIscsiPlugin)));
  if (shown != entries.end()) std::erase_if(unused, [&](const Global& g) { return g.device != shown->source; });
  return unused;
}

class IscsiKind final : public VolumeKind {
 public:
  IscsiKind(KindContextPtr context, Jobs& jobs, Runner& runner, IscsiSystem system)
      : context_(std::move(context)), jobs_(jobs), runner_(runner), system_(std::move(system)) {}

  [[nodiscard]] std::string_view plugin() const override { return kIscsiPlugin; }

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) override {
    if (request.block) {
      co_return make_error(Errc::unimplemented, "volumeMode Block: this node does not support it for iscsi volumes");
    }
    CO_TRY(const IscsiDisk disk, disk_of(request));
    const std::string name = iscsi_global_name(disk);
    const auto permit = co_await lock_of(fs::path(name.substr(0, name.rfind("-lun-"))).filename().string());
    Bind bind;
    bind.global = (context_->paths.plugin(kIscsiPlugin) / name).string();
    bind.target = context_->paths.volume(request.pod_uid(), kIscsiPlugin, request.inner_name).string();
    bind.fs_type = disk.fs_type;
    bind.read_only = disk.read_only;
    bind.options = options_of(request);
    if (request.fs_group && !disk.read_only) {
      bind.fs_group = FsGroup{*request.fs_group, false, request.fs_group_on_root_mismatch};
    }
    CO_TRY(const bool attached, co_await is_attached(bind.global, encode_iscsi(disk)));
    if (!attached) {
      CO_TRY(bind.device, co_await attach_iscsi(runner_, system_, disk));
      CO_CHECK_OK(co_await prepare_file_system(runner_, bind.device, disk.fs_type, disk.read_only));
    }
    MountedVolume mounted;
    mounted.name = request.volume.name;
    mounted.inner_name = request.inner_name;
    mounted.plugin = kIscsiPlugin;
    mounted.host_path = bind.target;
    mounted.read_only = disk.read_only;
    mounted.selinux_relabel = true;
    std::function<Result<void>()> work = [context = context_, bind] { return mount_and_bind(context->mounter, bind); };
    Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
    if (!done) co_return done.error();
    co_return mounted;
  }

  Awaitable<Result<void>> tear_down(VolumeOnDisk volume) override {
    std::function<Result<std::vector<Global>>()> work = [context = context_, volume] {
      return unmount_from_pod(*context, volume.path);
    };
    CO_TRY(const auto unused, co_await jobs_.run(Lane::unbounded, std::move(work)));
    for (const Global& global : unused) CO_CHECK_OK(co_await let_go(global));
    co_return Result<void>();
  }

 private:
  [[nodiscard]] static Result<IscsiDisk> disk_of(const VolumeRequest& request) {
    const auto* volume = request.persistent_volume.get();
    const kube::IscsiVolumeSource& source = volume != nullptr ? *volume->spec.iscsi : *request.volume.iscsi;
    std::string ns = request.pod->metadata.ns;
    if (volume != nullptr && source.secret_ref && !source.secret_ref->ns.empty()) ns = source.secret_ref->ns;
    const kube::Secret* secret = nullptr;
    if (source.secret_ref) {
      const auto found = request.objects->secrets.find(kube::object_key(ns, source.secret_ref->name));
      if (found != request.objects->secrets.end()) secret = found->second.get();
    }
    return iscsi_disk(source, secret, request.read_only);
  }

  [[nodiscard]] static std::vector<std::string> options_of(const VolumeRequest& request) {
    std::vector<std::string> options;
    if (request.persistent_volume) options = request.persistent_volume->spec.mount_options;
    if (request.read_only) options.emplace_back("ro");
    return options;
  }

  // Whether the device is mounted already; else notes how to let go of it, before anything is attached.
  Awaitable<Result<bool>> is_attached(std::string global, std::string config) {
    std::function<Result<bool>()> work = [context = context_, global, config]() -> Result<bool> {
      TRY(const bool mounted, is_mount_point(context->mounter, global));
      if (!mounted) CHECK_OK(write_config(global, config));
      return mounted;
    };
    Result<bool> attached = co_await jobs_.run(Lane::bounded, std::move(work));
    co_return attached;
  }

  // With the target's lock held, and only if it is still unused then.
  Awaitable<Result<void>> let_go(Global global) {
    const auto permit = co_await lock_of(global.lock);
    struct Found {
      bool unused = false;
      std::optional<IscsiDisk> disk;
    };
    std::function<Result<Found>()> unmount = [context = context_, path = global.path]() -> Result<Found> {
      TRY(const auto unused, unused_globals(context->mounter, context->paths.plugin(kIscsiPlugin)));
      if (std::none_of(unused.begin(), unused.end(), [&](const Global& g) { return g.path == path; })) return Found();
      TRY(auto disk, unmount_global(context->mounter, path));
      return Found{true, std::move(disk)};
    };
    CO_TRY(const Found found, co_await jobs_.run(Lane::unbounded, std::move(unmount)));
    if (!found.unused) co_return Result<void>();
    if (found.disk) CO_CHECK_OK(co_await detach_iscsi(runner_, system_, *found.disk));
    std::function<Result<void>()> remove = [context = context_, path = global.path] {
      return remove_global(path, context->paths.root());
    };
    Result<void> removed = co_await jobs_.run(Lane::bounded, std::move(remove));
    co_return removed;
  }

  // One at a time attaches to a target or lets go of it.
  Awaitable<Semaphore::Permit> lock_of(std::string target) {
    auto& slot = locks_[target];
    if (!slot) slot = std::make_unique<Semaphore>(co_await asio::this_coro::executor, 1);
    co_return co_await slot->acquire();
  }

  KindContextPtr context_;
  Jobs& jobs_;
  Runner& runner_;
  IscsiSystem system_;
  std::map<std::string, std::unique_ptr<Semaphore>> locks_;  // by PORTAL-IQN
};

}  // namespace

Awaitable<Result<void>> prepare_file_system(Runner& runner, std::string device, std::string fs_type, bool read_only) {
  constexpr Seconds kLookTimeout{30};
  constexpr Seconds kWorkTimeout{110};
  constexpr int kBlank = 2;      // of blkid: nothing recognised
  constexpr int kCorrected = 1;  // of fsck: errors, corrected
  constexpr int kLeft = 4;       // of fsck: errors left
  std::vector<std::string> look = {"blkid", "-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", device};
  CO_TRY(const CommandResult seen, co_await runner.run(std::move(look), kLookTimeout));
  if (!seen.ok() && (seen.exit_code != kBlank || seen.signal != 0)) co_return command_error("blkid " + device, seen);
  if (!seen.ok()) {
    if (read_only) {
      co_return make_error(Errc::failed_precondition,
                           "cannot mount unformatted disk " + device + " as it is in read-only mode");
    }
    std::vector<std::string> format = {"mkfs." + fs_type};
    if (fs_type == "ext3" || fs_type == "ext4") format.insert(format.end(), {"-F", "-m0"});
    if (fs_type == "xfs") format.emplace_back("-f");
    format.push_back(device);
    log_info("blank disk, formatting it", {{"device", device}, {"type", fs_type}});
    CO_TRY(const CommandResult done, co_await runner.run(std::move(format), kWorkTimeout));
    if (!done.ok()) co_return command_error("mkfs." + fs_type + " " + device, done);
    co_return Result<void>();
  }
  if (seen.out.find("TYPE=" + fs_type + "\n") == std::string::npos && !seen.out.ends_with("TYPE=" + fs_type)) {
    co_return make_error(Errc::failed_precondition, "failed to mount the volume as \"" + fs_type + "\", " + device +
                                                        " already contains something else: " + seen.out);
  }
  if (read_only) co_return Result<void>();
  std::vector<std::string> check = {"fsck", "-a", device};
  const auto checked = co_await runner.run(std::move(check), kWorkTimeout);
  if (checked && !checked->ok() && checked->exit_code == kLeft) {
    co_return make_error(Errc::failed_precondition,
                         "'fsck' found errors on device " + device + " but could not correct them: " + checked->out);
  }
  if (!checked || (!checked->ok() && checked->exit_code != kCorrected)) {
    log_warn("file system not checked", {{"device", device}});
  }
  co_return Result<void>();
}

std::unique_ptr<VolumeKind> make_iscsi_kind(KindContextPtr context, Jobs& jobs, Runner& runner, IscsiSystem system) {
  return std::make_unique<IscsiKind>(std::move(context), jobs, runner, std::move(system));
}

}  // namespace keelson::volumes
