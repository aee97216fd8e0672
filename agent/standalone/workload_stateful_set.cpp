// StatefulSet: ordinals that keep their name and their claims. After upstream's pkg/controller/statefulset.
#include <algorithm>

#include "agent/standalone/workload_common.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kRevision = "controller-revision-hash";

class Ordinals {
 public:
  Ordinals(const ExpandContext& context, const kube::StatefulSet& set)
      : ctx_(context), set_(set), owner_(make_owner("apps/v1", "StatefulSet", set.metadata)),
        hash_(set.metadata.name + "-" + template_hash(set.spec.pod_template)),
        start_(set.spec.ordinals ? set.spec.ordinals->start : 0), replicas_(set.spec.replicas.value_or(1)),
        ordered_(set.spec.pod_management_policy != "Parallel") {
    for (const auto* p : owned_pods(ctx_, owner_)) pods_[p->pod->metadata.name].push_back(p);
  }

  void run() {
    WorkloadStatus status{"StatefulSet", owner_.ns, owner_.name, replicas_};
    const int update = next_to_update();
    bool before_ready = true;
    for (int i = start_; i < start_ + replicas_; ++i) {
      for (const auto& claim : set_.spec.volume_claim_templates) want_claim(claim, i);
      const auto* p = running(i);
      const bool is_current = p != nullptr && label_of(*p->pod, kRevision) == hash_;
      if (p != nullptr && (is_current || i != update)) {
        ctx_.out.pods.push_back(p->pod);
        ++status.current;
        status.ready += ready(*p) ? 1 : 0;
        status.up_to_date += is_current ? 1 : 0;
      } else if (p != nullptr || before_ready || !ordered_) {
        ctx_.out.pods.push_back(make(i));
        ++status.current;
        ++status.up_to_date;
      } else {
        status.message = name(i) + " waits for the pods before it to be ready";
      }
      before_ready = before_ready && p != nullptr && ready(*p);
    }
    keep_surplus();
    ctx_.out.workloads.push_back(std::move(status));
  }

 private:
  [[nodiscard]] std::string name(int ordinal) const { return owner_.name + "-" + std::to_string(ordinal); }

  [[nodiscard]] const ExistingPod* running(int ordinal) const {
    const auto it = pods_.find(name(ordinal));
    if (it == pods_.end()) return nullptr;
    const auto p = std::find_if(it->second.begin(), it->second.end(), [](const auto* x) { return !x->stopping; });
    return p == it->second.end() ? nullptr : *p;
  }

  // The highest ordinal of an earlier template, once every pod above it is new and ready and all others are ready too.
  // A pod that is broken does not hold its own replacement back.
  [[nodiscard]] int next_to_update() const {
    if (set_.spec.update_strategy.type == "OnDelete") return -1;
    const auto& rolling = set_.spec.update_strategy.rolling_update;
    const int partition = rolling && rolling->partition ? *rolling->partition : 0;
    for (int i = start_ + replicas_ - 1; i >= std::max(start_, partition); --i) {
      const auto* p = running(i);
      if (p == nullptr) return -1;
      if (label_of(*p->pod, kRevision) != hash_) return i;
      if (!available(ctx_, *p, set_.spec.min_ready_seconds)) return -1;
    }
    return -1;
  }

  // Scaling down takes the highest first, one at a time where the order counts.
  void keep_surplus() {
    int highest = -1;
    for (const auto& [pod_name, list] : pods_) highest = std::max(highest, ordinal_of(pod_name));
    for (int i = start_ + replicas_; ordered_ && i < highest; ++i) {
      if (const auto* p = running(i)) ctx_.out.pods.push_back(p->pod);
    }
  }

  [[nodiscard]] int ordinal_of(const std::string& pod_name) const {
    return std::atoi(pod_name.c_str() + std::min(pod_name.size(), owner_.name.size() + 1));
  }

  [[nodiscard]] std::string claim_name(const kube::PersistentVolumeClaim& claim, int ordinal) const {
    return claim.metadata.name + "-" + name(ordinal);
  }

  void want_claim(const kube::PersistentVolumeClaim& claim_template, int ordinal) {
    auto claim = std::make_shared<kube::PersistentVolumeClaim>(claim_template);
    claim->metadata.name = claim_name(claim_template, ordinal);
    claim->metadata.ns = owner_.ns;
    ctx_.out.claims.push_back(std::move(claim));
  }

  [[nodiscard]] std::shared_ptr<const kube::Pod> make(int ordinal) const {
    auto pod = pod_from_template(ctx_, owner_, set_.spec.pod_template, name(ordinal), hash_,
                                 {{kRevision, hash_},
                                  {"statefulset.kubernetes.io/pod-name", name(ordinal)},
                                  {"apps.kubernetes.io/pod-index", std::to_string(ordinal)}});
    pod->spec.hostname = name(ordinal);
    pod->spec.subdomain = set_.spec.service_name;
    for (const auto& claim : set_.spec.volume_claim_templates) {
      std::erase_if(pod->spec.volumes, [&](const auto& v) { return v.name == claim.metadata.name; });
      kube::Volume volume;
      volume.name = claim.metadata.name;
      volume.persistent_volume_claim.emplace().claim_name = claim_name(claim, ordinal);
      pod->spec.volumes.push_back(std::move(volume));
    }
    return pod;
  }

  const ExpandContext& ctx_;
  const kube::StatefulSet& set_;
  Owner owner_;
  std::string hash_;
  int start_, replicas_;
  bool ordered_;
  std::map<std::string, std::vector<const ExistingPod*>> pods_;
};

}  // namespace

void expand_stateful_set(const ExpandContext& context, const kube::StatefulSet& set) { Ordinals(context, set).run(); }

}  // namespace keelson::agent
