// Deployment, ReplicaSet and DaemonSet. After upstream's pkg/controller/deployment/{rolling,recreate}.go.
#include <algorithm>

#include "agent/standalone/workload_common.hpp"
#include "kube/labels.hpp"

namespace keelson::agent {
namespace {

int resolve(const std::optional<kube::IntOrString>& value, int replicas, bool round_up) {
  if (!value) return resolve(kube::IntOrString("25%"), replicas, round_up);
  if (value->is_int()) return value->int_value();
  const int percent = std::atoi(value->string_value().c_str());
  return (replicas * percent + (round_up ? 99 : 0)) / 100;
}

struct Limits {
  int surge = 0, unavailable = 0;
};

Limits limits_of(const kube::DeploymentSpec& spec, int replicas) {
  const auto rolling = spec.strategy.rolling_update.value_or(kube::RollingUpdate{});
  Limits out{resolve(rolling.max_surge, replicas, true), std::min(resolve(rolling.max_unavailable, replicas, false), replicas)};
  if (out.surge == 0 && out.unavailable == 0) out.unavailable = 1;
  return out;
}

// One look at a rollout: pods of the present template, and those of earlier ones.
class Rollout {
 public:
  Rollout(const ExpandContext& context, const kube::Deployment& d)
      : ctx_(context), d_(d), owner_(make_owner("apps/v1", "Deployment", d.metadata)), hash_(template_hash(d.spec.pod_template)),
        replicas_(d.spec.replicas.value_or(1)) {
    for (const auto* p : owned_pods(ctx_, owner_)) {
      if (p->stopping) {
        stopping_ = true;
      } else if (label_of(*p->pod, kTemplateHash) == hash_) {
        fresh_[p->pod->metadata.name] = p;
      } else {
        old_.push_back(p);
      }
    }
  }

  void run() {
    const auto kept = kept_old();
    const int wanted = new_count(static_cast<int>(kept.size()));
    for (const auto* p : kept) ctx_.out.pods.push_back(p->pod);
    WorkloadStatus status{"Deployment", owner_.ns, owner_.name, replicas_};
    status.current = static_cast<int>(kept.size());
    for (const auto* p : kept) status.ready += ready(*p) ? 1 : 0;
    for (int slot = 0; slot < wanted; ++slot) {
      const auto name = owner_.name + "-" + hash_ + "-" + stable_suffix(owner_.uid + hash_ + std::to_string(slot));
      const auto it = fresh_.find(name);
      ++status.current;
      ++status.up_to_date;
      if (it != fresh_.end()) {
        status.ready += ready(*it->second) ? 1 : 0;
        ctx_.out.pods.push_back(it->second->pod);
      } else {
        ctx_.out.pods.push_back(pod_from_template(ctx_, owner_, d_.spec.pod_template, name, hash_, {{kTemplateHash, hash_}}));
      }
    }
    if (status.up_to_date < replicas_ || !kept.empty()) status.message = "rolling out";
    ctx_.out.workloads.push_back(std::move(status));
  }

 private:
  [[nodiscard]] int count_available(const std::vector<const ExistingPod*>& pods) const {
    return static_cast<int>(std::count_if(pods.begin(), pods.end(),
                                          [&](const auto* p) { return available(ctx_, *p, d_.spec.min_ready_seconds); }));
  }

  [[nodiscard]] std::vector<const ExistingPod*> fresh_pods() const {
    std::vector<const ExistingPod*> out;
    for (const auto& [name, p] : fresh_) out.push_back(p);
    return out;
  }

  // The old pods that stay for now: unhealthy ones go first, and never so many that too few would be available.
  [[nodiscard]] std::vector<const ExistingPod*> kept_old() const {
    if (d_.spec.paused) return old_;
    if (d_.spec.strategy.type == "Recreate") return {};
    const auto limits = limits_of(d_.spec, replicas_);
    const auto fresh = fresh_pods();
    const int available_fresh = std::min(count_available(fresh), replicas_);
    auto old = old_;
    std::stable_partition(old.begin(), old.end(), [](const auto* p) { return ready(*p); });
    const int needed = std::max(0, replicas_ - limits.unavailable - available_fresh);  // of available old pods
    const int available_old = count_available(old);
    const int unavailable_old = static_cast<int>(old.size()) - available_old;
    // With nothing to lose an unavailable old pod is of no use; it stays only while it is needed to become available.
    const int spare = std::clamp(needed - available_old, 0, unavailable_old);
    const int keep = std::min(available_old, needed) + (fresh.empty() && available_fresh == 0 ? spare : 0);
    old.resize(static_cast<std::size_t>(std::max(0, std::min<int>(keep, static_cast<int>(old.size())))));
    return old;
  }

  [[nodiscard]] int new_count(int kept) const {
    const int have = std::min(static_cast<int>(fresh_.size()), replicas_);
    if (d_.spec.paused && !old_.empty()) return have;
    if (d_.spec.strategy.type == "Recreate") return stopping_ || !old_.empty() ? have : replicas_;
    return std::clamp(replicas_ + limits_of(d_.spec, replicas_).surge - kept, have, replicas_);
  }

  const ExpandContext& ctx_;
  const kube::Deployment& d_;
  Owner owner_;
  std::string hash_;
  int replicas_;
  std::map<std::string, const ExistingPod*> fresh_;
  std::vector<const ExistingPod*> old_;
  bool stopping_ = false;
};

const ExistingPod* find_named(const std::vector<const ExistingPod*>& pods, const std::string& name) {
  const auto it = std::find_if(pods.begin(), pods.end(), [&](const auto* p) { return !p->stopping && p->pod->metadata.name == name; });
  return it == pods.end() ? nullptr : *it;
}

kube::StringMap node_labels(const std::string& node_name) {
  return {{"kubernetes.io/hostname", node_name}, {"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"}};
}

// Whether this node is one that the pods ask for.
bool node_fits(const kube::PodSpec& spec, const std::string& node_name) {
  const auto labels = node_labels(node_name);
  if (!spec.node_name.empty() && spec.node_name != node_name) return false;
  if (!kube::matches(spec.node_selector, labels)) return false;
  if (!spec.affinity || !spec.affinity->node_affinity) return true;
  const auto& required = spec.affinity->node_affinity->required_during_scheduling_ignored_during_execution;
  return !required || kube::matches(*required, labels, node_name);
}

}  // namespace

void expand_deployment(const ExpandContext& context, const kube::Deployment& deployment) { Rollout(context, deployment).run(); }

// A changed template of a ReplicaSet is for the pods to come; those that are there stay.
void expand_replica_set(const ExpandContext& context, const kube::ReplicaSet& set) {
  const auto owner = make_owner("apps/v1", "ReplicaSet", set.metadata);
  const auto pods = owned_pods(context, owner);
  const int replicas = set.spec.replicas.value_or(1);
  WorkloadStatus status{"ReplicaSet", owner.ns, owner.name, replicas};
  for (int slot = 0; slot < replicas; ++slot) {
    const auto name = owner.name + "-" + stable_suffix(owner.uid + std::to_string(slot));
    ++status.current;
    if (const auto* p = find_named(pods, name)) {
      status.ready += ready(*p) ? 1 : 0;
      context.out.pods.push_back(p->pod);
    } else {
      context.out.pods.push_back(pod_from_template(context, owner, set.spec.pod_template, name, "", {}));
    }
  }
  status.up_to_date = status.current;
  context.out.workloads.push_back(std::move(status));
}

void expand_daemon_set(const ExpandContext& context, const kube::DaemonSet& set) {
  const auto owner = make_owner("apps/v1", "DaemonSet", set.metadata);
  const auto hash = template_hash(set.spec.pod_template);
  const bool fits = node_fits(set.spec.pod_template.spec, context.node_name);
  WorkloadStatus status{"DaemonSet", owner.ns, owner.name, fits ? 1 : 0};
  if (fits) {
    const auto name = owner.name + "-" + stable_suffix(owner.uid + context.node_name);
    const auto* p = find_named(owned_pods(context, owner), name);
    const bool current = p != nullptr && label_of(*p->pod, "controller-revision-hash") == hash;
    status.current = 1;
    if (p != nullptr && (current || set.spec.update_strategy.type == "OnDelete")) {
      status.ready = ready(*p) ? 1 : 0;
      status.up_to_date = current ? 1 : 0;
      context.out.pods.push_back(p->pod);
    } else {
      status.up_to_date = 1;
      context.out.pods.push_back(pod_from_template(context, owner, set.spec.pod_template, name, hash,
                                                   {{"controller-revision-hash", hash}}));
    }
  } else {
    status.message = "this node is not one that its nodeSelector or affinity asks for";
  }
  context.out.workloads.push_back(std::move(status));
}

}  // namespace keelson::agent
