#include "agent/server/router.hpp"

#include <algorithm>
#include <optional>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using Captured = std::map<std::string, std::string, std::less<>>;

// "/a/b" and "/a/b/" are the same path.
std::vector<std::string> segments_of(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  return split(path, '/');
}

std::optional<Captured> match(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  constexpr std::string_view kRest = "...}";
  const bool open = pattern.back().ends_with(kRest);
  const std::size_t fixed = pattern.size() - (open ? 1 : 0);
  if (open ? segments.size() < fixed : segments.size() != fixed) return std::nullopt;
  Captured captured;
  if (open) {
    auto rest = percent_decode(join({segments.begin() + static_cast<std::ptrdiff_t>(fixed), segments.end()}, "/"));
    if (!rest) return std::nullopt;
    captured.emplace(pattern.back().substr(1, pattern.back().size() - 1 - kRest.size()), std::move(*rest));
  }
  for (std::size_t i = 0; i < fixed; ++i) {
    if (!pattern[i].starts_with('{')) {
      if (pattern[i] != segments[i]) return std::nullopt;
      continue;
    }
    auto value = percent_decode(segments[i]);
    if (!value || value->empty()) return std::nullopt;
    captured.emplace(pattern[i].substr(1, pattern[i].size() - 2), std::move(*value));
  }
  return captured;
}

}  // namespace

void Router::add(std::string_view methods, std::string_view pattern, Handler handler) {
  routes_.push_back({split(methods, ','), segments_of(pattern), std::move(handler)});
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match out;
  const auto segments = segments_of(path);
  for (const auto& route : routes_) {
    auto captured = match(route.segments, segments);
    if (!captured) continue;
    // HEAD is GET without the body.
    const std::string_view wanted = method == "HEAD" ? "GET" : method;
    if (std::find(route.methods.begin(), route.methods.end(), wanted) == route.methods.end()) {
      out.allowed = join(route.methods, ", ");
      continue;
    }
    out.handler = &route.handler;
    out.path = std::move(*captured);
    return out;
  }
  return out;
}

}  // namespace keelson::agent
