#include "agent/pod/volume_fields.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "agent/spec/environment.hpp"
#include "base/files.hpp"
#include "volumes/sub_path.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kMaxEnvFile = 64 << 10;  // upstream's limit of an env file
constexpr const char* kConfigError = "CreateContainerConfigError";

Result<std::string> read_env_file(const volumes::MountedVolumes& volumes, const std::string& volume,
                                  const std::string& path) {
  const auto it = volumes.find(volume);
  if (it == volumes.end() || it->second.host_path.empty()) {
    return make_error(Errc::not_found, "cannot find the volume \"" + volume + "\" referenced by FileKeyRef",
                      kConfigError);
  }
  const auto& dir = it->second.host_path;
  std::error_code ec;
  if (!std::filesystem::exists(std::filesystem::path(dir) / path, ec)) {
    return make_error(Errc::not_found, "env file \"" + path + "\" of volume \"" + volume + "\" does not exist",
                      kConfigError);
  }
  const auto file = volumes::open_sub_path(dir, path);
  if (!file) return file.error().with_reason(kConfigError);
  struct stat st {};
  if (::fstat(file->get(), &st) != 0 || !S_ISREG(st.st_mode)) {
    return make_error(Errc::invalid_argument, "env file \"" + path + "\" of volume \"" + volume + "\" is no file",
                      kConfigError);
  }
  auto text = read_file("/proc/self/fd/" + std::to_string(file->get()), kMaxEnvFile);
  if (!text)
    return text.error().context("env file \"" + path + "\" of volume \"" + volume + '"').with_reason(kConfigError);
  return text;
}

}  // namespace

volumes::FieldSource volume_fields(const spec::NodeFacts& facts) {
  return [&facts](const kube::Pod& pod, const kube::DownwardApiFile& file) -> Result<std::string> {
    if (file.field_ref) return spec::field_value(*file.field_ref, pod, facts, {});  // no status fields in volumes
    if (!file.resource_field_ref) return make_error(Errc::invalid_argument, "neither fieldRef nor resourceFieldRef");
    const kube::Container none;  // the reference names its container
    return spec::resource_field_value(*file.resource_field_ref, pod, none, facts);
  };
}

bool has_env_files(const kube::Container& container) {
  return std::any_of(container.env.begin(), container.env.end(),
                     [](const auto& v) { return v.value_from && v.value_from->file_key_ref; });
}

VolumeFiles read_env_files(const volumes::MountedVolumes& volumes, const kube::Container& container) {
  VolumeFiles out;
  for (const auto& variable : container.env) {
    if (!variable.value_from || !variable.value_from->file_key_ref) continue;
    const auto& ref = *variable.value_from->file_key_ref;
    const std::pair key(ref.volume_name, ref.path);
    if (out.count(key) == 0) out.emplace(key, read_env_file(volumes, ref.volume_name, ref.path));
  }
  return out;
}

}  // namespace keelson::agent
