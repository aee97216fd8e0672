// The string form of label selectors: a comma-separated list of requirements.
#include "base/strings.hpp"
#include "kube/labels.hpp"
#include "kube/names.hpp"

namespace keelson::kube {
namespace {

// The parts between commas that stand outside parentheses.
std::vector<std::string> split_requirements(std::string_view text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth <= 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Error bad(std::string_view part, std::string_view why) {
  return make_error(Errc::invalid_argument, "label selector \"" + std::string(part) + "\": " + std::string(why));
}

Result<LabelSelectorRequirement> checked(std::string_view part, LabelSelectorRequirement requirement) {
  if (std::string why = check_qualified_name(requirement.key); !why.empty()) return bad(part, "key: " + why);
  for (const std::string& value : requirement.values) {
    if (std::string why = check_label_value(value); !why.empty()) return bad(part, "value: " + why);
  }
  return requirement;
}

// "key in (a,b)" and "key notin (a,b)".
Result<LabelSelectorRequirement> parse_set(std::string_view part, std::size_t open) {
  if (part.back() != ')') return bad(part, "expected ')' at its end");
  std::string_view head = trim(part.substr(0, open));
  std::size_t space = head.find_last_of(" \t");
  std::string_view op = space == std::string_view::npos ? head : head.substr(space + 1);
  if (space == std::string_view::npos || (op != "in" && op != "notin")) return bad(part, "expected in or notin");
  LabelSelectorRequirement requirement{std::string(trim(head.substr(0, space))), op == "in" ? "In" : "NotIn", {}};
  for (const std::string& value : split(part.substr(open + 1, part.size() - open - 2), ',')) {
    requirement.values.emplace_back(trim(value));
  }
  return checked(part, std::move(requirement));
}

Result<LabelSelectorRequirement> parse_requirement(std::string_view part) {
  if (part.empty()) return bad(part, "empty requirement");
  if (std::size_t open = part.find('('); open != std::string_view::npos) return parse_set(part, open);
  std::size_t equals = part.find('=');
  if (equals == std::string_view::npos) {
    bool absent = part[0] == '!';
    return checked(part, {std::string(trim(part.substr(absent ? 1 : 0))), absent ? "DoesNotExist" : "Exists", {}});
  }
  bool negated = equals > 0 && part[equals - 1] == '!';
  std::string_view key = part.substr(0, negated ? equals - 1 : equals);
  std::string_view value = part.substr(equals + 1);
  if (!negated && !value.empty() && value[0] == '=') value.remove_prefix(1);
  return checked(part, {std::string(trim(key)), negated ? "NotIn" : "In", {std::string(trim(value))}});
}

std::string format(const LabelSelectorRequirement& r) {
  if (r.op == "Exists") return r.key;
  if (r.op == "DoesNotExist") return "!" + r.key;
  return r.key + (r.op == "In" ? " in (" : " notin (") + join(r.values, ",") + ")";
}

}  // namespace

Result<LabelSelector> parse_label_selector(std::string_view text) {
  LabelSelector selector;
  if (trim(text).empty()) return selector;
  for (const std::string& part : split_requirements(text)) {
    TRY(LabelSelectorRequirement requirement, parse_requirement(trim(part)));
    bool equality = requirement.op == "In" && part.find('(') == std::string::npos;
    // A second equality on the same key must hold too, so it cannot replace the first.
    if (equality && selector.match_labels.count(requirement.key) == 0) {
      selector.match_labels.emplace(requirement.key, requirement.values[0]);
    } else {
      selector.match_expressions.push_back(std::move(requirement));
    }
  }
  return selector;
}

std::string format_label_selector(const LabelSelector& selector) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : selector.match_labels) parts.push_back(key + "=" + value);
  for (const auto& requirement : selector.match_expressions) parts.push_back(format(requirement));
  return join(parts, ",");
}

}  // namespace keelson::kube
