// Defaults, as the API server sets them on objects that it stores (pkg/apis/{core,apps,batch}/v1/defaults.go).
// All are idempotent and change only what is absent.
#pragma once

#include <string>
#include <string_view>

namespace keelson::kube {

struct ConfigMap;
struct DaemonSet;
struct Deployment;
struct EndpointSlice;
struct Job;
struct PersistentVolume;
struct PersistentVolumeClaim;
struct PersistentVolumeClaimSpec;
struct Pod;
struct PodSpec;
struct ReplicaSet;
struct Secret;
struct Service;
struct StatefulSet;

void set_defaults(ConfigMap& object);
void set_defaults(DaemonSet& object);
void set_defaults(Deployment& object);
void set_defaults(EndpointSlice& object);
void set_defaults(Job& object);
void set_defaults(PersistentVolume& object);
void set_defaults(PersistentVolumeClaim& object);
void set_defaults(PersistentVolumeClaimSpec& spec);
// A pod's own defaults go beyond its spec's: requests from limits, enableServiceLinks. A pod that was made from a
// template needs them too.
void set_defaults(Pod& object);
// What the template of a workload gets.
void set_defaults(PodSpec& spec);
void set_defaults(ReplicaSet& object);
// Also moves stringData into data, as storing the Secret would.
void set_defaults(Secret& object);
void set_defaults(Service& object);
void set_defaults(StatefulSet& object);

// "Always" when the image's tag is latest or absent (and there is no digest), else "IfNotPresent".
[[nodiscard]] std::string default_pull_policy(std::string_view image);

}  // namespace keelson::kube
