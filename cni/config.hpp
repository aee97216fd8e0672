// Network configurations as they stand in a conf dir: files into validated objects, nothing executed.
// CNI spec section 1; libcni/conf.go; the order of files is the runtimes' convention (go-cni opts.go).
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::cni {

// The `type` of our own shim. Configs with it are passed over when the agent reads a conf dir.
inline constexpr std::string_view kShimType = "keelson-cni";

struct PluginConfig {
  std::string type;                    // name of the binary
  std::set<std::string> capabilities;  // those that are true
  std::string json;                    // the plugin's whole object, unknown keys included
};

struct NetworkConfig {
  std::string name;
  std::string cni_version;  // the version selected, one of supported_versions()
  bool disable_check = false;
  bool disable_gc = false;
  std::vector<PluginConfig> plugins;  // never empty
  std::filesystem::path source;       // the file it came from; empty for one out of the attachment store
  // The whole list as one conflist that needs no other file: plugins of the sub-folder are inlined, a single plugin is
  // made a list of one. This is what the attachment store keeps.
  std::string json;
};

struct ConfigProblem {
  std::filesystem::path file;
  std::string reason;
};

struct ConfDir {
  std::vector<NetworkConfig> networks;  // in the files' order: the first is the default network
  std::vector<ConfigProblem> problems;  // files that could not be used, in order
};

// A conflist's bytes. `source` is named in errors; when it is in a folder and the list does not say
// loadOnlyInlinedPlugins, every SOURCE_DIR/NAME/*.conf is appended as a plugin, bytewise by file name.
Result<NetworkConfig> parse_network_list(std::string_view bytes, const std::filesystem::path& source);

// A .conf or .json file: one plugin's object, made a list of one. A conflist in such a file is an error that says so.
Result<NetworkConfig> parse_single_plugin(std::string_view bytes, const std::filesystem::path& source);

// Reads every .conflist, .conf and .json of `dir`, bytewise by file name. A broken file becomes a problem and the next
// ones are still read (containerd instead drops all networks; we name the file in the status and go on). Our own shim's
// conflist is passed over. A missing folder is no network and one problem. Blocks on the disk.
ConfDir load_conf_dir(const std::filesystem::path& dir);

// Alphanumeric first, then alphanumeric or one of _ . -; errors name the value.
Result<void> validate_container_id(std::string_view id);
Result<void> validate_network_name(std::string_view name);
// 1 to 15 bytes, not "." or "..", no slash, colon or white space.
Result<void> validate_interface_name(std::string_view name);

}  // namespace keelson::cni
