// What the controllers of a cluster would make of the folder's workloads, on one node and as a pure function: which
// pods there should be now, given those that are there. Each call moves a rollout or a Job by the steps that its pods'
// statuses allow; call again when a status changed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/standalone/manifests.hpp"
#include "base/async.hpp"

namespace keelson::agent {

struct ExistingPod {
  std::shared_ptr<const kube::Pod> pod;
  std::shared_ptr<const kube::PodStatus> status;
  bool stopping = false;
};

// One workload, as `keelson get` shows it.
struct WorkloadStatus {
  std::string kind, ns, name;
  int desired = 0;
  int current = 0;
  int ready = 0;
  int up_to_date = 0;
  int succeeded = 0, failed = 0;  // Jobs
  std::string message;            // what it waits for, or why it failed; empty when all is well
  bool operator==(const WorkloadStatus&) const = default;
};

// What must be remembered of a Job beyond its pods, which it removes when it fails.
struct JobRecord {
  std::optional<SystemTime> started;  // since when activeDeadlineSeconds counts
  std::string failure;                // why it failed, for good; empty while it has not
  bool operator==(const JobRecord&) const = default;
};
using JobRecords = std::map<std::string, JobRecord>;  // by the Job's UID

// As JSON, for the disk. What cannot be read is left out: such a Job begins anew.
[[nodiscard]] std::string encode_jobs(const JobRecords& jobs);
[[nodiscard]] JobRecords decode_jobs(const std::string& text);

struct Expansion {
  std::vector<std::shared_ptr<const kube::Pod>> pods;  // wanted; those that exist are passed through
  std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> claims;  // of volumeClaimTemplates
  std::vector<WorkloadStatus> workloads;
  std::vector<SourceProblem> problems;
  JobRecords jobs;                    // of the next call
  std::optional<SystemTime> wake_at;  // when time alone changes the result (minReadySeconds, activeDeadlineSeconds)
};

[[nodiscard]] Expansion expand(const ManifestSet& set, const std::vector<ExistingPod>& existing,
                               const std::string& node_name, SystemTime now, const JobRecords& jobs = {});

// The claims of pods that a StatefulSet had before it was scaled down, if they have a volume (`bound`: claim -> volume,
// as in Bindings). They keep it, unless the set's retention policy for scaling is Delete.
[[nodiscard]] std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> retained_claims(
    const ManifestSet& set, const std::map<std::string, std::string>& bound);

}  // namespace keelson::agent
