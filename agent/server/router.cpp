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
  if (pattern.size() != segments.size()) return std::nullopt;
  Captured captured;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
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
