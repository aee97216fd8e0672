// The manifest folder as a source of desired state: beside the API server, nothing more. It reads the folder, makes of
// it what controllers would (workloads.hpp, binding.hpp, room.hpp, allocate.hpp, endpoints.hpp: all pure), and passes on
// differences.
//   folder, pod statuses -> recompute -> PodManager (pods), on_services, on_slices
// Lives on the loop's thread. Wakes only when the folder or a pod's status changed, or a workload's time has come.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "agent/pod/context.hpp"
#include "agent/pod/manager.hpp"
#include "agent/standalone/allocate.hpp"
#include "agent/standalone/binding.hpp"
#include "agent/standalone/folder.hpp"
#include "agent/standalone/workloads.hpp"
#include "base/task_group.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

struct ManifestSourceOptions {
  std::filesystem::path dir;
  std::filesystem::path root_dir;
  std::string node_name;
  std::string service_cidr;
  kube::Node node;  // name, labels and allocatable, for room.hpp
  std::vector<std::string> allowed_sysctls;
  const spec::NodeFacts* facts = nullptr;  // what kernel and runtime have
  std::function<std::set<std::string>()> pressure = {};  // the node's conditions that keep pods away
};

class ManifestSource final : public ObjectSource {
 public:
  using ServiceList = std::vector<std::shared_ptr<const kube::Service>>;
  using SliceList = std::vector<std::shared_ptr<const kube::EndpointSlice>>;

  // The callbacks get the whole list each time it changed, also once at the start.
  ManifestSource(Executor executor, BlockingPool& pool, const Clock& clock, PodManager& pods,
                 ManifestSourceOptions options, std::function<void(const ServiceList&)> on_services,
                 std::function<void(const SliceList&)> on_slices);

  // Until cancelled.
  Awaitable<void> run();
  // The node's pressure is another.
  void node_changed() { wake_.notify(); }
  // Answers from memory.
  Awaitable<Result<kube::ObjectSet>> gather(std::shared_ptr<const kube::Pod> pod) override;

  [[nodiscard]] const std::vector<SourceProblem>& problems() const { return problems_; }
  [[nodiscard]] const std::vector<SourceProblem>& warnings() const { return set_.warnings; }
  [[nodiscard]] const std::vector<WorkloadStatus>& workloads() const { return workloads_; }

 private:
  Awaitable<void> watch_folder();
  Awaitable<void> reload();
  void load_state();
  void recompute();
  void pass_pods(const std::vector<std::shared_ptr<const kube::Pod>>& wanted);
  void pass_slices(const std::vector<ExistingPod>& existing);
  Awaitable<void> save_state();
  void recall_manifests();
  Awaitable<void> remember_manifests();
  void report_problems(std::vector<SourceProblem> now);
  void tell_changed_objects(const ManifestSet& before, const ServiceList& services_before);
  [[nodiscard]] std::vector<ExistingPod> existing_pods() const;

  BlockingPool& pool_;
  const Clock& clock_;
  PodManager& pods_;
  ManifestSourceOptions options_;
  std::function<void(const ServiceList&)> on_services_;
  std::function<void(const SliceList&)> on_slices_;
  Folder folder_;
  Notifier wake_;
  TaskGroup tasks_;
  ManifestSet set_;
  std::vector<SourceProblem> folder_problems_, problems_;
  std::vector<WorkloadStatus> workloads_;
  Bindings bindings_;
  ServiceTable table_;
  JobRecords jobs_;
  ServiceList services_;
  SliceList slices_;
  std::map<std::string, std::shared_ptr<const kube::Pod>> wanted_;  // by UID: what was passed on
  std::string saved_state_;
  std::uint64_t remembered_hash_ = 0;  // of what remember_manifests() wrote last
  std::optional<SystemTime> next_;
  bool folder_changed_ = true;
  bool started_ = false;
};

}  // namespace keelson::agent
