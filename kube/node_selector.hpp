// Node selectors, as pods' affinity and PersistentVolumes use them (core/v1 NodeSelector).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace keelson::kube {

struct NodeSelectorRequirement {
  std::string key;
  std::string op;  // In, NotIn, Exists, DoesNotExist, Gt, Lt
  std::vector<std::string> values;
  bool operator==(const NodeSelectorRequirement&) const = default;
};

struct NodeSelectorTerm {
  std::vector<NodeSelectorRequirement> match_expressions;
  std::vector<NodeSelectorRequirement> match_fields;
  bool operator==(const NodeSelectorTerm&) const = default;
};

struct NodeSelector {
  std::vector<NodeSelectorTerm> node_selector_terms;  // any one of them suffices
  bool operator==(const NodeSelector&) const = default;
};

}  // namespace keelson::kube
