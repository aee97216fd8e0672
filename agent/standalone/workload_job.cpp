// Job: pods that run to their end. Its pods stay after that, for their logs and as the Job's memory, until the Job leaves
// the folder. After upstream's pkg/controller/job.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/standalone/workload_common.hpp"
#include "kube/codec.hpp"

namespace keelson::agent {
namespace {

constexpr auto kFirstBackoff = std::chrono::seconds(10);
constexpr auto kMaxBackoff = std::chrono::minutes(6);
constexpr const char* kIndex = "batch.kubernetes.io/job-completion-index";
constexpr const char* kAttempt = "keelson.io/job-attempt";

bool has_phase(const ExistingPod& p, const char* phase) { return p.status && p.status->phase == phase; }

std::optional<SystemTime> finished_at(const ExistingPod& p) {
  std::optional<SystemTime> out;
  for (const auto& c : p.status->container_statuses) {
    const auto& t = c.state.terminated;
    if (t && t->finished_at && (!out || *t->finished_at > *out)) out = t->finished_at;
  }
  return out;
}

int restarts(const ExistingPod& p) {
  int out = 0;
  for (const auto& c : p.status->container_statuses) out += c.restart_count;
  return out;
}

class JobRun {
 public:
  // A Job's spec does not change: an edited one is another Job, which begins anew.
  JobRun(const ExpandContext& context, const kube::Job& job)
      : ctx_(context), job_(job),
        owner_(make_owner("batch/v1", "Job", job.metadata, template_hash(job.spec.pod_template) + completions_text(job))),
        indexed_(job.spec.completion_mode == "Indexed"), parallelism_(job.spec.parallelism.value_or(1)) {
    for (const auto* p : owned_pods(ctx_, owner_)) {
      attempts_ = std::max(attempts_, attempt_of(*p->pod) + 1);
      if (has_phase(*p, "Succeeded")) {
        succeeded_.push_back(p);
      } else if (has_phase(*p, "Failed")) {
        failed_.push_back(p);
      } else if (!p->stopping) {
        active_.push_back(p);
      }
    }
  }

  void run() {
    keep(succeeded_);
    keep(failed_);
    auto status = make_status();
    const bool over = is_complete() || !failure_.empty() || job_.spec.suspend.value_or(false);
    if (!over) {
      keep(active_);
      start_more();
    } else if (failure_.empty() && !job_.spec.suspend.value_or(false) && !job_.spec.completions) {
      keep(active_);  // a work queue that drains: no new pods, but those that work finish
    }
    ctx_.out.workloads.push_back(std::move(status));
  }

 private:
  static std::string completions_text(const kube::Job& job) {
    return job.spec.completion_mode + (job.spec.completions ? std::to_string(*job.spec.completions) : "-");
  }

  static int attempt_of(const kube::Pod& pod) {
    const auto it = pod.metadata.annotations.find(kAttempt);
    return it == pod.metadata.annotations.end() ? 0 : std::atoi(it->second.c_str());
  }

  static int index_of(const kube::Pod& pod) {
    const auto it = pod.metadata.annotations.find(kIndex);
    return it == pod.metadata.annotations.end() ? -1 : std::atoi(it->second.c_str());
  }

  void keep(const std::vector<const ExistingPod*>& pods) const {
    for (const auto* p : pods) {
      if (!p->stopping) ctx_.out.pods.push_back(p->pod);
    }
  }

  [[nodiscard]] std::set<int> succeeded_indexes() const {
    std::set<int> out;
    for (const auto* p : succeeded_) out.insert(index_of(*p->pod));
    return out;
  }

  [[nodiscard]] int done() const {
    return static_cast<int>(indexed_ ? succeeded_indexes().size() : succeeded_.size());
  }

  [[nodiscard]] bool is_complete() const {
    return job_.spec.completions ? done() >= *job_.spec.completions : done() > 0;
  }

  WorkloadStatus make_status() {
    WorkloadStatus status{"Job", owner_.ns, owner_.name, job_.spec.completions.value_or(1)};
    status.current = static_cast<int>(active_.size());
    status.succeeded = done();
    status.failed = static_cast<int>(failed_.size());
    for (const auto* p : active_) status.ready += ready(*p) ? 1 : 0;
    failure_ = why_failed();
    status.message = is_complete() ? "Complete" : !failure_.empty() ? "Failed: " + failure_
                                              : job_.spec.suspend.value_or(false) ? "Suspended" : "";
    return status;
  }

  [[nodiscard]] std::string why_failed() const {
    const int limit = job_.spec.backoff_limit.value_or(6);
    int failures = static_cast<int>(failed_.size());
    if (job_.spec.pod_template.spec.restart_policy == "OnFailure") {
      for (const auto* p : active_) failures += restarts(*p);
    }
    if (failures > limit) return "BackoffLimitExceeded: Job has reached the specified backoff limit";
    if (!job_.spec.active_deadline_seconds) return {};
    std::optional<SystemTime> start;
    for (const auto* list : {&active_, &failed_, &succeeded_}) {
      for (const auto* p : *list) {
        const auto& made = p->pod->metadata.creation_timestamp;
        if (made && (!start || *made < *start)) start = made;
      }
    }
    if (!start) return {};
    const auto deadline = *start + std::chrono::seconds(*job_.spec.active_deadline_seconds);
    if (deadline <= ctx_.now) return "DeadlineExceeded: Job was active longer than specified deadline";
    ctx_.wake_at(deadline);
    return {};
  }

  // After a failure the next pod waits: 10 s, doubling with each failure, at most 6 min.
  [[nodiscard]] bool backing_off() const {
    if (failed_.empty()) return false;
    std::optional<SystemTime> last;
    for (const auto* p : failed_) {
      const auto at = finished_at(*p);
      if (at && (!last || *at > *last)) last = at;
    }
    const auto doublings = std::min<std::size_t>(failed_.size() - 1, 6);
    const auto delay = std::min<Nanoseconds>(kFirstBackoff * (1 << doublings), kMaxBackoff);
    const auto until = last.value_or(ctx_.now) + delay;
    if (!last || until <= ctx_.now) return false;
    ctx_.wake_at(until);
    return true;
  }

  void start_more() {
    if (backing_off()) return;
    const int left = job_.spec.completions ? *job_.spec.completions - done() : parallelism_;
    int missing = std::min(parallelism_, left) - static_cast<int>(active_.size());
    if (!indexed_) {
      for (; missing > 0; --missing) start(-1);
      return;
    }
    auto busy = succeeded_indexes();
    for (const auto* p : active_) busy.insert(index_of(*p->pod));
    for (int i = 0; i < job_.spec.completions.value_or(0) && missing > 0; ++i) {
      if (busy.count(i) > 0) continue;
      start(i);
      --missing;
    }
  }

  void start(int index) {
    const int attempt = attempts_++;
    const auto suffix = stable_suffix(owner_.uid + std::to_string(attempt));
    const auto name = owner_.name + (index >= 0 ? "-" + std::to_string(index) : "") + "-" + suffix;
    kube::StringMap labels = {{"batch.kubernetes.io/job-name", owner_.name}, {"job-name", owner_.name},
                              {"batch.kubernetes.io/controller-uid", owner_.uid}, {"controller-uid", owner_.uid}};
    if (index >= 0) labels[kIndex] = std::to_string(index);
    auto pod = pod_from_template(ctx_, owner_, job_.spec.pod_template, name, std::to_string(attempt), labels);
    pod->metadata.annotations[kAttempt] = std::to_string(attempt);
    if (index >= 0) add_index(*pod, index);
    ctx_.out.pods.push_back(std::move(pod));
  }

  static void add_index(kube::Pod& pod, int index) {
    pod.metadata.annotations[kIndex] = std::to_string(index);
    for (auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (auto& c : *list) {
        kube::EnvVar env;
        env.name = "JOB_COMPLETION_INDEX";
        env.value_from.emplace().field_ref.emplace().field_path = std::string("metadata.annotations['") + kIndex + "']";
        c.env.push_back(std::move(env));
      }
    }
  }

  const ExpandContext& ctx_;
  const kube::Job& job_;
  Owner owner_;
  bool indexed_;
  int parallelism_;
  int attempts_ = 0;
  std::vector<const ExistingPod*> active_, failed_, succeeded_;
  std::string failure_;
};

}  // namespace

void expand_job(const ExpandContext& context, const kube::Job& job) { JobRun(context, job).run(); }

}  // namespace keelson::agent
