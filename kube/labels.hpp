// Selectors over labels and nodes. Follows k8s.io/apimachinery/pkg/labels and component-helpers' nodeaffinity.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kube/meta.hpp"
#include "kube/node_selector.hpp"

namespace keelson::kube {

// Whether every entry of `selector` is among `labels`. An empty selector matches everything (a Service without a
// selector selects nothing: that is for the caller to know).
[[nodiscard]] bool matches(const StringMap& selector, const StringMap& labels);
// As metav1.LabelSelector: an empty one matches everything, an operator that does not exist nothing.
[[nodiscard]] bool matches(const LabelSelector& selector, const StringMap& labels);
// As core/v1 NodeSelector: any term suffices; an empty term matches nothing. matchFields knows metadata.name.
[[nodiscard]] bool matches(const NodeSelector& selector, const StringMap& node_labels, std::string_view node_name);

// Reads the string form of kubectl -l: "a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m". `a!=b` becomes NotIn.
[[nodiscard]] Result<LabelSelector> parse_label_selector(std::string_view text);
// The string form, keys sorted as given: matchLabels first, then the expressions.
[[nodiscard]] std::string format_label_selector(const LabelSelector& selector);

}  // namespace keelson::kube
