#include "agent/node/node_patch.hpp"

#include <nlohmann/json.hpp>

#include "kube/client/resource.hpp"
#include "kube/codec.hpp"

namespace keelson::agent {
namespace {

using Json = nlohmann::json;

const Json& at(const Json& object, const char* name) {
  static const Json kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

// Merge patch from one object (or nothing) to another; other values, lists among them, are replaced whole.
Json merge_diff(const Json& before, const Json& after) {
  Json patch = Json::object();
  if (after.is_object()) {
    for (const auto& [name, value] : after.items()) {
      const Json& was = before.is_object() ? at(before, name.c_str()) : at(Json::object(), name.c_str());
      if (was == value) continue;
      patch[name] = value.is_object() && was.is_object() ? merge_diff(was, value) : value;
    }
  }
  if (before.is_object()) {
    for (const auto& [name, value] : before.items()) {
      if (!after.is_object() || !after.contains(name)) patch[name] = nullptr;
    }
  }
  return patch;
}

// Conditions merge by type: each that differs, with what differs.
Json conditions_diff(const Json& before, const Json& after) {
  Json patch = Json::array();
  for (const Json& condition : after) {
    Json was;
    for (const Json& other : before) {
      if (other.at("type") == condition.at("type")) was = other;
    }
    if (was == condition) continue;
    Json entry = was.is_null() ? condition : merge_diff(was, condition);
    entry["type"] = condition.at("type");
    patch.push_back(std::move(entry));
  }
  return patch;
}

Json addresses_patch(const Json& after) {
  Json patch = after.is_array() ? after : Json::array();
  patch.push_back({{"$patch", "replace"}});
  return patch;
}

Json status_diff(Json before, Json after) {
  const Json conditions = conditions_diff(at(before, "conditions"), at(after, "conditions"));
  const bool moved = at(before, "addresses") != at(after, "addresses");
  const Json addresses = at(after, "addresses");
  for (const char* name : {"conditions", "addresses"}) {
    before.erase(name);
    after.erase(name);
  }
  Json patch = merge_diff(before, after);
  if (!conditions.empty()) patch["conditions"] = conditions;
  if (moved) patch["addresses"] = addresses_patch(addresses);
  return patch;
}

void drop_heartbeats(kube::NodeStatus& status) {
  for (auto& condition : status.conditions) condition.last_heartbeat_time.reset();
}

Json parts(kube::Node node) {
  drop_heartbeats(node.status);
  node.spec = {};
  Json all = kube::encode(node);
  return {{"labels", at(at(all, "metadata"), "labels")},
          {"annotations", at(at(all, "metadata"), "annotations")},
          {"status", at(all, "status")}};
}

}  // namespace

std::optional<std::string> node_status_patch(const kube::Node& before, const kube::Node& after) {
  const Json old = kube::encode(before);
  const Json wanted = kube::encode(after);
  Json patch = Json::object();
  for (const char* map : {"labels", "annotations"}) {
    const Json diff = merge_diff(at(at(old, "metadata"), map), at(at(wanted, "metadata"), map));
    if (!diff.empty()) patch["metadata"][map] = diff;
  }
  const Json status = status_diff(at(old, "status"), at(wanted, "status"));
  if (!status.empty()) patch["status"] = status;
  if (patch.empty()) return std::nullopt;
  return kube::to_text(patch);
}

NodeChange node_change(const kube::Node& before, const kube::Node& after) {
  const Json old = parts(before);
  const Json now = parts(after);
  if (old == now) return NodeChange::none;
  for (const char* waited_for : {"conditions", "volumesInUse"}) {
    if (at(at(old, "status"), waited_for) != at(at(now, "status"), waited_for)) return NodeChange::urgent;
  }
  return NodeChange::minor;
}

SteadyTime ReportSchedule::due(NodeChange change) const {
  using Duration = SteadyTime::duration;
  if (!last_ || change == NodeChange::urgent) return SteadyTime::min();
  if (change == NodeChange::minor) return *last_ + std::chrono::duration_cast<Duration>(update_);
  return *last_ + std::chrono::duration_cast<Duration>(report_ + extra_);
}

void ReportSchedule::sent(NodeChange change, SteadyTime now, double spread) {
  const bool fresh = change != NodeChange::none || !last_;
  const double extra = fresh ? static_cast<double>(report_.count()) * (spread - 0.5) : 0;
  extra_ = Nanoseconds(static_cast<std::int64_t>(extra));
  last_ = now;
}

}  // namespace keelson::agent
