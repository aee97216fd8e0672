// Versions of the CNI spec: which ones we speak, their order, and which one a config selects.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::cni {

inline constexpr std::string_view kCurrentVersion = "1.1.0";
// What a config without any version means.
inline constexpr std::string_view kImplicitVersion = "0.1.0";

struct Version {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const Version&) const = default;
};

// "1", "1.1" or "1.1.0"; anything else is an error naming the text.
Result<Version> parse_version(std::string_view text);

// 0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0.
[[nodiscard]] const std::vector<std::string>& supported_versions();
[[nodiscard]] bool is_supported(std::string_view version);

// True when `version` >= `least`. Both are versions that parse; one that does not counts as 0.0.0.
[[nodiscard]] bool at_least(std::string_view version, std::string_view least);

// The highest of `single` (cniVersion) and `list` (cniVersions) that we speak; entries above our own version are passed
// over. Nothing given selects 0.1.0; an unknown or malformed version, or none that we speak, is an error.
// libcni/conf.go NetworkConfFromBytes.
Result<std::string> select_version(std::string_view single, const std::vector<std::string>& list);

}  // namespace keelson::cni
