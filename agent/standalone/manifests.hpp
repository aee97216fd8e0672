// The files of the manifest folder, as objects. Pure: reading the folder is the source's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kube/endpoint_slice.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"
#include "kube/workload.hpp"

namespace keelson::agent {

// Something in the folder that cannot be used, for the log, `get` and `explain`.
struct SourceProblem {
  std::string file;     // "web.yaml"
  std::string object;   // "Pod default/web"; empty where none can be told
  std::string message;  // with the field's path, where it is about one
  bool operator==(const SourceProblem&) const = default;
  auto operator<=>(const SourceProblem&) const = default;
};

struct ManifestFile {
  std::string name;
  std::string text;
};

// All objects of the folder, decoded, with defaults, valid. By "namespace/name" (PersistentVolumes by name).
struct ManifestSet {
  kube::ObjectMap<kube::Pod> pods;  // metadata.uid: a hash of their content
  kube::ObjectMap<kube::Deployment> deployments;
  kube::ObjectMap<kube::ReplicaSet> replica_sets;
  kube::ObjectMap<kube::StatefulSet> stateful_sets;
  kube::ObjectMap<kube::DaemonSet> daemon_sets;
  kube::ObjectMap<kube::Job> jobs;
  kube::ObjectMap<kube::Service> services;
  kube::ObjectMap<kube::EndpointSlice> slices;
  kube::ObjectMap<kube::ConfigMap> config_maps;
  kube::ObjectMap<kube::Secret> secrets;
  kube::ObjectMap<kube::PersistentVolume> volumes;
  kube::ObjectMap<kube::PersistentVolumeClaim> claims;
  std::map<std::string, std::string> files;  // "Pod default/web" -> the file that holds it
  std::vector<SourceProblem> problems;
  std::vector<SourceProblem> warnings;  // fields that nothing here reads
};

// Whether the folder's entry of that name is a manifest: *.yaml, *.yml, *.json; not hidden, not an editor's left-over.
[[nodiscard]] bool is_manifest_name(const std::string& name);

// Reads every object of every file, in the order given. Of two objects of the same kind and name the first counts; the
// other is a problem that names both files.
[[nodiscard]] ManifestSet load_manifests(const std::vector<ManifestFile>& files);

}  // namespace keelson::agent
