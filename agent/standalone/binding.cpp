#include "agent/standalone/binding.hpp"

#include <algorithm>

#include "agent/standalone/workload_common.hpp"
#include "kube/labels.hpp"

namespace keelson::agent {
namespace {

using kube::PersistentVolume;
using kube::PersistentVolumeClaim;

kube::Quantity storage(const kube::ResourceList& list) {
  const auto it = list.find("storage");
  return it == list.end() ? kube::Quantity() : it->second;
}

std::string class_of(const PersistentVolumeClaim& claim) { return claim.spec.storage_class_name.value_or(""); }

bool names(const PersistentVolumeClaim& claim, const PersistentVolume& volume) {
  const auto& ref = volume.spec.claim_ref;
  return ref && ref->name == claim.metadata.name && ref->ns == claim.metadata.ns;
}

// Why the volume does not fit the claim; empty: it does. A volume that names the claim was chosen by somebody: its
// class and labels do not matter. Nor do its labels when the claim names it.
std::string misfit(const PersistentVolumeClaim& claim, const PersistentVolume& volume) {
  const bool chosen = names(claim, volume);
  if (!chosen && class_of(claim) != volume.spec.storage_class_name) {
    return "storageClassName \"" + volume.spec.storage_class_name + "\" is not \"" + class_of(claim) + "\"";
  }
  if (storage(volume.spec.capacity) < storage(claim.spec.resources.requests)) {
    return "capacity " + storage(volume.spec.capacity).to_string() + " is less than " +
           storage(claim.spec.resources.requests).to_string();
  }
  for (const auto& mode : claim.spec.access_modes) {
    const auto& modes = volume.spec.access_modes;
    if (std::find(modes.begin(), modes.end(), mode) == modes.end()) return "it has no access mode " + mode;
  }
  if (claim.spec.volume_mode != volume.spec.volume_mode) return "volumeMode is " + volume.spec.volume_mode;
  const bool asked_for = chosen || claim.spec.volume_name == volume.metadata.name;
  if (!asked_for && claim.spec.selector && !kube::matches(*claim.spec.selector, volume.metadata.labels)) {
    return "the claim's selector does not match its labels";
  }
  return {};
}

bool reserved_for_other(const PersistentVolume& volume, const PersistentVolumeClaim& claim) {
  return volume.spec.claim_ref && !names(claim, volume);
}

class Binder {
 public:
  Binder(const kube::ObjectMap<PersistentVolumeClaim>& claims, const kube::ObjectMap<PersistentVolume>& volumes,
         const std::map<std::string, std::string>& previous)
      : claims_(claims), volumes_(volumes), previous_(previous) {}

  Bindings run() {
    for (const auto& [key, claim] : claims_) keep_bound(key, *claim);
    for (const auto& [key, claim] : claims_) bind_named(key, *claim);
    for (const auto& [key, claim] : claims_) bind_fitting(key, *claim);
    for (const auto& [key, claim] : claims_) finish_claim(key, *claim);
    for (const auto& [name, volume] : volumes_) finish_volume(name, *volume);
    return std::move(out_);
  }

 private:
  // What a claim had before it keeps, whatever others ask for.
  void keep_bound(const std::string& key, const PersistentVolumeClaim& claim) {
    const auto it = previous_.find(key);
    if (it == previous_.end()) return;
    if (claim.spec.volume_name.empty() || claim.spec.volume_name == it->second) try_bind(key, claim, it->second, false);
  }

  // Volumes that the claim names, or that name the claim.
  void bind_named(const std::string& key, const PersistentVolumeClaim& claim) {
    if (out_.bound.count(key) > 0) return;
    if (!claim.spec.volume_name.empty()) {
      try_bind(key, claim, claim.spec.volume_name, true);
      return;
    }
    for (const auto& [name, volume] : volumes_) {
      if (volume->spec.claim_ref && !reserved_for_other(*volume, claim) && try_bind(key, claim, name, false)) return;
    }
  }

  void bind_fitting(const std::string& key, const PersistentVolumeClaim& claim) {
    if (out_.bound.count(key) > 0 || !claim.spec.volume_name.empty()) return;
    const PersistentVolume* best = nullptr;
    for (const auto& [name, volume] : volumes_) {
      if (taken_.count(name) > 0 || reserved_for_other(*volume, claim) || !misfit(claim, *volume).empty()) continue;
      if (best == nullptr || storage(volume->spec.capacity) < storage(best->spec.capacity)) best = volume.get();
    }
    if (best != nullptr) {
      try_bind(key, claim, best->metadata.name, true);
      return;
    }
    reasons_[key] =
        volumes_.empty() ? "the folder has no PersistentVolume" : "no PersistentVolume fits" + near_misses(claim);
  }

  bool try_bind(const std::string& key, const PersistentVolumeClaim& claim, const std::string& name, bool explain) {
    const auto it = volumes_.find(name);
    std::string why;
    if (it == volumes_.end()) {
      why = "PersistentVolume " + name + " is not in the folder";
    } else if (const auto owner = taken_.find(name); owner != taken_.end()) {
      why = "PersistentVolume " + name + " is bound to " + owner->second;
    } else if (reserved_for_other(*it->second, claim)) {
      why = "PersistentVolume " + name + " is reserved for another claim";
    } else {
      why = misfit(claim, *it->second);
      if (!why.empty()) why = "PersistentVolume " + name + ": " + why;
    }
    if (why.empty()) {
      taken_[name] = key;
      out_.bound[key] = name;
      return true;
    }
    if (explain) reasons_[key] = why;
    return false;
  }

  [[nodiscard]] std::string near_misses(const PersistentVolumeClaim& claim) const {
    std::string out;
    for (const auto& [name, volume] : volumes_) {
      std::string why = misfit(claim, *volume);
      if (const auto owner = taken_.find(name); owner != taken_.end()) why = "bound to " + owner->second;
      if (why.empty()) why = "reserved for another claim";
      out += (out.empty() ? ": " : "; ") + name + ": " + why;
    }
    return out;
  }

  void finish_claim(const std::string& key, const PersistentVolumeClaim& claim) {
    auto copy = std::make_shared<PersistentVolumeClaim>(claim);
    if (copy->metadata.uid.empty()) copy->metadata.uid = stable_uid("PersistentVolumeClaim/" + key);
    const auto it = out_.bound.find(key);
    copy->status.phase = it == out_.bound.end() ? "Pending" : "Bound";
    if (it != out_.bound.end()) {
      const auto& volume = *volumes_.at(it->second);
      copy->spec.volume_name = it->second;
      copy->status.access_modes = volume.spec.access_modes;
      copy->status.capacity = volume.spec.capacity;
    } else {
      out_.problems.push_back({"", "PersistentVolumeClaim " + key, "PVC is not bound: " + reasons_[key]});
    }
    out_.claims[key] = std::move(copy);
  }

  void finish_volume(const std::string& name, const PersistentVolume& volume) {
    auto copy = std::make_shared<PersistentVolume>(volume);
    const auto it = taken_.find(name);
    copy->status.phase = it == taken_.end() ? "Available" : "Bound";
    if (it != taken_.end()) {
      const auto& claim = *out_.claims.at(it->second);
      auto& ref = copy->spec.claim_ref.emplace();
      ref.api_version = "v1";
      ref.kind = PersistentVolumeClaim::kKind;
      ref.ns = claim.metadata.ns;
      ref.name = claim.metadata.name;
      ref.uid = claim.metadata.uid;
    }
    out_.volumes[name] = std::move(copy);
  }

  const kube::ObjectMap<PersistentVolumeClaim>& claims_;
  const kube::ObjectMap<PersistentVolume>& volumes_;
  const std::map<std::string, std::string>& previous_;
  std::map<std::string, std::string> taken_;    // volume -> claim
  std::map<std::string, std::string> reasons_;  // claim -> why it has no volume
  Bindings out_;
};

}  // namespace

Bindings bind_claims(const kube::ObjectMap<PersistentVolumeClaim>& claims,
                     const kube::ObjectMap<PersistentVolume>& volumes,
                     const std::map<std::string, std::string>& previous) {
  return Binder(claims, volumes, previous).run();
}

}  // namespace keelson::agent
