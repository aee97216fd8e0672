#include <sys/mount.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "volumes/mounter.hpp"

namespace keelson::volumes {
namespace {

struct OptionFlag {
  std::string_view name;
  unsigned long set;
  unsigned long clear;
};

constexpr std::array kOptionFlags = {
    OptionFlag{"defaults", 0, 0},
    OptionFlag{"ro", MS_RDONLY, 0},
    OptionFlag{"rw", 0, MS_RDONLY},
    OptionFlag{"nosuid", MS_NOSUID, 0},
    OptionFlag{"suid", 0, MS_NOSUID},
    OptionFlag{"nodev", MS_NODEV, 0},
    OptionFlag{"dev", 0, MS_NODEV},
    OptionFlag{"noexec", MS_NOEXEC, 0},
    OptionFlag{"exec", 0, MS_NOEXEC},
    OptionFlag{"sync", MS_SYNCHRONOUS, 0},
    OptionFlag{"async", 0, MS_SYNCHRONOUS},
    OptionFlag{"dirsync", MS_DIRSYNC, 0},
    OptionFlag{"noatime", MS_NOATIME, 0},
    OptionFlag{"atime", 0, MS_NOATIME},
    OptionFlag{"nodiratime", MS_NODIRATIME, 0},
    OptionFlag{"diratime", 0, MS_NODIRATIME},
    OptionFlag{"relatime", MS_RELATIME, 0},
    OptionFlag{"norelatime", 0, MS_RELATIME},
    OptionFlag{"strictatime", MS_STRICTATIME, 0},
    OptionFlag{"bind", MS_BIND, 0},
    OptionFlag{"remount", MS_REMOUNT, 0},
};

class LinuxMounter final : public Mounter {
 public:
  Result<void> mount(const MountRequest& request) override {
    const MountOptions options = parse_mount_options(request.options);
    if (::mount(request.source.c_str(), request.target.c_str(), request.fs_type.c_str(), options.flags,
                options.data.empty() ? nullptr : options.data.c_str()) != 0) {
      return errno_error(errno, "mount " + request.fs_type + " on " + request.target +
                                    (request.options.empty() ? "" : " with " + join(request.options, ",")));
    }
    return {};
  }

  Result<void> bind(const std::string& source, const std::string& target,
                    const std::vector<std::string>& options) override {
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return errno_error(errno, "bind mount " + source + " on " + target);
    }
    const unsigned long flags = parse_mount_options(options).flags;
    if (flags == 0) return {};
    if (::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | flags, nullptr) != 0) {
      const int err = errno;
      ::umount2(target.c_str(), UMOUNT_NOFOLLOW);
      return errno_error(err, "remount " + target + " with " + join(options, ","));
    }
    return {};
  }

  Result<void> unmount(const std::string& target) override {
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT) return {};
    if (errno == EBUSY) {
      return make_error(Errc::failed_precondition, "unmount " + target + ": still in use by a process on this node");
    }
    return errno_error(errno, "unmount " + target);
  }

  Result<void> make_private(const std::string& target) override { return propagation(target, MS_PRIVATE, "private"); }
  Result<void> make_shared_recursive(const std::string& target) override {
    return propagation(target, MS_SHARED | MS_REC, "shared");
  }

  Result<std::vector<MountEntry>> mounts(const std::string& base) override {
    TRY(const std::string text, read_file("/proc/self/mountinfo", 256u << 20));
    return parse_mountinfo(text, base);
  }

 private:
  static Result<void> propagation(const std::string& target, unsigned long flags, const char* name) {
    if (::mount(nullptr, target.c_str(), nullptr, flags, nullptr) == 0) return {};
    if (errno == ENOENT || errno == EINVAL) return {};  // gone, or covered by a later mount: not a mount point now
    return errno_error(errno, "make " + target + " " + name);
  }
};

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  std::vector<std::string> rest;
  for (const std::string& option : options) {
    if (option.empty()) continue;
    bool known = false;
    for (const OptionFlag& flag : kOptionFlags) {
      if (flag.name != option) continue;
      out.flags = (out.flags | flag.set) & ~flag.clear;
      known = true;
    }
    if (!known) rest.push_back(option);
  }
  out.data = join(rest, ",");
  return out;
}

Mounter& linux_mounter() {
  static LinuxMounter mounter;
  return mounter;
}

}  // namespace keelson::volumes
