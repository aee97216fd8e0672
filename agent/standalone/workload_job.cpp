// Job: pods that run to their end. Its pods stay after that, for their logs and as the Job's memory, until the Job
// leaves the folder. After upstream's pkg/controller/job.
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

// When its containers were all done; a pod that never had any was refused when it was made.
SystemTime finished_at(const ExistingPod& p) {
  std::optional<SystemTime> out;
  for (const auto& c : p.status->container_statuses) {
    const auto& t = c.state.terminated;
    if (t && t->finished_at && (!out || *t->finished_at > *out)) out = t->finished_at;
  }
  return out.value_or(p.pod->metadata.creation_timestamp.value_or(SystemTime{}));
}

int restarts(const ExistingPod& p) {
  int out = 0;
  if (!p.status) return out;
  for (const auto* list : {&p.status->init_container_statuses, &p.status->container_statuses}) {
    for (const auto& c : *list) out += c.restart_count;
  }
  return out;
}

class JobRun {
 public:
  // A Job's spec does not change: an edited one is another Job, which begins anew.
  JobRun(const ExpandContext& context, const kube::Job& job)
      : ctx_(context),
        job_(job),
        owner_(
            make_owner("batch/v1", "Job", job.metadata, template_hash(job.spec.pod_template) + completions_text(job))),
        indexed_(job.spec.completion_mode == "Indexed"),
        suspended_(job.spec.suspend.value_or(false)),
        parallelism_(job.spec.parallelism.value_or(1)) {
    if (const auto it = ctx_.jobs.find(owner_.uid); it != ctx_.jobs.end()) record_ = it->second;
    for (const auto* p : owned_pods(ctx_, owner_)) {
      attempts_ = std::max(attempts_, attempt_of(*p->pod) + 1);
      if (p->stopping) continue;  // not wanted any more, so what becomes of it tells nothing
      auto& list = has_phase(*p, "Succeeded") ? succeeded_ : has_phase(*p, "Failed") ? failed_ : active_;
      list.push_back(p);
    }
  }

  void run() {
    keep(succeeded_);
    keep(failed_);
    decide();
    WorkloadStatus status{"Job", owner_.ns, owner_.name, job_.spec.completions.value_or(1)};
    status.succeeded = done();
    status.failed = static_cast<int>(failed_.size());
    if (is_complete()) {
      status.message = "Complete";
    } else if (!record_.failure.empty()) {
      status.message = "Failed: " + record_.failure;
    } else if (suspended_) {
      status.message = "Suspended";
    } else {
      const int wanted = wanted_active();
      drop_surplus(wanted);
      keep(active_);
      status.current = static_cast<int>(active_.size());
      for (const auto* p : active_) status.ready += ready(*p) ? 1 : 0;
      start_more(wanted - status.current);
    }
    ctx_.out.jobs[owner_.uid] = record_;
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
    for (const auto* p : pods) ctx_.out.pods.push_back(p->pod);
  }

  [[nodiscard]] std::set<int> succeeded_indexes() const {
    std::set<int> out;
    for (const auto* p : succeeded_) out.insert(index_of(*p->pod));
    return out;
  }

  [[nodiscard]] int done() const { return static_cast<int>(indexed_ ? succeeded_indexes().size() : succeeded_.size()); }

  // Without completions the pods share a work queue: the first success says that it is empty, and the Job is complete
  // when the others ended too.
  [[nodiscard]] bool is_complete() const {
    return job_.spec.completions ? done() >= *job_.spec.completions : done() > 0 && active_.empty();
  }

  // A Job that failed stays failed, also when the pods that tell why are gone.
  void decide() {
    if (is_complete() || !record_.failure.empty()) return;
    if (suspended_) {
      record_.started.reset();
      return;
    }
    if (!record_.started) record_.started = std::chrono::floor<Seconds>(ctx_.now);
    record_.failure = why_failed();
  }

  [[nodiscard]] std::string why_failed() const {
    const int limit = job_.spec.backoff_limit.value_or(6);
    int restarted = 0;
    if (job_.spec.pod_template.spec.restart_policy == "OnFailure") {
      for (const auto* p : active_) restarted += restarts(*p);
    }
    if (static_cast<int>(failed_.size()) > limit || (restarted > 0 && restarted >= limit)) {
      return "BackoffLimitExceeded: Job has reached the specified backoff limit";
    }
    if (auto reason = why_indexes_failed(); !reason.empty()) return reason;
    if (!job_.spec.active_deadline_seconds) return {};
    const auto deadline = *record_.started + std::chrono::seconds(*job_.spec.active_deadline_seconds);
    if (deadline <= ctx_.now) return "DeadlineExceeded: Job was active longer than specified deadline";
    ctx_.wake_at(deadline);
    return {};
  }

  // Indexes that failed more often than backoffLimitPerIndex allows.
  [[nodiscard]] std::set<int> failed_indexes() const {
    std::set<int> out;
    if (!indexed_ || !job_.spec.backoff_limit_per_index) return out;
    std::map<int, int> failures;
    for (const auto* p : failed_) {
      if (++failures[index_of(*p->pod)] > *job_.spec.backoff_limit_per_index) out.insert(index_of(*p->pod));
    }
    for (const int i : succeeded_indexes()) out.erase(i);
    return out;
  }

  [[nodiscard]] std::string why_indexes_failed() const {
    const int lost = static_cast<int>(failed_indexes().size());
    if (lost == 0) return {};
    if (job_.spec.max_failed_indexes && lost > *job_.spec.max_failed_indexes) {
      return "MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes";
    }
    if (lost + done() < job_.spec.completions.value_or(0)) return {};
    return "FailedIndexes: Job has failed indexes";
  }

  [[nodiscard]] int wanted_active() const {
    if (job_.spec.completions) return std::min(parallelism_, *job_.spec.completions - done());
    return done() > 0 ? std::min(parallelism_, static_cast<int>(active_.size())) : parallelism_;
  }

  // parallelism was lowered: those that are not ready go first, then the latest.
  void drop_surplus(int wanted) {
    if (static_cast<int>(active_.size()) <= wanted) return;
    std::sort(active_.begin(), active_.end(), [](const auto* a, const auto* b) {
      return std::pair(!ready(*a), attempt_of(*a->pod)) < std::pair(!ready(*b), attempt_of(*b->pod));
    });
    active_.resize(static_cast<std::size_t>(wanted));
  }

  // After a failure the next pod waits: 10 s, doubling with each failure since the last success, at most 6 min. With
  // backoffLimitPerIndex each index (`index`) counts for itself.
  [[nodiscard]] bool backing_off(std::optional<int> index) const {
    const auto counts = [&](const ExistingPod& p) { return !index || index_of(*p.pod) == *index; };
    SystemTime last_success{}, last_failure{};
    for (const auto* p : succeeded_) {
      if (counts(*p)) last_success = std::max(last_success, finished_at(*p));
    }
    int failures = 0;
    for (const auto* p : failed_) {
      if (!counts(*p) || finished_at(*p) <= last_success) continue;
      ++failures;
      last_failure = std::max(last_failure, finished_at(*p));
    }
    if (failures == 0) return false;
    const auto delay = std::min<Nanoseconds>(kFirstBackoff * (1 << std::min(failures - 1, 6)), kMaxBackoff);
    if (last_failure + delay <= ctx_.now) return false;
    ctx_.wake_at(last_failure + delay);
    return true;
  }

  void start_more(int missing) {
    const bool by_index = indexed_ && job_.spec.backoff_limit_per_index;
    if (missing <= 0 || (!by_index && backing_off(std::nullopt))) return;
    if (!indexed_) {
      for (; missing > 0; --missing) start(-1);
      return;
    }
    auto busy = succeeded_indexes();
    busy.merge(failed_indexes());
    for (const auto* p : active_) busy.insert(index_of(*p->pod));
    for (int i = 0; i < job_.spec.completions.value_or(0) && missing > 0; ++i) {
      if (busy.count(i) > 0 || (by_index && backing_off(i))) continue;
      start(i);
      --missing;
    }
  }

  void start(int index) {
    const int attempt = attempts_++;
    const auto suffix = stable_suffix(owner_.uid + std::to_string(attempt));
    const auto name = owner_.name + (index >= 0 ? "-" + std::to_string(index) : "") + "-" + suffix;
    kube::StringMap labels = {{"batch.kubernetes.io/job-name", owner_.name},
                              {"job-name", owner_.name},
                              {"batch.kubernetes.io/controller-uid", owner_.uid},
                              {"controller-uid", owner_.uid}};
    if (index >= 0) labels[kIndex] = std::to_string(index);
    auto pod = pod_from_template(ctx_, owner_, job_.spec.pod_template, name, std::to_string(attempt), labels);
    pod->metadata.annotations[kAttempt] = std::to_string(attempt);
    if (index >= 0) add_index(*pod, index);
    ctx_.out.pods.push_back(std::move(pod));
  }

  static void add_index(kube::Pod& pod, int index) {
    constexpr const char* kVariable = "JOB_COMPLETION_INDEX";
    pod.metadata.annotations[kIndex] = std::to_string(index);
    pod.spec.hostname = pod.metadata.owner_references.front().name + "-" + std::to_string(index);
    for (auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (auto& c : *list) {
        if (std::any_of(c.env.begin(), c.env.end(), [&](const auto& e) { return e.name == kVariable; })) continue;
        kube::EnvVar env;
        env.name = kVariable;
        env.value_from.emplace().field_ref.emplace().field_path = std::string("metadata.annotations['") + kIndex + "']";
        c.env.push_back(std::move(env));
      }
    }
  }

  const ExpandContext& ctx_;
  const kube::Job& job_;
  Owner owner_;
  bool indexed_, suspended_;
  int parallelism_;
  int attempts_ = 0;
  std::vector<const ExistingPod*> active_, failed_, succeeded_;
  JobRecord record_;
};

}  // namespace

void expand_job(const ExpandContext& context, const kube::Job& job) { JobRun(context, job).run(); }

std::string encode_jobs(const JobRecords& jobs) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [uid, r] : jobs) {
    auto& entry = out[uid] = {{"failure", r.failure}};
    if (r.started) entry["started"] = std::chrono::floor<Seconds>(*r.started).time_since_epoch().count();
  }
  return out.dump();
}

JobRecords decode_jobs(const std::string& text) {
  JobRecords out;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return out;
  for (const auto& [uid, entry] : json.items()) {
    if (!entry.is_object()) continue;
    JobRecord record;
    if (const auto it = entry.find("failure"); it != entry.end() && it->is_string()) record.failure = *it;
    if (const auto it = entry.find("started"); it != entry.end() && it->is_number_integer()) {
      record.started = SystemTime(Seconds(it->get<std::int64_t>()));
    }
    out[uid] = std::move(record);
  }
  return out;
}

}  // namespace keelson::agent
