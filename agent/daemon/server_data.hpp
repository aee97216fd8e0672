// The daemon's answers to the HTTP API: reads the modules' state, on the loop's thread.
#pragma once

#include <map>

#include "agent/daemon/daemon.hpp"
#include "agent/daemon/services.hpp"
#include "agent/daemon/volume_stats.hpp"
#include "agent/server/data.hpp"
#include "agent/stats/cpu_rates.hpp"

namespace keelson::agent {

struct PodView;

class NodeData final : public ServerData {
 public:
  // `parts` must outlive this; its modules may be made after this.
  NodeData(Daemon::Parts& parts, const Executor& executor, Nanoseconds volume_stats_period)
      : parts_(parts), volume_stats_(parts, executor, volume_stats_period) {}

  std::vector<PodEntry> pods() override;
  std::optional<PodEntry> find_pod(const std::string& ns, const std::string& name) override;
  std::optional<std::string> log_path(const std::string& pod_uid, const std::string& container_id) override;
  std::string sandbox_id(const std::string& pod_uid) override;
  const PodJournal* journal(const std::string& key) override;
  std::string network_activity(const std::string& pod_uid) override;
  void on_change(std::function<void()> handler) override;
  nlohmann::json services() override;
  Awaitable<nlohmann::json> explain_service(std::string ns, std::string name) override;
  nlohmann::json workloads() override;
  nlohmann::json problems() override;
  nlohmann::json status() override;
  nlohmann::json kubelet_config() override;
  std::filesystem::path checkpoint_dir() override;
  std::string node_name() override;
  Awaitable<Result<stats::Sample>> sample(stats::Detail detail) override;
  stats::MachineFacts machine() override;
  Awaitable<void> write_metrics(stats::MetricText& out) override;
  void write_probe_metrics(stats::MetricText& out) override;
  cri::RuntimeService& runtime() override;
  BlockingPool& pool() override;
  SystemTime now() override;

 private:
  // Of one Service: the folder's, or those that the API server has.
  Awaitable<Result<Services::SliceList>> slices_of(std::string ns, std::string service);
  PodEntry to_entry(const PodView& view);
  nlohmann::json network_status() const;

  Daemon::Parts& parts_;
  stats::CpuRates cpu_rates_;
  VolumeStats volume_stats_;
  std::optional<std::map<std::string, std::string>> system_cgroups_;  // found when first asked for
  std::map<std::string, SystemTime> stopping_since_;                  // by UID: when a pod was first seen stopping
};

}  // namespace keelson::agent
