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
  Limits out{resolve(rolling.max_surge, replicas, true),
             std::min(resolve(rolling.max_unavailable, replicas, false), replicas)};
  if (out.surge == 0 && out.unavailable == 0) out.unavailable = 1;
  return out;
}

// One look at a rollout: pods of the present template, and those of earlier ones.
class Rollout {
 public:
  Rollout(const ExpandContext& context, const kube::Deployment& d)
      : ctx_(context),
        d_(d),
        owner_(make_owner("apps/v1", "Deployment", d.metadata)),
        hash_(template_hash(d.spec.pod_template)),
        replicas_(d.spec.replicas.value_or(1)),
        limits_(limits_of(d.spec, replicas_)) {
    for (const auto* p : owned_pods(ctx_, owner_)) {
      const bool is_fresh = label_of(*p->pod, kTemplateHash) == hash_;
      (is_fresh ? begun_ : old_present_) = true;
      if (!p->stopping && !spent(ctx_, *p)) (is_fresh ? fresh_ : old_).push_back(p);
    }
  }

  void run() {
    const auto kept = kept_old();
    const int wanted = new_count(static_cast<int>(kept.size()));
    WorkloadStatus status{"Deployment", owner_.ns, owner_.name, replicas_};
    status.current = static_cast<int>(kept.size());
    status.up_to_date = wanted;
    for (const auto* p : kept) {
      status.ready += ready(*p) ? 1 : 0;
      ctx_.out.pods.push_back(p->pod);
    }
    want_replicas(ctx_,
                  {owner_,
                   d_.spec.pod_template,
                   owner_.name + "-" + hash_,
                   hash_,
                   {{kTemplateHash, hash_}},
                   d_.spec.min_ready_seconds},
                  fresh_, wanted, status);
    if (d_.spec.paused) {
      status.message = "paused";
    } else if (wanted < replicas_ || !kept.empty()) {
      status.message = "rolling out";
    }
    ctx_.out.workloads.push_back(std::move(status));
  }

 private:
  [[nodiscard]] bool is_available(const ExistingPod& p) const { return available(ctx_, p, d_.spec.min_ready_seconds); }

  [[nodiscard]] int count_available(const std::vector<const ExistingPod*>& pods) const {
    return static_cast<int>(std::count_if(pods.begin(), pods.end(), [&](const auto* p) { return is_available(*p); }));
  }

  // The old pods that stay for now: unavailable ones go first, and never so many that too few would be available.
  [[nodiscard]] std::vector<const ExistingPod*> kept_old() const {
    auto old = old_;
    std::stable_partition(old.begin(), old.end(), [&](const auto* p) { return is_available(*p); });
    const int all = static_cast<int>(old.size());
    old.resize(static_cast<std::size_t>(std::clamp(old_to_keep(count_available(old)), 0, all)));
    return old;
  }

  [[nodiscard]] int old_to_keep(int available_old) const {
    const int old = static_cast<int>(old_.size()), fresh = static_cast<int>(fresh_.size());
    if (d_.spec.paused) return replicas_ + limits_.surge - std::min(fresh, replicas_);
    if (d_.spec.strategy.type == "Recreate") return 0;
    const int available_fresh = count_available(fresh_);
    const int at_least = replicas_ - limits_.unavailable;
    // Unavailable ones do no good, but may come back: with the new pods not available yet, a full set stays.
    const int useless = std::clamp(old + available_fresh - at_least, 0, old - available_old);
    return old - useless - std::max(0, available_old + available_fresh - at_least);
  }

  [[nodiscard]] int new_count(int kept) const {
    const int have = std::min(static_cast<int>(fresh_.size()), replicas_);
    if (d_.spec.paused) return !begun_ ? 0 : kept > 0 ? have : replicas_;
    if (d_.spec.strategy.type == "Recreate") return old_present_ ? have : replicas_;
    return std::clamp(replicas_ + limits_.surge - kept, 0, replicas_);
  }

  const ExpandContext& ctx_;
  const kube::Deployment& d_;
  Owner owner_;
  std::string hash_;
  int replicas_;
  Limits limits_;
  std::vector<const ExistingPod*> fresh_, old_;  // that run
  bool begun_ = false;                           // there is a pod of this template, perhaps one that stops
  bool old_present_ = false;                     // and of an earlier one
};

const ExistingPod* find_named(const std::vector<const ExistingPod*>& pods, const std::string& name) {
  const auto it = std::find_if(pods.begin(), pods.end(),
                               [&](const auto* p) { return !p->stopping && p->pod->metadata.name == name; });
  return it == pods.end() ? nullptr : *it;
}

#if defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "amd64";
#endif

// As a node has them that joins a cluster without any of its own.
kube::StringMap node_labels(const std::string& node_name) {
  return {{"kubernetes.io/hostname", node_name}, {"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", kArchitecture}};
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

void expand_deployment(const ExpandContext& context, const kube::Deployment& deployment) {
  Rollout(context, deployment).run();
}

// A changed template of a ReplicaSet is for the pods to come; those that are there stay.
void expand_replica_set(const ExpandContext& context, const kube::ReplicaSet& set) {
  const auto owner = make_owner("apps/v1", "ReplicaSet", set.metadata);
  auto pods = owned_pods(context, owner);
  std::erase_if(pods, [&](const auto* p) { return p->stopping || spent(context, *p); });
  const int replicas = set.spec.replicas.value_or(1);
  WorkloadStatus status{"ReplicaSet", owner.ns, owner.name, replicas};
  want_replicas(context, {owner, set.spec.pod_template, owner.name, "", {}, set.spec.min_ready_seconds},
                std::move(pods), replicas, status);
  status.up_to_date = status.current;
  context.out.workloads.push_back(std::move(status));
}

// One pod, always by the same name: the next one starts when the one before is gone.
void expand_daemon_set(const ExpandContext& context, const kube::DaemonSet& set) {
  const auto owner = make_owner("apps/v1", "DaemonSet", set.metadata);
  const auto hash = template_hash(set.spec.pod_template);
  const auto& spec = set.spec.pod_template.spec;
  WorkloadStatus status{"DaemonSet", owner.ns, owner.name};
  if (!node_fits(spec, context.node_name)) {
    status.message = "this node is not one that its nodeSelector, affinity or nodeName asks for";
    context.out.workloads.push_back(std::move(status));
    return;
  }
  const auto name = owner.name + "-" + stable_suffix(owner.uid + context.node_name);
  const auto* p = find_named(owned_pods(context, owner), name);
  const bool is_new = p == nullptr || label_of(*p->pod, kControllerRevision) == hash;
  status.desired = 1;
  if (p != nullptr && is_new && spent(context, *p)) {
    context.wake_at(context.now);  // it goes now, and the next look makes the one that follows it
    status.message = "its pod ended and is replaced";
  } else if (p != nullptr && (is_new || set.spec.update_strategy.type == "OnDelete")) {
    status.current = 1;
    status.ready = ready(*p) ? 1 : 0;
    status.up_to_date = is_new ? 1 : 0;
    context.out.pods.push_back(p->pod);
  } else {
    status.current = status.up_to_date = 1;
    context.out.pods.push_back(
        pod_from_template(context, owner, set.spec.pod_template, name, hash, {{kControllerRevision, hash}}));
  }
  context.out.workloads.push_back(std::move(status));
}

}  // namespace keelson::agent
