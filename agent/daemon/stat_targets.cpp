#include "agent/daemon/stat_targets.hpp"

#include <map>

#include "agent/daemon/parts.hpp"
#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/names.hpp"

namespace keelson::agent {
namespace {

constexpr Milliseconds kRuntimePatience{2000};

stats::PodTarget to_target(const Daemon::Parts& parts, const PodView& view) {
  const auto& pod = *view.pod;
  const auto& facts = parts.facts;
  stats::PodTarget out;
  out.name = pod.metadata.name;
  out.ns = pod.metadata.ns;
  out.uid = pod.metadata.uid;
  out.cgroup =
      spec::cgroup_path(spec::pod_cgroup(facts.cgroup_root, spec::qos_class(pod), out.uid), facts.cgroup_driver);
  if (!view.observed->sandboxes.empty()) {
    const auto& sandbox = view.observed->sandboxes.front();
    out.started_at = sandbox.created_at;
    out.host_network = sandbox.host_network;
    if (sandbox.ready) out.sandbox_id = sandbox.id;
  }
  if (view.status && view.status->start_time) out.started_at = *view.status->start_time;
  for (const auto& c : view.observed->containers) {
    if (c.state != RunState::running) continue;
    stats::ContainerTarget container;
    container.name = c.name;
    container.id = c.id;
    container.image = c.image;
    container.started_at = c.started_at;
    container.log_dir = spec::container_log_dir(facts, pod, c.name);
    out.containers.push_back(std::move(container));
  }
  return out;
}

}  // namespace

stats::NodeTarget node_stat_target(const Daemon::Parts& parts) {
  const auto& facts = parts.facts;
  stats::NodeTarget out;
  out.name = facts.name;
  out.mount = {facts.cgroup_mount, facts.cgroup_version};
  out.pods_cgroup = spec::cgroup_path(spec::kubepods_cgroup(facts.cgroup_root), facts.cgroup_driver);
  out.fs = facts.root_dir;
  return out;
}

std::vector<stats::PodTarget> pod_stat_targets(const Daemon::Parts& parts) {
  std::vector<stats::PodTarget> out;
  for (const auto& view : parts.pods.pods()) {
    if (view.observed && view.observed->any_running()) out.push_back(to_target(parts, view));
  }
  return out;
}

Awaitable<void> ask_runtime(cri::Client& client, stats::NodeTarget& node, std::vector<stats::PodTarget>& pods) {
  cri::v1::ImageFsInfoRequest about_images;
  const auto images = co_await client.image_fs_info(std::move(about_images), kRuntimePatience);
  if (images && images->image_filesystems_size() > 0) {
    const auto& fs = images->image_filesystems(0);
    node.image_fs = fs.fs_id().mountpoint();
    node.images_bytes = fs.used_bytes().value();
    node.images_inodes = fs.inodes_used().value();
  }
  cri::v1::ListContainerStatsRequest about_layers;
  const auto layers = co_await client.list_container_stats(std::move(about_layers), kRuntimePatience);
  if (!layers) co_return;
  std::map<std::string_view, const cri::v1::FilesystemUsage*> by_id;
  for (const auto& s : layers->stats()) by_id.emplace(s.attributes().id(), &s.writable_layer());
  for (auto& pod : pods) {
    for (auto& c : pod.containers) {
      const auto found = by_id.find(c.id);
      if (found == by_id.end()) continue;
      c.layer_bytes = found->second->used_bytes().value();
      c.layer_inodes = found->second->inodes_used().value();
    }
  }
}

}  // namespace keelson::agent
