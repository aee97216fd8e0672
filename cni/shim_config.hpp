// The conflist that puts our shim into a runtime's conf dir, and how to tell that a runtime uses it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::cni {

inline constexpr std::string_view kShimFileName = "00-keelson.conflist";
inline constexpr std::string_view kShimNetworkName = "keelson";

// What the shim finds in its own plugin object: keys "socket", "stateDir", "binDirs", "connectTimeoutMs".
struct ShimOptions {
  std::filesystem::path socket = "/run/keelson/cni.sock";
  std::filesystem::path state_dir = "/var/lib/keelson/cni";
  std::vector<std::filesystem::path> bin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
  // How long to wait for an agent that is not there; none: 5 s for ADD, 2 s for DEL, CHECK and GC, 0.5 s for STATUS.
  std::optional<int> connect_timeout_ms;
};

// The conflist. Its cniVersion is 1.0.0 with 1.1.0 among cniVersions: a runtime with libcni >= 1.2 selects 1.1.0 and so
// calls STATUS, while containerd 1.6 and 1.7 (libcni 1.0 and 1.1), which do not read cniVersions, would refuse a result
// of 1.1.0. Every capability that a runtime may supply is declared.
[[nodiscard]] std::string render_shim_conflist(const ShimOptions& options);

// Writes the conflist as DIR/00-keelson.conflist (temp + rename, which the runtime's watch sees) unless it is there
// with the same content. True when it was written.
Result<bool> install_shim_conflist(const std::filesystem::path& dir, const ShimOptions& options);

// The shim's options out of its plugin object (its stdin); absent keys keep their defaults.
Result<ShimOptions> parse_shim_options(std::string_view plugin_json);

enum class RuntimeCni {
  shim,       // the runtime's default network is our shim
  other,      // it is another one
  no_config,  // the runtime has no network loaded yet
  unknown,    // the runtime does not say (no verbose info, or of a shape we do not know)
};
[[nodiscard]] std::string_view to_string(RuntimeCni value);

// From the verbose Status' info map, info["cniconfig"] of containerd: {"PluginDirs", "PluginConfDir", "Networks":
// [{"Config": {"Name", "Plugins": [{"Network": {"type"}}]}, "IFName"}]}. The loopback network is passed over.
[[nodiscard]] RuntimeCni runtime_cni(std::string_view cniconfig);

// conf_dir and bin_dirs of containerd out of info["config"] ({"cni": {"confDir", "binDir", "binDirs"}}), for messages
// and for `keelson run` to know where to install the conflist.
struct RuntimeCniDirs {
  std::string conf_dir;
  std::vector<std::string> bin_dirs;
};
Result<RuntimeCniDirs> runtime_cni_dirs(std::string_view config);

}  // namespace keelson::cni
