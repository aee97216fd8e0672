#include "agent/spec/expansion.hpp"

#include <set>

#include "base/strings.hpp"

namespace keelson::spec {

std::string expand(std::string_view text, const VariableLookup& lookup) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const auto dollar = text.find('$', at);
    if (dollar == std::string_view::npos || dollar + 1 == text.size()) break;
    out += text.substr(at, dollar - at);
    const char next = text[dollar + 1];
    if (next == '$') {
      out += '$';
      at = dollar + 2;
      continue;
    }
    const auto close = next == '(' ? text.find(')', dollar + 2) : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += text.substr(dollar, 2);
      at = dollar + 2;
      continue;
    }
    if (auto value = lookup(text.substr(dollar + 2, close - dollar - 2))) {
      out += *value;
    } else {
      out += text.substr(dollar, close + 1 - dollar);
    }
    at = close + 1;
  }
  out += text.substr(at);
  return out;
}

std::string expand(std::string_view text, const Variables& variables) {
  return expand(text, [&](std::string_view name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    if (it == variables.end()) return std::nullopt;
    return it->second;
  });
}

std::vector<std::string> expand_all(const std::vector<std::string>& texts, const Variables& variables) {
  std::vector<std::string> out;
  out.reserve(texts.size());
  for (const auto& text : texts) out.push_back(expand(text, variables));
  return out;
}

Result<std::string> expand_strict(std::string_view text, const Variables& variables) {
  std::set<std::string> missing;
  auto expanded = expand(text, [&](std::string_view name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    if (it == variables.end() || it->second.empty()) {
      missing.emplace(name);
      return std::nullopt;
    }
    return it->second;
  });
  if (missing.empty()) return expanded;
  const std::vector<std::string> names(missing.begin(), missing.end());
  return make_error(Errc::invalid_argument, "missing value for " + join(names, ", "));
}

}  // namespace keelson::spec
