#include "volumes/paths.hpp"

#include "base/strings.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxName = 255;
}  // namespace

fs::path Paths::volume(std::string_view uid, std::string_view plugin, std::string_view name) const {
  return volumes(uid) / escape_plugin(plugin) / name;
}

fs::path Paths::empty_dir_meta(std::string_view uid) const { return pod(uid) / "plugins" / "kubernetes.io~empty-dir"; }

fs::path Paths::sub_path(std::string_view uid, std::string_view volume, std::string_view container,
                         std::size_t index) const {
  return sub_paths(uid) / volume / container / std::to_string(index);
}

std::string escape_plugin(std::string_view plugin) { return replace_all(plugin, "/", "~"); }
std::string unescape_plugin(std::string_view dir_name) { return replace_all(dir_name, "~", "/"); }

Result<void> check_component(std::string_view what, std::string_view name) {
  const auto invalid = [&](const char* why) {
    return make_error(Errc::invalid_argument, std::string(what) + ": \"" + std::string(name) + "\" " + why);
  };
  if (name.empty() || name == "." || name == "..") return invalid("is not a name");
  if (name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return invalid("must not contain a slash or a NUL byte");
  }
  if (name.size() > kMaxName) return invalid("is longer than 255 bytes");
  return {};
}

Result<void> check_relative_path(std::string_view what, std::string_view path) {
  const auto invalid = [&](const char* why) {
    return make_error(Errc::invalid_argument, std::string(what) + ": \"" + std::string(path) + "\" " + why);
  };
  if (path.empty()) return invalid("must not be empty");
  if (path.front() == '/') return invalid("must be a relative path");
  if (path.find('\0') != std::string_view::npos) return invalid("must not contain a NUL byte");
  if (path.size() > kMaxPath) return invalid("is longer than 4096 bytes");
  for (const std::string& part : split(path, '/')) {
    if (part == "..") return invalid("must not contain '..'");
    if (part.size() > kMaxName) return invalid("has a component longer than 255 bytes");
  }
  return {};
}

bool is_at_or_below(std::string_view path, std::string_view base) {
  if (base == "/") return !path.empty() && path.front() == '/';
  return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
}

}  // namespace keelson::volumes
