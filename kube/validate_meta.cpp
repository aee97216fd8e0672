// Metadata, labels and selectors.
#include "base/strings.hpp"
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

void check_operator(const std::string& op, const std::vector<std::string>& values, const FieldPath& at,
                    FieldErrors& errors) {
  bool set = op == "In" || op == "NotIn";
  bool presence = op == "Exists" || op == "DoesNotExist";
  if (set && values.empty()) errors.required(at / "values", "must be specified when `operator` is 'In' or 'NotIn'");
  if (presence && !values.empty()) {
    errors.forbidden(at / "values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  }
}

}  // namespace

void check_required(const std::string& value, std::string (*check)(std::string_view), const FieldPath& at,
                    FieldErrors& errors) {
  if (value.empty()) return errors.required(at);
  errors.check(at, value, check(value));
}

void check_present(const std::string& value, const FieldPath& at, FieldErrors& errors) {
  if (value.empty()) errors.required(at);
}

void check_metadata(const ObjectMeta& meta, bool namespaced, std::string (*check)(std::string_view),
                    FieldErrors& errors) {
  FieldPath at("metadata");
  if (meta.name.empty() && !meta.generate_name.empty()) {
    errors.required(at / "name", "generateName needs an API server");
  } else {
    check_required(meta.name, check, at / "name", errors);
  }
  if (namespaced) check_required(meta.ns, check_dns_label, at / "namespace", errors);
  if (!namespaced && !meta.ns.empty()) errors.forbidden(at / "namespace", "not allowed on this type");
  check_labels(meta.labels, at / "labels", errors);
  check_annotations(meta.annotations, at / "annotations", errors);
}

void check_labels(const StringMap& labels, const FieldPath& at, FieldErrors& errors) {
  for (const auto& [key, value] : labels) {
    errors.check(at, key, check_qualified_name(key));
    errors.check(at.key(key), value, check_label_value(value));
  }
}

void check_annotations(const StringMap& annotations, const FieldPath& at, FieldErrors& errors) {
  constexpr std::size_t kMaxBytes = 256 * 1024;
  std::size_t bytes = 0;
  for (const auto& [key, value] : annotations) {
    errors.check(at, key, check_qualified_name(to_lower(key)));
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxBytes) errors.forbidden(at, "may not be more than " + std::to_string(kMaxBytes) + " bytes");
}

void check_selector(const LabelSelector& selector, const FieldPath& at, FieldErrors& errors) {
  check_labels(selector.match_labels, at / "matchLabels", errors);
  for (std::size_t i = 0; i < selector.match_expressions.size(); ++i) {
    const LabelSelectorRequirement& r = selector.match_expressions[i];
    FieldPath here = (at / "matchExpressions")[i];
    check_required(r.key, check_qualified_name, here / "key", errors);
    errors.one_of(here / "operator", r.op, {"In", "NotIn", "Exists", "DoesNotExist"}, true);
    check_operator(r.op, r.values, here, errors);
  }
}

void check_node_selector(const NodeSelector& selector, const FieldPath& at, FieldErrors& errors) {
  if (selector.node_selector_terms.empty()) errors.required(at / "nodeSelectorTerms", "must have at least one term");
  for (std::size_t t = 0; t < selector.node_selector_terms.size(); ++t) {
    const auto& expressions = selector.node_selector_terms[t].match_expressions;
    for (std::size_t i = 0; i < expressions.size(); ++i) {
      FieldPath here = ((at / "nodeSelectorTerms")[t] / "matchExpressions")[i];
      const NodeSelectorRequirement& r = expressions[i];
      check_required(r.key, check_qualified_name, here / "key", errors);
      errors.one_of(here / "operator", r.op, {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}, true);
      check_operator(r.op, r.values, here, errors);
      if ((r.op == "Gt" || r.op == "Lt") && r.values.size() != 1) {
        errors.required(here / "values", "must be specified single value when `operator` is 'Lt' or 'Gt'");
      }
    }
  }
}

}  // namespace keelson::kube
