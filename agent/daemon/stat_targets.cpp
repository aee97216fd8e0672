#include "agent/daemon/stat_targets.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <map>

#include "agent/daemon/parts.hpp"
#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/names.hpp"
#include "agent/stats/cgroup_files.hpp"
#include "base/files.hpp"
#include "base/unique_fd.hpp"

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

std::string cgroup_of(const std::string& process) {
  const auto text = read_file("/proc/" + process + "/cgroup", 1 << 16);
  return text ? stats::parse_own_cgroup(*text) : std::string();
}

// 0: nobody to be found.
pid_t peer_of(const std::string& endpoint) {
  constexpr std::string_view kScheme = "unix://";
  const auto path = endpoint.starts_with(kScheme) ? endpoint.substr(kScheme.size()) : endpoint;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return 0;
  path.copy(address.sun_path, path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 0;
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

}  // namespace

std::map<std::string, std::string> system_cgroups(const std::string& endpoint) {
  std::map<std::string, std::string> out;
  const auto add = [&out](const char* name, std::string cgroup) {
    if (!cgroup.empty() && cgroup != "/") out.emplace(name, std::move(cgroup));
  };
  add("kubelet", cgroup_of("self"));
  if (const pid_t runtime = peer_of(endpoint); runtime > 0) add("runtime", cgroup_of(std::to_string(runtime)));
  return out;
}

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
