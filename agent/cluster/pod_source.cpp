#include "agent/cluster/pod_source.hpp"

#include <algorithm>

#include "agent/cluster/admission.hpp"
#include "agent/cluster/preemption.hpp"
#include "agent/cluster/static_pods.hpp"
#include "agent/pod/resize.hpp"
#include "agent/pod/status.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

const kube::PodCondition* condition_of(const kube::Pod& pod, const std::string& type) {
  const auto& list = pod.status.conditions;
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.type == type; });
  return it == list.end() ? nullptr : &*it;
}

// Pods that run already keep their place; among the others the oldest comes first.
bool comes_before(const std::shared_ptr<const kube::Pod>& a, const std::shared_ptr<const kube::Pod>& b) {
  const bool runs_a = a->status.phase == "Running", runs_b = b->status.phase == "Running";
  if (runs_a != runs_b) return runs_a;
  return a->metadata.creation_timestamp < b->metadata.creation_timestamp;
}

}  // namespace

bool means_other(const kube::Pod& before, const kube::Pod& now) {
  const auto &a = before.metadata, &b = now.metadata;
  if (!(before.spec == now.spec) || a.labels != b.labels || a.annotations != b.annotations) return true;
  if (a.deletion_timestamp != b.deletion_timestamp ||
      a.deletion_grace_period_seconds != b.deletion_grace_period_seconds) {
    return true;
  }
  return std::any_of(now.spec.readiness_gates.begin(), now.spec.readiness_gates.end(), [&](const auto& gate) {
    const auto *x = condition_of(before, gate.condition_type), *y = condition_of(now, gate.condition_type);
    return (x == nullptr) != (y == nullptr) || (x != nullptr && x->status != y->status);
  });
}

ApiPodSource::ApiPodSource(const Clock& clock, PodManager& pods, StatusWriter& statuses, Journal& journal,
                           std::function<std::shared_ptr<const kube::Node>()> node, PodSourceOptions options)
    : clock_(clock),
      manager_(pods),
      statuses_(statuses),
      journal_(journal),
      node_(std::move(node)),
      options_(std::move(options)) {}

void ApiPodSource::set(std::shared_ptr<const kube::Pod> pod) {
  if (is_mirror(*pod)) return;  // shows a static pod, which is StaticPods' business
  const auto uid = pod->metadata.uid;
  statuses_.observed(uid, pod);
  auto& known = pods_[uid];
  const auto before = std::exchange(known, pod);
  if (!synced_) return;
  const bool ended = is_terminal_phase(pod->status.phase) && before && !is_terminal_phase(before->status.phase);
  if (!before || means_other(*before, *pod)) take(pod);
  if (ended) retry_resizes();
}

void ApiPodSource::remove(const std::string& uid) {
  const auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  const auto grace =
      it->second->metadata.deletion_timestamp ? it->second->metadata.deletion_grace_period_seconds : std::nullopt;
  pods_.erase(it);
  statuses_.forgotten(uid);
  admitted_.erase(uid);
  if (synced_) manager_.remove(uid, grace);
}

void ApiPodSource::synced() {
  if (synced_) return;
  synced_ = true;
  for (const auto& uid : alone_) {
    if (pods_.count(uid) == 0) manager_.remove(uid);
  }
  alone_.clear();
  std::vector<std::shared_ptr<const kube::Pod>> all;
  for (const auto& [uid, pod] : pods_) all.push_back(pod);
  std::sort(all.begin(), all.end(), comes_before);
  for (const auto& pod : all) {
    if (!pod->metadata.deletion_timestamp) take(pod);
  }
  manager_.sources_ready();
  for (const auto& pod : all) {
    if (pod->metadata.deletion_timestamp) take(pod);
  }
}

void ApiPodSource::go_on_alone() {
  if (synced_) return;
  for (const auto& view : manager_.remembered()) {
    if (view.stopping || is_terminal_phase(view.status->phase)) continue;
    alone_.insert(view.pod->metadata.uid);
    admitted_[view.pod->metadata.uid] = view.pod;
    manager_.upsert(view.pod);
  }
  log_warn("the API server does not answer: pods go on as they were last known", {{"pods", alone_.size()}});
  manager_.sources_ready();
}

void ApiPodSource::worker_gone(const std::string& uid) {
  admitted_.erase(uid);
  waiting_resizes_.erase(uid);
  statuses_.finished(uid);
  retry_resizes();
}

void ApiPodSource::take(const std::shared_ptr<const kube::Pod>& pod) {
  const auto& uid = pod->metadata.uid;
  if (pod->metadata.deletion_timestamp) {
    take_deleted(*pod);
    return;
  }
  const auto granted = grant(pod);
  if (admitted_.count(uid) == 0 && !is_terminal_phase(pod->status.phase)) {
    const auto node = node_();
    if (!node) {
      reject(*pod, "InvalidNodeInfo", "Kubelet cannot get node info.");
      return;
    }
    if (const auto refused = refuse(*granted, *node)) {
      reject(*pod, refused->reason, refused->message);
      return;
    }
  }
  if (admitted_.count(uid) == 0) {
    log_info("pod wanted", {{"pod", kube::object_key(pod->metadata)}, {"uid", uid}});
  }
  admitted_[uid] = granted;
  manager_.upsert(granted);
}

// Why the node cannot take the pod. For a critical pod others make room; that one is taken at once, as they end.
std::optional<Rejection> ApiPodSource::refuse(const kube::Pod& pod, const kube::Node& node) {
  const auto pressure = options_.pressure();
  const auto others = holders(pod.metadata.uid);
  const AdmissionInput input{.pod = pod,
                             .node = node,
                             .others = others,
                             .allowed_sysctls = options_.allowed_sysctls,
                             .pressure = {pressure.begin(), pressure.end()},
                             .shutting_down = options_.shutting_down(),
                             .facts = options_.facts};
  auto refused = admit(input);
  if (!refused) return std::nullopt;
  const auto preempted = choose_preempted(input);
  if (preempted.empty()) return refused;
  for (const auto* other : preempted) {
    const auto key = kube::object_key(other->metadata);
    log_warn("pod makes room for a critical one",
             {{"pod", key}, {"for", kube::object_key(pod.metadata)}, {"reason", refused->reason}});
    const std::string message = "Preempted in order to admit critical pod";
    journal_.pod(key).event(EntryKind::warning, "pod", "Preempting", message);
    manager_.end(other->metadata.uid, {"Preempting", message}, 0);
  }
  return std::nullopt;
}

// The pod with the resources that this agent, or the one before it, has granted it last.
std::shared_ptr<const kube::Pod> ApiPodSource::granted_before(const std::string& uid) const {
  if (const auto it = admitted_.find(uid); it != admitted_.end()) return it->second;
  for (const auto& view : manager_.remembered()) {
    if (view.pod->metadata.uid == uid) return view.pod;
  }
  return nullptr;
}

// A running pod gets other resources only where the node has them; until then it keeps what it has, and says why.
std::shared_ptr<const kube::Pod> ApiPodSource::grant(const std::shared_ptr<const kube::Pod>& pod) {
  const auto& uid = pod->metadata.uid;
  const auto before = granted_before(uid);
  const auto node = node_();
  std::optional<Rejection> refused;
  if (before && node && wants_resize(*pod, *before)) refused = refuse_resize({*pod, *node, holders(uid), {}});
  if (!refused) {
    waiting_resizes_.erase(uid);
    if (before && wants_resize(*pod, *before)) {
      journal_.pod(kube::object_key(pod->metadata))
          .event(EntryKind::normal, "pod", "ResizeStarted", resize_message(*pod, "Pod resize started"));
    }
    if (!has_resize_pending(*pod)) return pod;
    auto out = std::make_shared<kube::Pod>(*pod);
    clear_resize_pending(*out);
    return out;
  }
  auto out = std::make_shared<kube::Pod>(with_resources_of(*pod, *before));
  set_resize_pending(*out, refused->reason, refused->message, clock_.now());
  const auto known = waiting_resizes_.find(uid);
  if (known == waiting_resizes_.end() || !(known->second == *refused)) {
    journal_.pod(kube::object_key(pod->metadata))
        .event(EntryKind::warning, "pod", "Resize" + refused->reason,
               resize_message(*pod, "Pod resize " + refused->reason, refused->message));
    waiting_resizes_[uid] = std::move(*refused);
  }
  return out;
}

// Something of the node has become free.
void ApiPodSource::retry_resizes() {
  const auto waiting = waiting_resizes_;
  for (const auto& [uid, why] : waiting) {
    if (const auto it = pods_.find(uid); it != pods_.end() && !it->second->metadata.deletion_timestamp)
      take(it->second);
  }
}

// A pod that never had a worker here has nothing to stop: its end is only to be said.
void ApiPodSource::take_deleted(const kube::Pod& pod) {
  const auto& uid = pod.metadata.uid;
  if (manager_.find_uid(uid)) {
    log_info("pod is being deleted", {{"pod", kube::object_key(pod.metadata)}, {"uid", uid}});
    manager_.remove(uid, pod.metadata.deletion_grace_period_seconds);
    return;
  }
  manager_.remove(uid);  // it may be waiting for the end of an earlier pod of its name
  admitted_.erase(uid);
  if (!is_terminal_phase(pod.status.phase)) {
    auto status = std::make_shared<kube::PodStatus>(pod.status);
    status->phase = "Failed";
    statuses_.set(uid, std::move(status));
  }
  statuses_.finished(uid);
}

void ApiPodSource::reject(const kube::Pod& pod, const std::string& reason, const std::string& message) {
  const auto key = kube::object_key(pod.metadata);
  log_warn("pod refused", {{"pod", key}, {"reason", reason}, {"message", message}});
  journal_.pod(key).event(EntryKind::warning, "pod", reason, message);
  auto status = rejected_status(pod, reason, message, clock_.now());
  status.conditions = pod.status.conditions;
  statuses_.set(pod.metadata.uid, std::make_shared<const kube::PodStatus>(std::move(status)));
}

bool ApiPodSource::is_ended(const std::string& uid) const {
  const auto view = manager_.find_uid(uid);
  if (view) return is_terminal_phase(view->status->phase);
  const auto it = pods_.find(uid);
  return it != pods_.end() && is_terminal_phase(it->second->status.phase);
}

std::vector<const kube::Pod*> ApiPodSource::holders(const std::string& except) const {
  std::vector<const kube::Pod*> out;
  for (const auto& [uid, pod] : admitted_) {
    if (uid != except && !is_ended(uid)) out.push_back(pod.get());
  }
  return out;
}

}  // namespace keelson::agent
