#include "cni/config.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "base/log.hpp"
#include "cni/json_util.hpp"
#include "cni/version.hpp"

namespace keelson::cni {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxConfigFile = 1u << 20;

bool alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

Result<void> validate_token(std::string_view what, std::string_view text) {
  const auto inner = [](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; };
  if (!text.empty() && alphanumeric(text[0]) && std::all_of(text.begin(), text.end(), inner)) return {};
  return make_error(Errc::invalid_argument, std::string(what) + " \"" + std::string(text) +
                                                "\" must begin with a letter or digit and hold only letters, digits, "
                                                "'_', '.' and '-'");
}

Result<PluginConfig> parse_plugin(const Json& object, std::string_view path) {
  PluginConfig plugin;
  TRY(plugin.type, get_string(object, "type", path));
  if (plugin.type.empty()) return make_error(Errc::invalid_argument, std::string(path) + "type: required");
  if (plugin.type.find('/') != std::string::npos) {
    return make_error(Errc::invalid_argument, std::string(path) + "type: \"" + plugin.type + "\" is not a file name");
  }
  if (const Json* capabilities = member(object, "capabilities")) {
    const std::string where = std::string(path) + "capabilities";
    if (!capabilities->is_object()) return wrong_type(where, "object", *capabilities);
    for (const auto& [key, value] : capabilities->items()) {
      if (!value.is_boolean()) return wrong_type(where + "." + key, "boolean", value);
      if (value.get<bool>()) plugin.capabilities.insert(key);
    }
  }
  plugin.json = dump(object);
  return plugin;
}

// Appends the sub-folder's plugins to the list's own, as libcni's LoadNetworkConf does.
Result<void> append_folder_plugins(Json& plugins, const fs::path& folder) {
  std::error_code ec;
  if (!fs::is_directory(folder, ec)) return {};
  TRY(auto names, list_dir(folder));
  for (const auto& name : names) {
    if (fs::path(name).extension() != ".conf") continue;
    TRY(std::string bytes, read_file(folder / name, kMaxConfigFile));
    auto object = parse_json_object(bytes);
    if (!object) return object.error().context((folder / name).string());
    plugins.push_back(std::move(*object));
  }
  return {};
}

Result<std::string> read_version(const Json& list) {
  TRY(std::string single, get_string(list, "cniVersion"));
  TRY(auto several, get_strings(list, "cniVersions"));
  return select_version(single, several);
}

// A list whose plugins are all inlined already, into the validated object.
Result<NetworkConfig> from_list(Json list, const fs::path& source) {
  NetworkConfig config;
  config.source = source;
  TRY(config.name, get_string(list, "name"));
  if (config.name.empty()) return make_error(Errc::invalid_argument, "name: required");
  CHECK_OK(with_context(validate_network_name(config.name), "name"));
  TRY(config.cni_version, read_version(list));
  TRY(config.disable_check, get_bool(list, "disableCheck"));
  TRY(config.disable_gc, get_bool(list, "disableGC"));
  TRY(auto plugins, get_objects(list, "plugins"));
  if (plugins.empty()) return make_error(Errc::invalid_argument, "plugins: the list is empty");
  for (std::size_t i = 0; i < plugins.size(); ++i) {
    TRY(auto plugin, parse_plugin(*plugins[i], "plugins[" + std::to_string(i) + "]."));
    config.plugins.push_back(std::move(plugin));
  }
  list["loadOnlyInlinedPlugins"] = true;
  config.json = dump(list);
  return config;
}

Result<NetworkConfig> load_file(const fs::path& path) {
  TRY(std::string bytes, read_file(path, kMaxConfigFile));
  return path.extension() == ".conflist" ? parse_network_list(bytes, path) : parse_single_plugin(bytes, path);
}

bool is_config_name(const std::string& name) {
  const fs::path extension = fs::path(name).extension();
  return extension == ".conflist" || extension == ".conf" || extension == ".json";
}

bool is_shim(const NetworkConfig& config) {
  return std::any_of(config.plugins.begin(), config.plugins.end(),
                     [](const PluginConfig& plugin) { return plugin.type == kShimType; });
}

}  // namespace

Result<NetworkConfig> parse_network_list(std::string_view bytes, const fs::path& source) {
  TRY(Json list, parse_json_object(bytes));
  TRY(bool only_inlined, get_bool(list, "loadOnlyInlinedPlugins"));
  if (!member(list, "plugins")) list["plugins"] = Json::array();
  if (!list["plugins"].is_array()) return wrong_type("plugins", "list", list["plugins"]);
  if (!only_inlined && !source.empty()) {
    TRY(std::string name, get_string(list, "name"));
    // An invalid name must not become a path; from_list reports it.
    if (validate_network_name(name)) CHECK_OK(append_folder_plugins(list["plugins"], source.parent_path() / name));
  }
  return from_list(std::move(list), source);
}

Result<NetworkConfig> parse_single_plugin(std::string_view bytes, const fs::path& source) {
  TRY(Json plugin, parse_json_object(bytes));
  TRY(std::string type, get_string(plugin, "type"));
  if (type.empty()) {
    return make_error(Errc::invalid_argument, member(plugin, "plugins")
                                                  ? "type: required; a list of plugins belongs in a .conflist file"
                                                  : "type: required");
  }
  Json list = {{"name", plugin.value("name", Json())}, {"plugins", Json::array({plugin})}};
  for (const char* key : {"cniVersion", "cniVersions"}) {
    if (const Json* value = member(plugin, key)) list[key] = *value;
  }
  return from_list(std::move(list), source);
}

ConfDir load_conf_dir(const fs::path& dir) {
  ConfDir out;
  auto names = list_dir(dir);
  if (!names) {
    out.problems.push_back({dir, names.error().message});
    return out;
  }
  for (const auto& name : *names) {
    if (!is_config_name(name)) continue;
    auto config = load_file(dir / name);
    if (!config) {
      out.problems.push_back({dir / name, config.error().message});
    } else if (!is_shim(*config)) {
      out.networks.push_back(std::move(*config));
    }
  }
  return out;
}

Result<void> validate_container_id(std::string_view id) { return validate_token("container ID", id); }

Result<void> validate_network_name(std::string_view name) { return validate_token("network name", name); }

Result<void> validate_interface_name(std::string_view name) {
  const auto bad = [](char c) { return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r'); };
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ without its end
  if (!name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
      std::none_of(name.begin(), name.end(), bad)) {
    return {};
  }
  return make_error(Errc::invalid_argument, "interface name \"" + std::string(name) +
                                                "\" must be 1 to 15 bytes without '/', ':' and white space, and not "
                                                "\".\" or \"..\"");
}

}  // namespace keelson::cni
