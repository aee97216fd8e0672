#include "cni/shim_config.hpp"

#include "base/files.hpp"
#include "cni/config.hpp"
#include "cni/json_util.hpp"
#include "cni/version.hpp"

namespace keelson::cni {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCapabilities[] = {"portMappings",
                                         "bandwidth",
                                         "ipRanges",
                                         "dns",
                                         "ips",
                                         "mac",
                                         "deviceID",
                                         "infinibandGUID",
                                         "aliases",
                                         "cgroupPath",
                                         "io.kubernetes.cri.pod-annotations"};

Result<std::vector<fs::path>> parse_paths(const Json& object, const char* key) {
  TRY(auto names, get_strings(object, key));
  return std::vector<fs::path>(names.begin(), names.end());
}

// The plugin types of one network of containerd's cniconfig. A member of another shape counts as none.
std::vector<std::string> plugin_types(const Json& network) {
  std::vector<std::string> types;
  const Json* config = member(network, "Config");
  const Json* plugins = config && config->is_object() ? member(*config, "Plugins") : nullptr;
  if (!plugins || !plugins->is_array()) return types;
  for (const auto& plugin : *plugins) {
    const Json* conf = plugin.is_object() ? member(plugin, "Network") : nullptr;
    const Json* type = conf && conf->is_object() ? member(*conf, "type") : nullptr;
    if (type && type->is_string()) types.push_back(type->get<std::string>());
  }
  return types;
}

}  // namespace

std::string render_shim_conflist(const ShimOptions& options) {
  Json plugin = {{"type", kShimType}, {"socket", options.socket.string()}, {"stateDir", options.state_dir.string()}};
  if (options.connect_timeout_ms) plugin["connectTimeoutMs"] = *options.connect_timeout_ms;
  plugin["binDirs"] = Json::array();
  for (const auto& dir : options.bin_dirs) plugin["binDirs"].push_back(dir.string());
  for (const char* capability : kCapabilities) plugin["capabilities"][capability] = true;
  Json list = {{"cniVersion", "1.0.0"}, {"name", kShimNetworkName}, {"plugins", Json::array({plugin})}};
  list["cniVersions"] = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return list.dump(2) + "\n";
}

Result<bool> install_shim_conflist(const fs::path& dir, const ShimOptions& options) {
  const fs::path path = dir / kShimFileName;
  const std::string text = render_shim_conflist(options);
  if (const auto present = read_file(path); present && *present == text) return false;
  CHECK_OK(make_dirs(dir));
  CHECK_OK(write_file_atomic(path, text));
  return true;
}

Result<ShimOptions> parse_shim_options(std::string_view plugin_json) {
  TRY(Json object, parse_json_object(plugin_json));
  ShimOptions options;
  TRY(std::string socket, get_string(object, "socket"));
  TRY(std::string state_dir, get_string(object, "stateDir"));
  TRY(auto bin_dirs, parse_paths(object, "binDirs"));
  TRY(options.connect_timeout_ms, get_int(object, "connectTimeoutMs"));
  if (!socket.empty()) options.socket = socket;
  if (!state_dir.empty()) options.state_dir = state_dir;
  if (!bin_dirs.empty()) options.bin_dirs = std::move(bin_dirs);
  return options;
}

std::string_view to_string(RuntimeCni value) {
  switch (value) {
    case RuntimeCni::shim:
      return "shim";
    case RuntimeCni::other:
      return "other";
    case RuntimeCni::no_config:
      return "no-config";
    case RuntimeCni::unknown:
      break;
  }
  return "unknown";
}

RuntimeCni runtime_cni(std::string_view cniconfig) {
  const auto object = parse_json_object(cniconfig);
  if (!object || !object->contains("Networks")) return RuntimeCni::unknown;
  const Json& networks = (*object)["Networks"];
  if (networks.is_null()) return RuntimeCni::no_config;
  if (!networks.is_array()) return RuntimeCni::unknown;
  for (const auto& network : networks) {
    if (!network.is_object()) return RuntimeCni::unknown;
    const auto types = plugin_types(network);
    if (types.empty()) return RuntimeCni::unknown;
    if (types.front() == "loopback") continue;
    return types.front() == kShimType ? RuntimeCni::shim : RuntimeCni::other;
  }
  return RuntimeCni::no_config;
}

Result<RuntimeCniDirs> runtime_cni_dirs(std::string_view config) {
  TRY(Json object, parse_json_object(config));
  const Json* cni = member(object, "cni");
  if (!cni || !cni->is_object()) return make_error(Errc::not_found, "cni: the runtime's config does not have it");
  RuntimeCniDirs dirs;
  TRY(dirs.conf_dir, get_string(*cni, "confDir", "cni."));
  TRY(dirs.bin_dirs, get_strings(*cni, "binDirs", "cni."));
  TRY(std::string bin_dir, get_string(*cni, "binDir", "cni."));
  if (dirs.bin_dirs.empty() && !bin_dir.empty()) dirs.bin_dirs.push_back(bin_dir);
  return dirs;
}

}  // namespace keelson::cni
