#include "agent/standalone/manifests.hpp"

#include <nlohmann/json.hpp>

#include "agent/standalone/workload_common.hpp"
#include "kube/codec.hpp"
#include "kube/object.hpp"
#include "kube/yaml.hpp"

namespace keelson::agent {
namespace {

class Loader {
 public:
  void load(const ManifestFile& file) {
    const auto parsed = kube::parse_yaml(file.text, file.name);
    for (const auto& error : parsed.errors) out_.problems.push_back({file.name, "", error.message});
    for (const auto& document : parsed.documents) load_document(file.name, *document.json);
  }

  ManifestSet take() { return std::move(out_); }

 private:
  void load_document(const std::string& file, const nlohmann::json& json) {
    kube::Warnings warnings;
    auto object = kube::load_object(json, &warnings);
    if (!object) {
      out_.problems.push_back(problem_of(file, kube::describe(json), object.error().message));
      return;
    }
    const auto name = kube::describe(*object);
    for (const auto& warning : warnings) out_.warnings.push_back({file, name, warning});
    if (const auto [it, fresh] = out_.files.emplace(name, file); !fresh) {
      out_.problems.push_back({file, name, "metadata.name: duplicate: " + it->second + " has a " + name + " already"});
      return;
    }
    std::visit([this](auto&& value) { keep(std::move(value)); }, std::move(*object));
  }

  // An error that begins with the object's full name ("Pod default/web: ...") says better than the raw document which
  // object it is about.
  static SourceProblem problem_of(const std::string& file, std::string object, std::string message) {
    const auto kind = object.substr(0, object.find(' '));
    const auto end = message.find(": ");
    if (message.starts_with(kind + " ") && end != std::string::npos) {
      object = message.substr(0, end);
      message.erase(0, end + 2);
    }
    return {file, std::move(object), std::move(message)};
  }

  template <class T>
  void keep(T&& value, kube::ObjectMap<T>& map) {
    auto key = kube::object_key(value.metadata);
    map.emplace(std::move(key), std::make_shared<const T>(std::forward<T>(value)));
  }
  // A bare Pod's UID follows from what it says, so an edited one is another pod of the same name. That part of it is
  // made here, once, and not each time the set is expanded.
  void keep(kube::Pod&& v) {
    v.status = {};
    v.metadata.creation_timestamp.reset();
    v.metadata.uid = stable_uid("Pod/" + kube::encode(v).dump());
    keep(std::move(v), out_.pods);
  }
  void keep(kube::Deployment&& v) { keep(std::move(v), out_.deployments); }
  void keep(kube::ReplicaSet&& v) { keep(std::move(v), out_.replica_sets); }
  void keep(kube::StatefulSet&& v) { keep(std::move(v), out_.stateful_sets); }
  void keep(kube::DaemonSet&& v) { keep(std::move(v), out_.daemon_sets); }
  void keep(kube::Job&& v) { keep(std::move(v), out_.jobs); }
  void keep(kube::Service&& v) { keep(std::move(v), out_.services); }
  void keep(kube::EndpointSlice&& v) { keep(std::move(v), out_.slices); }
  void keep(kube::ConfigMap&& v) { keep(std::move(v), out_.config_maps); }
  void keep(kube::Secret&& v) { keep(std::move(v), out_.secrets); }
  void keep(kube::PersistentVolume&& v) { keep(std::move(v), out_.volumes); }
  void keep(kube::PersistentVolumeClaim&& v) { keep(std::move(v), out_.claims); }

  ManifestSet out_;
};

}  // namespace

bool is_manifest_name(const std::string& name) {
  if (name.starts_with(".") || name.starts_with("#") || name.ends_with("~")) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

ManifestSet load_manifests(const std::vector<ManifestFile>& files) {
  Loader loader;
  for (const auto& file : files) loader.load(file);
  return loader.take();
}

}  // namespace keelson::agent
