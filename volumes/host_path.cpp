#include "volumes/host_path.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "base/unique_fd.hpp"

namespace keelson::volumes {
namespace {

struct TypeRule {
  std::string_view type;
  FileType wanted;
  const char* name;  // as the error says it
};

constexpr std::array kRules = {
    TypeRule{"DirectoryOrCreate", FileType::directory, "a directory"},
    TypeRule{"Directory", FileType::directory, "a directory"},
    TypeRule{"FileOrCreate", FileType::file, "a file"},
    TypeRule{"File", FileType::file, "a file"},
    TypeRule{"Socket", FileType::socket, "a socket file"},
    TypeRule{"CharDevice", FileType::char_device, "a character device"},
    TypeRule{"BlockDevice", FileType::block_device, "a block device"},
};

Result<FileType> file_type(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return FileType::missing;
    return errno_error(errno, "stat " + path);
  }
  switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
      return FileType::directory;
    case S_IFREG:
      return FileType::file;
    case S_IFSOCK:
      return FileType::socket;
    case S_IFCHR:
      return FileType::char_device;
    case S_IFBLK:
      return FileType::block_device;
    default:
      return FileType::other;
  }
}

Result<void> create_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644));
  if (!fd) return errno_error(errno, "create " + path);
  if (::fchmod(fd.get(), 0644) != 0) return errno_error(errno, "chmod " + path);
  return {};
}

class HostPathKind final : public VolumeKind {
 public:
  explicit HostPathKind(Jobs& jobs) : jobs_(jobs) {}

  [[nodiscard]] std::string_view plugin() const override { return kHostPathPlugin; }

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) override {
    const kube::HostPathVolumeSource& source =
        request.persistent_volume ? *request.persistent_volume->spec.host_path : *request.volume.host_path;
    CO_CHECK_OK(check_host_path(source.path));
    MountedVolume mounted;
    mounted.name = request.volume.name;
    mounted.inner_name = request.inner_name;
    mounted.plugin = kHostPathPlugin;
    mounted.host_path = source.path;
    mounted.read_only = request.read_only;
    const std::string type = source.type.value_or("");
    if (!type.empty()) {
      std::function<Result<void>()> work = [path = source.path, type] { return prepare_host_path(path, type); };
      Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
      if (!done) co_return done.error();
    }
    co_return mounted;
  }

  Awaitable<Result<void>> tear_down(VolumeOnDisk) override { co_return Result<void>(); }

 private:
  Jobs& jobs_;
};

}  // namespace

Result<void> check_host_path_type(const std::string& path, const std::string& type, FileType found) {
  if (type.empty()) return {};
  const auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const TypeRule& r) { return r.type == type; });
  if (rule == kRules.end()) {
    return make_error(Errc::invalid_argument, "hostPath type check failed: " + type + " is an invalid volume type");
  }
  if (found == rule->wanted) return {};
  return make_error(Errc::failed_precondition, "hostPath type check failed: " + path + " is not " + rule->name);
}

Result<void> check_host_path(const std::string& path) {
  const auto invalid = [&](const char* why) {
    return make_error(Errc::invalid_argument, "invalid HostPath `" + path + "`: " + why);
  };
  if (path.empty() || path.front() != '/') return invalid("must be an absolute path");
  if (path.find('\0') != std::string::npos) return invalid("must not contain a NUL byte");
  for (const std::string& part : split(path, '/')) {
    if (part == "..") return invalid("must not contain '..'");
  }
  return {};
}

Result<void> prepare_host_path(const std::string& path, const std::string& type) {
  if (type.empty()) return {};
  TRY(FileType found, file_type(path));
  if (found == FileType::missing && type == "DirectoryOrCreate") {
    CHECK_OK(make_dirs(path, 0755));
    found = FileType::directory;
  } else if (found == FileType::missing && type == "FileOrCreate") {
    CHECK_OK(create_file(path));
    found = FileType::file;
  }
  return check_host_path_type(path, type, found);
}

std::unique_ptr<VolumeKind> make_host_path_kind(Jobs& jobs) { return std::make_unique<HostPathKind>(jobs); }

}  // namespace keelson::volumes
