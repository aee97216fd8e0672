#include "agent/standalone/workload_common.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/pod/status.hpp"
#include "base/strings.hpp"
#include "kube/codec.hpp"
#include "kube/defaults.hpp"

namespace keelson::agent {
namespace {

constexpr std::chrono::seconds kReplaceAfter{10};  // at the earliest, after a pod was made
constexpr std::size_t kMaxGeneratedBase = 58;      // of a generated name, as upstream's names.SimpleNameGenerator

// Pods to keep come first: those that serve, then those that may soon.
int rank(const ExpandContext& context, const ExistingPod& pod, std::int32_t min_ready_seconds) {
  if (available(context, pod, min_ready_seconds)) return 0;
  if (ready(pod)) return 1;
  return pod.status && is_terminal_phase(pod.status->phase) ? 3 : 2;
}

}  // namespace

std::string stable_uid(const std::string& text) {
  auto bytes = sha256(text).substr(0, 16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x50);  // version 5, variant 1: a UUID made from a name
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  auto hex = to_hex(bytes);
  for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, "-");
  return hex;
}

std::string stable_suffix(const std::string& text, std::size_t n) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  const auto digest = sha256(text);
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += kAlphabet[static_cast<unsigned char>(digest[i]) % kAlphabet.size()];
  return out;
}

std::string template_hash(const kube::PodTemplateSpec& pod_template) {
  return stable_suffix(kube::encode(pod_template).dump(), 10);
}

void ExpandContext::wake_at(SystemTime time) const {
  if (!out.wake_at || time < *out.wake_at) out.wake_at = time;
}

Owner make_owner(const char* api_version, const char* kind, const kube::ObjectMeta& metadata,
                 const std::string& incarnation) {
  return {api_version, kind, metadata.ns, metadata.name,
          stable_uid(std::string(kind) + "/" + metadata.ns + "/" + metadata.name + "/" + incarnation)};
}

std::vector<const ExistingPod*> owned_pods(const ExpandContext& context, const Owner& owner) {
  std::vector<const ExistingPod*> out;
  for (const auto& p : context.existing) {
    const auto& refs = p.pod->metadata.owner_references;
    if (!refs.empty() && refs.front().uid == owner.uid) out.push_back(&p);
  }
  return out;
}

std::shared_ptr<kube::Pod> pod_from_template(const ExpandContext& context, const Owner& owner,
                                             const kube::PodTemplateSpec& pod_template, const std::string& name,
                                             const std::string& hash, const kube::StringMap& labels) {
  auto pod = std::make_shared<kube::Pod>();
  pod->metadata.name = name;
  pod->metadata.ns = owner.ns;
  pod->metadata.uid = stable_uid(context.node_name + "/" + owner.uid + "/" + name + "/" + hash);
  pod->metadata.generation = 1;
  pod->metadata.creation_timestamp = std::chrono::floor<Seconds>(context.now);
  pod->metadata.labels = pod_template.metadata.labels;
  for (const auto& [key, value] : labels) pod->metadata.labels[key] = value;
  pod->metadata.annotations = pod_template.metadata.annotations;
  kube::OwnerReference ref;
  ref.api_version = owner.api_version;
  ref.kind = owner.kind;
  ref.name = owner.name;
  ref.uid = owner.uid;
  ref.controller = true;
  ref.block_owner_deletion = true;
  pod->metadata.owner_references.push_back(std::move(ref));
  pod->spec = pod_template.spec;
  pod->spec.node_name = context.node_name;
  kube::set_defaults(*pod);
  return pod;
}

void want_replicas(const ExpandContext& context, const ReplicaTemplate& of, std::vector<const ExistingPod*> pods,
                   int count, WorkloadStatus& status) {
  std::stable_sort(pods.begin(), pods.end(), [&](const auto* a, const auto* b) {
    return rank(context, *a, of.min_ready_seconds) < rank(context, *b, of.min_ready_seconds);
  });
  if (pods.size() > static_cast<std::size_t>(count)) pods.resize(static_cast<std::size_t>(count));
  for (const auto* p : pods) {
    status.ready += ready(*p) ? 1 : 0;
    context.out.pods.push_back(p->pod);
  }
  status.current += count;
  std::set<std::string> taken;  // also by pods that are being stopped: a new one need not wait for them
  for (const auto& p : context.existing) {
    if (p.pod->metadata.ns == of.owner.ns) taken.insert(p.pod->metadata.name);
  }
  const auto base = (of.base + "-").substr(0, kMaxGeneratedBase);
  int missing = count - static_cast<int>(pods.size());
  for (int slot = 0; missing > 0; ++slot) {
    const auto name = base + stable_suffix(of.owner.uid + of.hash + std::to_string(slot));
    if (!taken.insert(name).second) continue;
    context.out.pods.push_back(pod_from_template(context, of.owner, of.pod_template, name, of.hash, of.labels));
    --missing;
  }
}

bool spent(const ExpandContext& context, const ExistingPod& pod) {
  if (!pod.status || !is_terminal_phase(pod.status->phase)) return false;
  const auto at = pod.pod->metadata.creation_timestamp.value_or(SystemTime{}) + kReplaceAfter;
  if (at <= context.now) return true;
  context.wake_at(at);
  return false;
}

bool ready(const ExistingPod& pod) { return !pod.stopping && pod.status && is_ready(*pod.status); }

bool available(const ExpandContext& context, const ExistingPod& pod, std::int32_t min_ready_seconds) {
  if (!ready(pod)) return false;
  if (min_ready_seconds <= 0) return true;
  for (const auto& c : pod.status->conditions) {
    if (c.type != "Ready" || !c.last_transition_time) continue;
    const auto since = *c.last_transition_time + std::chrono::seconds(min_ready_seconds);
    if (since <= context.now) return true;
    context.wake_at(since);
  }
  return false;
}

std::string label_of(const kube::Pod& pod, const std::string& key) {
  const auto it = pod.metadata.labels.find(key);
  return it == pod.metadata.labels.end() ? std::string() : it->second;
}

}  // namespace keelson::agent
