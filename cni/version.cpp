#include "cni/version.hpp"

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"

namespace keelson::cni {

Result<Version> parse_version(std::string_view text) {
  Version version;
  int* const parts[] = {&version.major, &version.minor, &version.patch};
  const auto words = split(text, '.');
  bool good = words.size() <= 3;
  for (std::size_t i = 0; good && i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), *parts[i]);
    good = ec == std::errc() && end == word.data() + word.size() && *parts[i] >= 0;
  }
  if (!good) {
    return make_error(Errc::invalid_argument, "\"" + std::string(text) + "\" is not a version like 1.0.0");
  }
  return version;
}

const std::vector<std::string>& supported_versions() {
  static const std::vector<std::string> kVersions = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return kVersions;
}

bool is_supported(std::string_view version) {
  const auto& all = supported_versions();
  return std::find(all.begin(), all.end(), version) != all.end();
}

bool at_least(std::string_view version, std::string_view least) {
  const auto left = parse_version(version), right = parse_version(least);
  return (left ? *left : Version{}) >= (right ? *right : Version{});
}

Result<std::string> select_version(std::string_view single, const std::vector<std::string>& list) {
  if (single.empty() && list.empty()) return std::string(kImplicitVersion);
  std::vector<std::string> given = list;
  if (!single.empty()) given.insert(given.begin(), std::string(single));
  const Version own = *parse_version(kCurrentVersion);
  std::string best;
  for (const auto& text : given) {
    auto version = parse_version(text);
    if (!version) return version.error().context("cniVersion");
    if (*version > own) continue;
    if (!is_supported(text)) {
      return make_error(Errc::invalid_argument, "cniVersion: \"" + text + "\" is not a version of the spec");
    }
    if (best.empty() || at_least(text, best)) best = text;
  }
  if (best.empty()) {
    return make_error(Errc::invalid_argument, "cniVersion: only " + join(given, ", ") + " offered, up to " +
                                                  std::string(kCurrentVersion) + " is supported");
  }
  return best;
}

}  // namespace keelson::cni
