#include "agent/standalone/remembered.hpp"

#include <nlohmann/json.hpp>

#include "agent/standalone/each_kind.hpp"
#include "kube/codec.hpp"
#include "kube/object.hpp"

namespace keelson::agent {

std::string encode_manifests(const ManifestSet& set, const std::string& folder) {
  auto objects = nlohmann::json::array();
  each_kind(set, [&](const auto& map) {
    for (const auto& [key, object] : map) objects.push_back(kube::encode(*object));
  });
  return nlohmann::json{{"folder", folder}, {"files", set.files}, {"objects", std::move(objects)}}.dump();
}

Result<ManifestSet> decode_manifests(const std::string& text, const std::string& folder) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto no_set = make_error(Errc::invalid_argument, "no record of manifests");
  if (!json.is_object() || !json.contains("files") || !json.contains("objects")) return no_set;
  if (!json["files"].is_object() || !json["objects"].is_array()) return no_set;
  ManifestSet out;
  if (json.value("folder", nlohmann::json()) != nlohmann::json(folder)) return out;
  for (const auto& item : json["objects"]) {
    auto object = kube::decode_object(item);
    if (!object) continue;
    const auto name = kube::describe(*object);
    const auto file = json["files"].find(name);
    if (file == json["files"].end() || !file->is_string()) continue;
    out.files.emplace(name, file->get<std::string>());
    std::visit(
        [&](auto&& value) {
          using T = std::decay_t<decltype(value)>;
          auto key = kube::object_key(value.metadata);
          map_of<T>(out).emplace(std::move(key), std::make_shared<const T>(std::forward<decltype(value)>(value)));
        },
        std::move(*object));
  }
  return out;
}

}  // namespace keelson::agent
