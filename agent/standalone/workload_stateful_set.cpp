// StatefulSet: ordinals that keep their name and their claims. After upstream's pkg/controller/statefulset.
#include <algorithm>
#include <charconv>

#include "agent/standalone/workload_common.hpp"

namespace keelson::agent {
namespace {

std::string claim_name(const kube::PersistentVolumeClaim& claim, const std::string& pod_name) {
  return claim.metadata.name + "-" + pod_name;
}

std::shared_ptr<const kube::PersistentVolumeClaim> make_claim(const kube::PersistentVolumeClaim& claim_template,
                                                              const std::string& ns, const std::string& pod_name) {
  auto claim = std::make_shared<kube::PersistentVolumeClaim>(claim_template);
  claim->metadata.name = claim_name(claim_template, pod_name);
  claim->metadata.ns = ns;
  return claim;
}

// The number at the end of `name`, which begins with `prefix`.
std::optional<int> number_after(const std::string& prefix, const std::string& name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  int out = 0;
  const auto* end = name.data() + name.size();
  const auto [at, ec] = std::from_chars(name.data() + prefix.size(), end, out);
  if (ec != std::errc() || at != end || name != prefix + std::to_string(out)) return std::nullopt;
  return out;
}

int first_ordinal(const kube::StatefulSetSpec& spec) { return spec.ordinals ? spec.ordinals->start : 0; }
int end_ordinal(const kube::StatefulSetSpec& spec) { return first_ordinal(spec) + spec.replicas.value_or(1); }

class Ordinals {
 public:
  Ordinals(const ExpandContext& context, const kube::StatefulSet& set)
      : ctx_(context),
        set_(set),
        owner_(make_owner("apps/v1", "StatefulSet", set.metadata)),
        hash_(set.metadata.name + "-" + template_hash(set.spec.pod_template)),
        first_(first_ordinal(set.spec)),
        end_(end_ordinal(set.spec)),
        ordered_(set.spec.pod_management_policy != "Parallel") {
    for (const auto* p : owned_pods(ctx_, owner_)) {
      if (const auto ordinal = number_after(owner_.name + "-", p->pod->metadata.name)) pods_[*ordinal].push_back(p);
    }
    while (gap_ < end_ && is_available(running(gap_))) ++gap_;
  }

  void run() {
    WorkloadStatus status{"StatefulSet", owner_.ns, owner_.name, end_ - first_};
    want_claims();
    const int update = next_to_update();
    for (int i = first_; i < end_; ++i) want(i, i == update, status);
    keep_surplus();
    if (status.message.empty() && status.up_to_date < end_ - first_) status.message = "rolling out";
    ctx_.out.workloads.push_back(std::move(status));
  }

 private:
  [[nodiscard]] std::string name(int ordinal) const { return owner_.name + "-" + std::to_string(ordinal); }

  [[nodiscard]] const ExistingPod* running(int ordinal) const {
    const auto it = pods_.find(ordinal);
    if (it == pods_.end()) return nullptr;
    const auto p = std::find_if(it->second.begin(), it->second.end(), [](const auto* x) { return !x->stopping; });
    return p == it->second.end() ? nullptr : *p;
  }

  [[nodiscard]] bool in_range(int ordinal) const { return ordinal >= first_ && ordinal < end_; }
  [[nodiscard]] bool is_new(const ExistingPod& p) const { return label_of(*p.pod, kControllerRevision) == hash_; }
  [[nodiscard]] bool is_available(const ExistingPod* p) const {
    return p != nullptr && available(ctx_, *p, set_.spec.min_ready_seconds);
  }
  // Whether the ordinal may have its pod by now.
  [[nodiscard]] bool has_its_turn(int ordinal) const { return !ordered_ || ordinal <= gap_; }

  void want(int i, bool update, WorkloadStatus& status) {
    const auto* p = running(i);
    if (p != nullptr && !update && spent(ctx_, *p)) {
      ctx_.wake_at(ctx_.now);  // it goes now, and the next look makes the one that follows it
      status.message = name(i) + " ended and is replaced";
      return;
    }
    if (p == nullptr && !has_its_turn(i)) {
      if (status.message.empty()) status.message = name(i) + " waits for " + name(gap_) + " to be ready";
      return;
    }
    ++status.current;
    if (p != nullptr && !update) {
      status.ready += ready(*p) ? 1 : 0;
      status.up_to_date += is_new(*p) ? 1 : 0;
      ctx_.out.pods.push_back(p->pod);
    } else {
      ++status.up_to_date;
      ctx_.out.pods.push_back(make(i));
    }
  }

  // The pod to replace by one of the new template, or -1: one at a time, from the highest ordinal down to the
  // partition, the next when all are available. A pod that is broken does not hold its own replacement back (upstream
  // leaves it to people to delete it), but as long as a new one is not available nothing is replaced.
  [[nodiscard]] int next_to_update() const {
    if (set_.spec.update_strategy.type == "OnDelete" || (ordered_ && has_surplus())) return -1;
    const auto& rolling = set_.spec.update_strategy.rolling_update;
    const int partition = rolling && rolling->partition ? *rolling->partition : 0;
    int intact = -1, broken = -1;
    bool whole = true;
    for (int i = end_ - 1; i >= first_; --i) {
      const auto* p = running(i);
      if (p == nullptr && (pods_.count(i) > 0 || has_its_turn(i))) return -1;  // its successor is on the way
      const bool ok = is_available(p);
      whole = whole && ok;
      if (p == nullptr) continue;
      if (is_new(*p)) {
        if (!ok) return -1;
      } else if (i >= partition) {
        int& found = ok ? intact : broken;
        if (found < 0) found = i;
      }
    }
    if (broken >= 0) return broken;
    return whole ? intact : -1;
  }

  [[nodiscard]] bool has_surplus() const {
    return std::any_of(pods_.begin(), pods_.end(), [&](const auto& entry) { return !in_range(entry.first); });
  }

  // Scaling down takes the highest first, where the order counts one at a time and only when all before it are ready.
  void keep_surplus() {
    if (!ordered_) return;
    bool may_go = gap_ == end_;
    for (auto it = pods_.rbegin(); it != pods_.rend(); ++it) {
      if (in_range(it->first)) continue;
      const auto* p = running(it->first);
      if (p != nullptr && (!may_go || !is_first_to_go(it))) ctx_.out.pods.push_back(p->pod);
      may_go = false;
    }
  }

  // The pods below it that leave too must be ready, unless it is broken itself.
  [[nodiscard]] bool is_first_to_go(std::map<int, std::vector<const ExistingPod*>>::const_reverse_iterator it) const {
    if (!is_available(running(it->first))) return true;
    return std::all_of(std::next(it), pods_.rend(),
                       [&](const auto& entry) { return is_available(running(entry.first)); });
  }

  // Also those of pods that still stop.
  void want_claims() {
    for (const auto& claim : set_.spec.volume_claim_templates) {
      for (int i = first_; i < end_; ++i) ctx_.out.claims.push_back(make_claim(claim, owner_.ns, name(i)));
      for (const auto& [i, pods] : pods_) {
        if (!in_range(i)) ctx_.out.claims.push_back(make_claim(claim, owner_.ns, name(i)));
      }
    }
  }

  [[nodiscard]] std::shared_ptr<const kube::Pod> make(int ordinal) const {
    auto pod = pod_from_template(ctx_, owner_, set_.spec.pod_template, name(ordinal), hash_,
                                 {{kControllerRevision, hash_},
                                  {"statefulset.kubernetes.io/pod-name", name(ordinal)},
                                  {"apps.kubernetes.io/pod-index", std::to_string(ordinal)}});
    pod->spec.hostname = name(ordinal);
    pod->spec.subdomain = set_.spec.service_name;
    for (const auto& claim : set_.spec.volume_claim_templates) {
      std::erase_if(pod->spec.volumes, [&](const auto& v) { return v.name == claim.metadata.name; });
      kube::Volume volume;
      volume.name = claim.metadata.name;
      volume.persistent_volume_claim.emplace().claim_name = claim_name(claim, name(ordinal));
      pod->spec.volumes.push_back(std::move(volume));
    }
    return pod;
  }

  const ExpandContext& ctx_;
  const kube::StatefulSet& set_;
  Owner owner_;
  std::string hash_;
  int first_, end_;
  bool ordered_;
  std::map<int, std::vector<const ExistingPod*>> pods_;
  int gap_ = first_;  // the first ordinal that has no available pod; end_: none
};

}  // namespace

void expand_stateful_set(const ExpandContext& context, const kube::StatefulSet& set) { Ordinals(context, set).run(); }

std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> retained_claims(
    const ManifestSet& set, const std::map<std::string, std::string>& bound) {
  std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> out;
  for (const auto& [key, s] : set.stateful_sets) {
    const auto& retention = s->spec.persistent_volume_claim_retention_policy;
    if (retention && retention->when_scaled == "Delete") continue;
    for (const auto& claim : s->spec.volume_claim_templates) {
      const auto prefix = kube::object_key(s->metadata.ns, claim_name(claim, s->metadata.name + "-"));
      for (auto it = bound.lower_bound(prefix); it != bound.end() && it->first.starts_with(prefix); ++it) {
        const auto ordinal = number_after(prefix, it->first);
        if (!ordinal || (*ordinal >= first_ordinal(s->spec) && *ordinal < end_ordinal(s->spec))) continue;
        out.push_back(make_claim(claim, s->metadata.ns, s->metadata.name + "-" + std::to_string(*ordinal)));
      }
    }
  }
  return out;
}

}  // namespace keelson::agent
