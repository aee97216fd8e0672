#include "agent/cluster/status_patch.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "kube/codec.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kOthersFields = {"nominatedNodeName", "resize", "conditions"};
// Lists that the API server merges by a key: to drop an element, the list says that it replaces the whole.
constexpr std::array<std::string_view, 2> kMergedLists = {"podIPs", "hostIPs"};

// Ours, and gone when they no longer hold.
constexpr std::array<const char*, 2> kPassingConditions = {"PodResizePending", "PodResizeInProgress"};

template <std::size_t N>
bool is_among(const std::array<std::string_view, N>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const json* condition_of(const json& status, const json& type) {
  const auto list = status.find("conditions");
  if (list == status.end()) return nullptr;
  const auto it = std::find_if(list->begin(), list->end(), [&](const json& c) { return c.at("type") == type; });
  return it == list->end() ? nullptr : &*it;
}

// The server merges a condition into the one of its type: a field that is gone must be taken away by name.
json condition_patch(const json* before, const json& now) {
  json out = now;
  if (before == nullptr) return out;
  for (const auto& [name, value] : before->items()) {
    if (!now.contains(name)) out[name] = nullptr;
  }
  return out;
}

json changed_conditions(const json& before, const json& after) {
  json out = json::array();
  for (const auto& condition : after.value("conditions", json::array())) {
    const auto* old = condition_of(before, condition.at("type"));
    if (old == nullptr || *old != condition) out.push_back(condition_patch(old, condition));
  }
  for (const auto* type : kPassingConditions) {
    if (condition_of(before, type) != nullptr && condition_of(after, type) == nullptr)
      out.push_back({{"type", type}, {"$patch", "delete"}});
  }
  return out;
}

}  // namespace

std::optional<json> status_patch(const std::string& uid, const kube::PodStatus& api, const kube::PodStatus& ours) {
  const json before = kube::encode(api), after = kube::encode(ours);
  json status = json::object();
  for (const auto& [name, value] : after.items()) {
    if (is_among(kOthersFields, name)) continue;
    if (const auto it = before.find(name); it != before.end() && *it == value) continue;
    status[name] = value;
    if (is_among(kMergedLists, name)) status[name].insert(status[name].begin(), json{{"$patch", "replace"}});
  }
  for (const auto& [name, value] : before.items()) {
    if (!after.contains(name) && !is_among(kOthersFields, name)) status[name] = nullptr;
  }
  if (auto conditions = changed_conditions(before, after); !conditions.empty())
    status["conditions"] = std::move(conditions);
  if (status.empty()) return std::nullopt;
  return json{{"metadata", {{"uid", uid}}}, {"status", std::move(status)}};
}

bool more_will_follow(const kube::PodStatus& api, const kube::PodStatus& ours) {
  return api.start_time && api.phase == "Pending" && ours.phase == "Pending";
}

}  // namespace keelson::agent
