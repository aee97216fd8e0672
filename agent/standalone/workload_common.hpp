// What the expansions of the workload kinds share: identity of pods, their making from a template, readiness.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/standalone/workloads.hpp"

namespace keelson::agent {

// A UUID-shaped hash: the same text gives the same UID on every run.
[[nodiscard]] std::string stable_uid(const std::string& text);
// `n` characters of a controller's name suffix, made from `text`.
[[nodiscard]] std::string stable_suffix(const std::string& text, std::size_t n = 5);
// The hash of a pod template, as the label pod-template-hash shows it.
[[nodiscard]] std::string template_hash(const kube::PodTemplateSpec& pod_template);

// What an expansion works with.
struct ExpandContext {
  const std::vector<ExistingPod>& existing;
  const std::string& node_name;
  SystemTime now;
  const JobRecords& jobs;
  Expansion& out;

  // Records that the result changes at `time`.
  void wake_at(SystemTime time) const;
};

// The workload that owns pods.
struct Owner {
  std::string api_version, kind, ns, name;
  std::string uid;
};
[[nodiscard]] Owner make_owner(const char* api_version, const char* kind, const kube::ObjectMeta& metadata,
                               const std::string& incarnation = {});

// The pods of that owner, stopping ones included.
[[nodiscard]] std::vector<const ExistingPod*> owned_pods(const ExpandContext& context, const Owner& owner);

inline constexpr const char* kTemplateHash = "pod-template-hash";
inline constexpr const char* kControllerRevision = "controller-revision-hash";

// A new pod of the owner from its template; `labels` are added to the template's. Its UID follows from owner, name and
// `hash`.
[[nodiscard]] std::shared_ptr<kube::Pod> pod_from_template(const ExpandContext& context, const Owner& owner,
                                                           const kube::PodTemplateSpec& pod_template,
                                                           const std::string& name, const std::string& hash,
                                                           const kube::StringMap& labels);

// Wants `count` pods that differ by nothing but their name: of `pods` (of that template, none of them stopping) the
// healthiest, and new ones under names of no other pod, which begin with `base`. Counts them in `status`.
struct ReplicaTemplate {
  const Owner& owner;
  const kube::PodTemplateSpec& pod_template;
  std::string base, hash;
  kube::StringMap labels;
  std::int32_t min_ready_seconds = 0;
};
void want_replicas(const ExpandContext& context, const ReplicaTemplate& of, std::vector<const ExistingPod*> pods,
                   int count, WorkloadStatus& status);

// A pod that is to run for ever but has ended (refused, evicted), and is to be replaced now. One that failed at once is
// kept for a while, so that a node that refuses a pod is not asked all the time.
[[nodiscard]] bool spent(const ExpandContext& context, const ExistingPod& pod);

[[nodiscard]] bool ready(const ExistingPod& pod);
// Ready for at least that long; where it is ready but not long enough, the context is told when it will be.
[[nodiscard]] bool available(const ExpandContext& context, const ExistingPod& pod, std::int32_t min_ready_seconds);
// The value of a label, or "".
[[nodiscard]] std::string label_of(const kube::Pod& pod, const std::string& key);

// The kinds. Each appends to context.out.
void expand_deployment(const ExpandContext& context, const kube::Deployment& deployment);
void expand_replica_set(const ExpandContext& context, const kube::ReplicaSet& set);
void expand_stateful_set(const ExpandContext& context, const kube::StatefulSet& set);
void expand_daemon_set(const ExpandContext& context, const kube::DaemonSet& set);
void expand_job(const ExpandContext& context, const kube::Job& job);

}  // namespace keelson::agent
