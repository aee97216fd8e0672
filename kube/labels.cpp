#include "kube/labels.hpp"

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"

namespace keelson::kube {
namespace {

bool contains(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// In and NotIn, Exists and DoesNotExist; `value` is null where the label is absent.
bool meets(const std::string& op, const std::vector<std::string>& values, const std::string* value) {
  if (op == "In") return value != nullptr && contains(values, *value);
  if (op == "NotIn") return value == nullptr || !contains(values, *value);
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  return false;
}

const std::string* find(const StringMap& map, const std::string& key) {
  auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

bool to_int(const std::string& text, std::int64_t& out) {
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size();
}

// Node selectors know Gt and Lt too: both sides must be whole numbers.
bool meets_node(const NodeSelectorRequirement& r, const std::string* value) {
  if (r.op != "Gt" && r.op != "Lt") return meets(r.op, r.values, value);
  std::int64_t have = 0;
  std::int64_t bound = 0;
  if (value == nullptr || r.values.size() != 1 || !to_int(*value, have) || !to_int(r.values[0], bound)) return false;
  return r.op == "Gt" ? have > bound : have < bound;
}

bool matches_term(const NodeSelectorTerm& term, const StringMap& node_labels, std::string_view node_name) {
  if (term.match_expressions.empty() && term.match_fields.empty()) return false;
  std::string name(node_name);
  return std::all_of(term.match_expressions.begin(), term.match_expressions.end(),
                     [&](const auto& r) { return meets_node(r, find(node_labels, r.key)); }) &&
         std::all_of(term.match_fields.begin(), term.match_fields.end(),
                     [&](const auto& r) { return meets(r.op, r.values, r.key == "metadata.name" ? &name : nullptr); });
}

}  // namespace

bool matches(const StringMap& selector, const StringMap& labels) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& entry) {
    const std::string* value = find(labels, entry.first);
    return value != nullptr && *value == entry.second;
  });
}

bool matches(const LabelSelector& selector, const StringMap& labels) {
  return matches(selector.match_labels, labels) &&
         std::all_of(selector.match_expressions.begin(), selector.match_expressions.end(),
                     [&](const auto& r) { return meets(r.op, r.values, find(labels, r.key)); });
}

bool matches(const NodeSelector& selector, const StringMap& node_labels, std::string_view node_name) {
  return std::any_of(selector.node_selector_terms.begin(), selector.node_selector_terms.end(),
                     [&](const auto& term) { return matches_term(term, node_labels, node_name); });
}

}  // namespace keelson::kube
