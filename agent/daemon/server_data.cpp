#include "agent/daemon/server_data.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/config/effective.hpp"
#include "agent/daemon/own_metrics.hpp"
#include "agent/daemon/parts.hpp"
#include "agent/daemon/stat_targets.hpp"
#include "agent/node/machine_facts.hpp"
#include "agent/pod/status.hpp"
#include "agent/proxy/explain.hpp"
#include "agent/spec/names.hpp"
#include "agent/stats/reader.hpp"
#include "kube/codec.hpp"
#include "kube/endpoint_slice.hpp"

namespace keelson::agent {

using nlohmann::json;

PodEntry NodeData::to_entry(const PodView& view) {
  PodEntry entry{view.pod, view.status, std::nullopt};
  if (view.stopping) entry.stopping_since = stopping_since_.try_emplace(view.pod->metadata.uid, now()).first->second;
  return entry;
}

std::vector<PodEntry> NodeData::pods() {
  std::vector<PodEntry> out;
  std::set<std::string> uids;
  for (const auto& view : parts_.pods.pods()) {
    uids.insert(view.pod->metadata.uid);
    out.push_back(to_entry(view));
  }
  std::erase_if(stopping_since_, [&](const auto& item) { return uids.count(item.first) == 0; });
  return out;
}

std::optional<PodEntry> NodeData::find_pod(const std::string& ns, const std::string& name) {
  const auto view = parts_.pods.find(ns, name);
  if (!view) return std::nullopt;
  return to_entry(*view);
}

std::optional<std::string> NodeData::log_path(const std::string& pod_uid, const std::string& container_id) {
  const auto view = parts_.pods.find_uid(pod_uid);
  const auto* container = view && view->observed ? view->observed->find_id(container_id) : nullptr;
  if (!container) return std::nullopt;
  if (!container->log_path.empty()) return container->log_path;
  const auto folder = spec::pod_log_dir(parts_.facts, *view->pod);
  return (folder / spec::container_log_path(container->name, container->attempt)).string();
}

std::string NodeData::sandbox_id(const std::string& pod_uid) {
  const auto view = parts_.pods.find_uid(pod_uid);
  if (!view || !view->observed) return {};
  const auto& sandboxes = view->observed->sandboxes;
  return sandboxes.empty() || !sandboxes.front().ready ? std::string() : sandboxes.front().id;
}

const PodJournal* NodeData::journal(const std::string& key) { return parts_.journal.find(key); }

std::string NodeData::network_activity(const std::string& pod_uid) { return parts_.network.activity(pod_uid); }

void NodeData::on_change(std::function<void()> handler) { parts_.pods.on_change(std::move(handler)); }

json NodeData::services() {
  json services = json::array(), slices = json::array();
  for (const auto& service : parts_.services.services()) services.push_back(kube::encode(*service));
  for (const auto& slice : parts_.services.slices()) slices.push_back(kube::encode(*slice));
  return {{"services", std::move(services)},
          {"endpointSlices", std::move(slices)},
          {"proxy", proxy_status_json(parts_.services.proxier())}};
}

Awaitable<Result<Services::SliceList>> NodeData::slices_of(std::string ns, std::string service) {
  if (parts_.cluster) {
    auto asked = co_await parts_.cluster->slices_of(std::move(ns), std::move(service));
    co_return asked;
  }
  Services::SliceList out;
  for (const auto& slice : parts_.services.slices()) {
    const auto label = slice->metadata.labels.find(kube::EndpointSlice::kServiceNameLabel);
    const bool named = label != slice->metadata.labels.end() && label->second == service;
    if (named && slice->metadata.ns == ns) out.push_back(slice);
  }
  co_return out;
}

Awaitable<json> NodeData::explain_service(std::string ns, std::string name) {
  SlicesOf slices = [this](std::string of_ns, std::string service) {
    return slices_of(std::move(of_ns), std::move(service));
  };
  return explain_service_now(parts_.services.proxier(), std::move(ns), std::move(name), std::move(slices));
}

json NodeData::workloads() {
  json out = json::array();
  if (!parts_.source) return out;
  for (const auto& w : parts_.source->workloads()) {
    out.push_back({{"kind", w.kind},
                   {"namespace", w.ns},
                   {"name", w.name},
                   {"desired", w.desired},
                   {"current", w.current},
                   {"ready", w.ready},
                   {"upToDate", w.up_to_date},
                   {"succeeded", w.succeeded},
                   {"failed", w.failed},
                   {"message", w.message}});
  }
  return out;
}

json NodeData::problems() {
  json out = json::array();
  if (!parts_.source) return out;
  const auto add = [&out](const std::vector<SourceProblem>& list, const char* severity) {
    for (const auto& p : list) {
      out.push_back({{"file", p.file}, {"object", p.object}, {"message", p.message}, {"severity", severity}});
    }
  };
  add(parts_.source->problems(), "error");
  add(parts_.source->warnings(), "warning");
  return out;
}

json NodeData::network_status() const {
  auto& network = parts_.network;
  json out = {{"mode", network.mode()}};
  const auto* manager = network.ours() ? network.manager() : nullptr;
  if (!manager) return out;
  const auto& conf = manager->networks();
  out["network"] = conf.networks.empty() ? std::string() : conf.networks.front().name;
  out["attachments"] = manager->records().size();
  out["problems"] = json::array();
  for (const auto& p : conf.problems) out["problems"].push_back({{"file", p.file.string()}, {"reason", p.reason}});
  return out;
}

json NodeData::status() {
  const auto pods = parts_.pods.pods();
  const auto ready =
      std::count_if(pods.begin(), pods.end(), [](const auto& p) { return p.status && is_ready(*p.status); });
  const bool systemd = parts_.facts.cgroup_driver == spec::CgroupDriver::systemd;
  return {{"version", KEELSON_VERSION},
          {"cluster", parts_.cluster ? parts_.cluster->status() : json()},
          {"node", parts_.facts.name},
          {"addresses", parts_.facts.ips},
          {"manifests", parts_.options.manifests.string()},
          {"rootDir", parts_.options.root_dir.string()},
          {"runtime",
           {{"name", parts_.runtime.name},
            {"version", parts_.runtime.version},
            {"endpoint", parts_.options.runtime_endpoint},
            {"connected", parts_.client->connected()},
            {"events", std::string(parts_.events.source())}}},
          {"cgroups", {{"driver", systemd ? "systemd" : "cgroupfs"}, {"version", parts_.facts.cgroup_version}}},
          {"podNetwork", network_status()},
          {"proxy", proxy_status_json(parts_.services.proxier())},
          {"counts",
           {{"pods", pods.size()},
            {"podsReady", ready},
            {"imagePulls", parts_.images.pulling()},
            {"services", parts_.services.service_count()},
            {"workloads", workloads().size()},
            {"problems", parts_.source ? parts_.source->problems().size() : 0}}}};
}

json NodeData::kubelet_config() {
  auto options = parts_.options;
  options.cgroup_driver = parts_.facts.cgroup_driver == spec::CgroupDriver::systemd ? "systemd" : "cgroupfs";
  return effective_kubelet_config(options);
}

std::string NodeData::node_name() { return parts_.facts.name; }

Awaitable<Result<stats::Sample>> NodeData::sample(stats::Detail detail) {
  auto node = node_stat_target(parts_);
  auto pods = pod_stat_targets(parts_);
  if (detail == stats::Detail::full) {
    co_await ask_runtime(*parts_.client, node, pods);
    co_await volume_stats_.refresh();
    for (auto& pod : pods) pod.volumes = volume_stats_.of(pod.uid);
  }
  if (!system_cgroups_) {
    auto find = [endpoint = parts_.options.runtime_endpoint] { return agent::system_cgroups(endpoint); };
    system_cgroups_ = co_await parts_.pool.run(std::move(find));
  }
  node.system_cgroups = *system_cgroups_;
  auto read = [node = std::move(node), pods = std::move(pods), detail] {
    return stats::take_sample(node, pods, detail);
  };
  auto sample = co_await parts_.pool.run(std::move(read));
  cpu_rates_.apply(sample);
  co_return sample;
}

stats::MachineFacts NodeData::machine() {
  const auto facts = read_machine_facts();
  return {facts.kernel_version, facts.os_image,   parts_.runtime.name + "://" + parts_.runtime.version,
          facts.boot_id,        facts.machine_id, facts.system_uuid};
}

Awaitable<void> NodeData::write_metrics(stats::MetricText& out) {
  co_await volume_stats_.refresh(VolumeStats::Which::claims);
  std::vector<stats::PodSample> pods;
  for (const auto& view : parts_.pods.pods()) {
    auto& pod = pods.emplace_back();
    pod.ns = view.pod->metadata.ns;
    pod.volumes = volume_stats_.of(view.pod->metadata.uid);
  }
  stats::write_volume_metrics(out, pods);
  write_runtime_metrics(out, parts_.client->operations());
  if (parts_.cluster) parts_.cluster->write_metrics(out);
}

void NodeData::write_probe_metrics(stats::MetricText& out) { agent::write_probe_metrics(out, parts_.probes.totals()); }

std::filesystem::path NodeData::checkpoint_dir() { return parts_.options.root_dir / "checkpoints"; }
cri::RuntimeService& NodeData::runtime() { return *parts_.client; }
BlockingPool& NodeData::pool() { return parts_.pool; }
SystemTime NodeData::now() { return parts_.clock.now(); }

}  // namespace keelson::agent
