#include "agent/pod/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/log.hpp"
#include "kube/codec.hpp"

namespace keelson::agent {
namespace {

using Json = nlohmann::json;

Json encode_backoff(const std::map<std::string, BackoffState>& backoff) {
  Json out = Json::object();
  for (const auto& [name, state] : backoff) {
    out[name] = {{"delayNanos", state.delay.count()},
                 {"lastUpdateNanos", state.last_update.time_since_epoch().count()}};
  }
  return out;
}

std::map<std::string, BackoffState> decode_backoff(const Json& json) {
  std::map<std::string, BackoffState> out;
  for (const auto& [name, state] : json.items()) {
    out[name] = {Nanoseconds(state.at("delayNanos").get<std::int64_t>()),
                 SystemTime(Nanoseconds(state.at("lastUpdateNanos").get<std::int64_t>()))};
  }
  return out;
}

// As containers that have nothing but a name and resources: the one codec there is for them.
Json encode_actuated(const ActuatedMap& actuated) {
  Json out = Json::array();
  for (const auto& [name, resources] : actuated) {
    kube::Container c;
    c.name = name;
    c.resources = resources;
    out.push_back(kube::encode(c));
  }
  return out;
}

Result<ActuatedMap> decode_actuated(const Json& json) {
  ActuatedMap out;
  for (const auto& item : json) {
    TRY(auto c, kube::decode<kube::Container>(item));
    out[c.name] = std::move(c.resources);
  }
  return out;
}

std::filesystem::path file_in(const std::filesystem::path& pod_dir) { return pod_dir / "keelson.json"; }

}  // namespace

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  const Json json = {{"version", 1},
                     {"pod", kube::encode(*checkpoint.pod)},
                     {"status", kube::encode(checkpoint.status)},
                     {"backoff", encode_backoff(checkpoint.backoff)},
                     {"actuated", encode_actuated(checkpoint.actuated)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Checkpoint> decode_checkpoint(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Checkpoint out;
    TRY(auto pod, kube::decode<kube::Pod>(json.at("pod")));
    out.pod = std::make_shared<const kube::Pod>(std::move(pod));
    TRY(out.status, kube::decode<kube::PodStatus>(json.at("status")));
    out.backoff = decode_backoff(json.at("backoff"));
    TRY(out.actuated, decode_actuated(json.value("actuated", Json::array())));
    return out;
  } catch (const Json::exception& e) {
    return make_error(Errc::invalid_argument, e.what());
  }
}

std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& pod_dir) {
  const auto text = read_file(file_in(pod_dir));
  if (!text) {
    if (text.error().code != Errc::not_found) log_warn("pod checkpoint not readable", {{"error", text.error()}});
    return std::nullopt;
  }
  auto checkpoint = decode_checkpoint(*text);
  if (!checkpoint) {
    log_warn("pod checkpoint not readable", {{"file", file_in(pod_dir).string()}, {"error", checkpoint.error()}});
    return std::nullopt;
  }
  return std::move(*checkpoint);
}

Result<void> store_checkpoint(const std::filesystem::path& pod_dir, const Checkpoint& checkpoint) {
  return write_file_atomic(file_in(pod_dir), encode_checkpoint(checkpoint), 0600, Durability::volatile_ok);
}

}  // namespace keelson::agent
