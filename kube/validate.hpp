// Validation: what the API server would refuse, for objects that never saw one. Run it after set_defaults().
// Follows pkg/apis/{core,apps,batch,discovery}/validation of Kubernetes, for the fields that Keelson carries.
#pragma once

#include <vector>

#include "kube/field_error.hpp"

namespace keelson::kube {

struct ConfigMap;
struct DaemonSet;
struct Deployment;
struct EndpointSlice;
struct Job;
struct PersistentVolume;
struct PersistentVolumeClaim;
struct Pod;
struct ReplicaSet;
struct Secret;
struct Service;
struct StatefulSet;

// Each: everything that is wrong, empty when the object is sound. A pod's status is not looked at.
[[nodiscard]] std::vector<FieldError> validate(const ConfigMap& object);
[[nodiscard]] std::vector<FieldError> validate(const DaemonSet& object);
[[nodiscard]] std::vector<FieldError> validate(const Deployment& object);
[[nodiscard]] std::vector<FieldError> validate(const EndpointSlice& object);
[[nodiscard]] std::vector<FieldError> validate(const Job& object);
[[nodiscard]] std::vector<FieldError> validate(const PersistentVolume& object);
[[nodiscard]] std::vector<FieldError> validate(const PersistentVolumeClaim& object);
[[nodiscard]] std::vector<FieldError> validate(const Pod& object);
[[nodiscard]] std::vector<FieldError> validate(const ReplicaSet& object);
[[nodiscard]] std::vector<FieldError> validate(const Secret& object);
[[nodiscard]] std::vector<FieldError> validate(const Service& object);
[[nodiscard]] std::vector<FieldError> validate(const StatefulSet& object);

}  // namespace keelson::kube
