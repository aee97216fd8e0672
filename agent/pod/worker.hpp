// One pod's worker: a coroutine that sleeps until something about its pod changed, asks plan() what to do, does it, and
// sleeps again. Every failure of the pod ends here and becomes status, journal and a later try.
//
// Lives on the loop's thread; made and owned by the PodManager. Life: run() syncs until stop() is called, then stops
// the pod, removes everything of it, and returns.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/pod/checkpoint.hpp"
#include "agent/pod/context.hpp"
#include "agent/pod/plan.hpp"
#include "agent/pod/resize.hpp"
#include "agent/spec/security.hpp"
#include "base/notifier.hpp"

namespace keelson::agent {

class StopOrder;

// The reason of pods that ended because the machine shut down.
inline constexpr const char* kTerminatedByShutdown = "Terminated";

class PodWorker {
 public:
  // `checkpoint`: what an earlier agent left of this pod. `known_absent`: the runtime has nothing of it, so the first
  // look is saved.
  PodWorker(PodContext& context, std::shared_ptr<const kube::Pod> pod, std::optional<Checkpoint> checkpoint,
            bool known_absent);

  // Returns when the pod is stopped and removed; ends early, leaving everything as it is, when its task is cancelled.
  Awaitable<void> run();

  // The pod's desired state changed (same UID).
  void update(std::shared_ptr<const kube::Pod> pod);
  // Stop the pod and remove it. `grace`: none = the pod's own.
  void stop(std::optional<std::int64_t> grace);
  // The pod has failed, for `why`: what runs of it is stopped with `grace` seconds, and it never runs again.
  void end(Waiting why, std::int64_t grace);
  // The runtime told of this container or sandbox, or (empty) anything may have changed.
  void runtime_changed(const std::string& id);
  // An object that the pod refers to changed: failures for want of it are tried again now, volumes are refreshed.
  void objects_changed();
  // A probe's verdict changed.
  void probe_changed() { wake_.notify(); }
  // Compares with what a list of the whole runtime shows, and looks closer only where they differ.
  void reconcile(const std::map<std::string, RunState>& containers, const std::map<std::string, bool>& sandboxes);

  [[nodiscard]] const std::shared_ptr<const kube::Pod>& pod() const { return pod_; }
  [[nodiscard]] const std::shared_ptr<const kube::PodStatus>& status() const { return status_; }
  [[nodiscard]] const PodObservation& observation() const { return observed_; }
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  // A container, or the pod's sandbox or volumes ("" as the key), could not be started.
  struct Failure {
    Waiting waiting;
    SystemTime retry_at{};
  };

  // worker.cpp: the loop.
  Awaitable<void> sync_until_stopped();
  Awaitable<bool> round();
  Awaitable<Result<void>> look();
  void note_half_started();
  Awaitable<void> forget_cut_starts();
  std::optional<SystemTime> check_active_deadline();
  void update_probes();
  [[nodiscard]] ProbeFactsMap probe_facts() const;
  // Shows the pod as it is observed, and as `plan` says of containers that wait; publishes it when that is new.
  void publish(const Plan& plan);
  void show();  // again, by the plan that is being carried out
  void tell_back_offs(const Plan& plan);
  Awaitable<bool> perform(Plan plan);
  Awaitable<void> save_checkpoint();
  [[nodiscard]] std::optional<SteadyTime> wake_deadline() const;
  void fail(const std::string& object, Waiting waiting, Nanoseconds retry_after);
  [[nodiscard]] bool blocked(const std::string& object) const;
  // How long to wait after a failure: not at all when objects that the pod refers to have changed since it was tried.
  [[nodiscard]] Nanoseconds retry_in(Nanoseconds usual) const;

  // Runs `f` on the pool; the pod's removal waits for it also when the caller is cancelled meanwhile.
  template <class F>
  Awaitable<std::invoke_result_t<F&>> run_job(F f) {
    auto job = [f = std::move(f), jobs = jobs_]() mutable {
      struct Done {
        std::atomic<int>& jobs;
        ~Done() { --jobs; }
      } done{*jobs};
      return f();
    };
    ++*jobs_;
    co_return co_await ctx_.pool.run(std::move(job));
  }

  // start_pod.cpp: what has to be there before a container.
  Awaitable<bool> start_sandbox(std::uint32_t attempt);
  Awaitable<Result<void>> prepare_node();
  Awaitable<Result<void>> write_hosts_file();
  Awaitable<bool> set_up_volumes();
  Awaitable<Result<spec::PodSecurityFacts>> security_facts();
  Awaitable<Result<SandboxObservation>> run_sandbox(std::uint32_t attempt);
  Awaitable<void> refresh_objects();

  // start_container.cpp
  Awaitable<bool> start_container(StartContainer start);
  [[nodiscard]] std::vector<RegistryAuth> pull_credentials(const std::string& image);
  Awaitable<Result<std::string>> create_container(const kube::Container& container, const StartContainer& start,
                                                  const ImageFacts& image);
  [[nodiscard]] Result<std::string> target_container_id(const kube::Container& container) const;
  Awaitable<std::optional<ImageWait>> pull_image_volumes(std::string container_name);  // image_volumes.cpp
  Awaitable<Result<void>> run_post_start(std::string name, std::string id);
  Awaitable<Result<void>> run_container(const StartContainer& start, std::string id);
  void container_failed(const std::string& name, const Error& error, std::string_view default_reason);

  // stop_pod.cpp
  Awaitable<Result<void>> stop_containers(std::vector<StopContainer> containers, std::int64_t grace);
  Awaitable<void> run_pre_stop(const kube::Container& container, std::string id, Seconds patience);
  Awaitable<void> stop_one(StopContainer container, std::int64_t grace, std::shared_ptr<StopOrder> order,
                           std::shared_ptr<Result<void>> out);
  Awaitable<Result<void>> stop_everything(std::int64_t grace);
  Awaitable<Result<void>> remove_everything();

  // remove.cpp
  Awaitable<Result<void>> remove_container(std::string id);
  Awaitable<Result<void>> remove_sandbox(std::string id);
  Awaitable<bool> end_lost_tasks(std::vector<std::string> container_ids);
  Awaitable<void> remove_logs(std::string container_id);
  Awaitable<void> stop_and_remove();
  Awaitable<void> finish();

  // resize_pod.cpp
  Awaitable<bool> resize(ResizePlan plan);
  Awaitable<Result<void>> resize_all(std::vector<ContainerResize> updates);
  Awaitable<Result<void>> resize_container(ContainerResize resize);
  Awaitable<Result<void>> check_memory_use(ContainerResize resize);
  Awaitable<Result<void>> set_pod_cgroup(spec::CgroupResources resources);

  [[nodiscard]] const std::string& uid() const { return pod_->metadata.uid; }
  // Seconds that the pod has to stop.
  [[nodiscard]] std::int64_t grace() const {
    return stop_grace_.value_or(pod_->spec.termination_grace_period_seconds.value_or(30));
  }
  [[nodiscard]] std::string key() const { return kube::object_key(pod_->metadata); }
  [[nodiscard]] PodJournal& journal() { return ctx_.journal.pod(key()); }
  [[nodiscard]] std::vector<std::string> pod_ips() const;
  [[nodiscard]] const kube::Container* find_container(const std::string& name) const;

  PodContext& ctx_;
  std::shared_ptr<const kube::Pod> pod_;
  std::shared_ptr<const kube::PodStatus> status_;
  std::shared_ptr<const kube::ObjectSet> objects_;
  PodObservation observed_;
  volumes::MountedVolumes mounted_;
  std::map<std::string, BackoffState> backoff_;
  ActuatedMap actuated_;
  std::optional<Waiting> resizing_;  // a resize is under way; with a reason where it fails
  std::map<std::string, Failure> failures_;
  std::map<std::string, Waiting> waiting_;  // by the plan that is being carried out
  BackoffPolicy restart_policy_;
  BackoffTable retries_;  // of the sandbox and the volumes
  std::optional<SystemTime> plan_wake_;
  std::optional<Waiting> failure_;  // of the pod as a whole
  Semaphore::Permit permit_;        // held while the pod starts
  Notifier wake_;
  Notifier stop_requested_;
  Notifier end_requested_;
  std::optional<std::int64_t> stop_grace_;
  std::optional<std::int64_t> end_grace_;
  std::set<std::string> pre_stop_ran_;  // IDs of containers
  std::shared_ptr<std::atomic<int>> jobs_ = std::make_shared<std::atomic<int>>(0);
  SystemTime round_began_{};
  bool stopping_ = false;
  bool look_at_all_ = true;
  std::set<std::string> half_started_;  // IDs of containers that an earlier agent may have been starting when it died
  bool adopting_ = false;               // what the runtime has of the pod was not looked at yet
  std::set<std::string> look_at_;
  bool objects_stale_ = true;
  bool volumes_ready_ = false;
  bool checkpoint_stale_ = false;
  bool finished_ = false;
  bool hosts_written_ = false;  // of the present sandbox
};

}  // namespace keelson::agent
