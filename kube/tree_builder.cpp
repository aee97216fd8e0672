#include "kube/tree_builder.hpp"

namespace keelson::kube {
namespace {

// So that aliases of one long string cannot fill the memory.
std::size_t cost_of(const nlohmann::json& scalar) {
  constexpr std::size_t kBytesPerValue = 64;
  return 1 + (scalar.is_string() ? scalar.get_ref<const std::string&>().size() / kBytesPerValue : 0);
}

}  // namespace

void TreeBuilder::spend(std::size_t cost, std::size_t line) {
  cost_ += cost;
  if (cost_ > limits_.max_nodes) {
    throw BrokenDocument(line, "more than " + std::to_string(limits_.max_nodes) + " values (aliases expanded)");
  }
}

void TreeBuilder::scalar(nlohmann::json value, std::size_t anchor, std::size_t line) {
  std::size_t cost = cost_of(value);
  spend(cost, line);
  if (anchor != 0) anchors_[anchor] = {value, cost};
  if (wants_key()) return set_key(value, line);
  place(std::move(value), line);
}

void TreeBuilder::merge_key() {
  open_.back().has_key = true;
  open_.back().merging = true;
}

void TreeBuilder::begin(bool map, std::size_t anchor, std::size_t line) {
  if (wants_key()) throw BrokenDocument(line, "a key must be a scalar");
  if (open_.size() >= limits_.max_depth) {
    throw BrokenDocument(line, "nested deeper than " + std::to_string(limits_.max_depth));
  }
  spend(1, line);
  open_.push_back({map ? nlohmann::json::object() : nlohmann::json::array(), map, anchor, line, cost_ - 1});
}

void TreeBuilder::end() {
  Open closed = std::move(open_.back());
  open_.pop_back();
  for (const nlohmann::json& source : closed.merges) merge_into(closed.value, source, closed.line);
  if (closed.anchor != 0) anchors_[closed.anchor] = {closed.value, cost_ - closed.cost_before};
  place(std::move(closed.value), closed.line);
}

void TreeBuilder::alias(std::size_t anchor, std::size_t line) {
  auto it = anchors_.find(anchor);
  if (it == anchors_.end()) throw BrokenDocument(line, "an alias stands inside the value it names");
  spend(it->second.cost, line);
  if (!wants_key()) return place(it->second.value, line);
  if (it->second.value.is_structured()) throw BrokenDocument(line, "a key must be a scalar");
  set_key(it->second.value, line);
}

void TreeBuilder::set_key(const nlohmann::json& value, std::size_t line) {
  if (value.is_null()) throw BrokenDocument(line, "a key must not be null");
  Open& map = open_.back();
  map.key = value.is_string() ? value.get<std::string>() : value.dump();
  map.has_key = true;
  if (map.value.contains(map.key)) throw BrokenDocument(line, "duplicate key \"" + map.key + '"');
}

void TreeBuilder::place(nlohmann::json value, std::size_t line) {
  if (open_.empty()) {
    root_ = std::move(value);
    done_ = true;
    return;
  }
  Open& parent = open_.back();
  if (!parent.map) {
    parent.value.push_back(std::move(value));
  } else if (parent.merging) {
    if (!value.is_structured()) throw BrokenDocument(line, "\"<<\" needs a map or a list of maps");
    parent.merges.push_back(std::move(value));
  } else {
    parent.value[parent.key] = std::move(value);
  }
  parent.has_key = false;
  parent.merging = false;
}

// What the map says itself stands; of several merged maps, the earlier ones win.
void TreeBuilder::merge_into(nlohmann::json& target, const nlohmann::json& source, std::size_t line) {
  if (source.is_array()) {
    for (const nlohmann::json& element : source) {
      if (!element.is_object()) throw BrokenDocument(line, "\"<<\" needs a map or a list of maps");
      merge_into(target, element, line);
    }
    return;
  }
  for (auto it = source.begin(); it != source.end(); ++it) {
    if (!target.contains(it.key())) target[it.key()] = it.value();
  }
}

}  // namespace keelson::kube
