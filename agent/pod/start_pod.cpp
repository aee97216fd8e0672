// PodWorker: what has to be there before a container starts: folders, cgroup, volumes, sandbox, hosts file.
#include <fcntl.h>

#include "agent/pod/observer.hpp"
#include "agent/pod/worker.hpp"
#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/dns.hpp"
#include "agent/spec/hosts.hpp"
#include "agent/spec/names.hpp"
#include "agent/spec/node_support.hpp"
#include "agent/spec/qos.hpp"
#include "agent/spec/sandbox_config.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

// Writes in place: the file is bind-mounted into containers, a new inode would not be seen there.
Result<void> write_in_place(const std::filesystem::path& path, const std::string& text) {
  if (const auto old = read_file(path); old && *old == text) return {};
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) return errno_error(errno, "open " + path.string());
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return errno_error(errno, "write " + path.string());
  }
  return {};
}

struct NodePreparation {
  spec::NodeFacts facts;
  std::string uid;
  std::filesystem::path log_dir;
  spec::Cgroups cgroups;
  spec::CgroupName cgroup;
  spec::CgroupResources resources;
  Checkpoint checkpoint;  // written first: whoever finds the folders knows whose they are
};

Result<void> prepare(NodePreparation& p) {
  for (const auto& dir :
       {spec::pod_dir(p.facts, p.uid), spec::pod_volumes_dir(p.facts, p.uid), spec::pod_plugins_dir(p.facts, p.uid)}) {
    CHECK_OK(with_context(make_dirs(dir, 0750), "error making pod data directories"));
  }
  CHECK_OK(store_checkpoint(spec::pod_dir(p.facts, p.uid), p.checkpoint));
  CHECK_OK(make_dirs(p.log_dir, 0755));
  CHECK_OK(make_dirs(p.facts.container_log_dir, 0755));
  return with_context(p.cgroups.ensure_pod(p.cgroup, p.resources), "unable to ensure pod container exists");
}

std::string volume_hint(const std::string& message) {
  if (message.find("not found") != std::string::npos) return "create the object it names, or correct the name";
  if (message.find("non-existent") != std::string::npos) return "add the key to the object, or correct items[].key";
  if (message.find("NodeAffinity") != std::string::npos) return "the volume is on another node: start the pod there";
  if (message.find("which this node has not") != std::string::npos) return "install it on this node";
  if (message.find("does not support") != std::string::npos) return "use a volume that this node supports";
  return "see the message; the agent tries again by itself";
}

}  // namespace

Awaitable<Result<void>> PodWorker::prepare_node() {
  NodePreparation p{ctx_.facts,
                    uid(),
                    spec::pod_log_dir(ctx_.facts, *pod_),
                    ctx_.cgroups,
                    spec::pod_cgroup(ctx_.facts.cgroup_root, spec::qos_class(*pod_), uid()),
                    spec::pod_cgroup_resources(*pod_, ctx_.facts),
                    Checkpoint{pod_, *status_, backoff_, actuated_}};
  auto work = [p = std::move(p)]() mutable { return prepare(p); };
  co_return co_await run_job(std::move(work));
}

Awaitable<bool> PodWorker::set_up_volumes() {
  if (blocked("volumes")) co_return false;
  StepTimer timer(journal(), "volumes", "set up", ctx_.clock);
  volumes::PodVolumes request{.pod = pod_, .objects = objects_};
  auto mounted = co_await ctx_.volumes.set_up(std::move(request));
  if (!mounted) {
    const auto& message = mounted.error().message;
    timer.finish(message);
    journal().event(EntryKind::warning, "pod", "FailedMount", message);
    journal().wait("volumes", "its volumes", message, volume_hint(message));
    log_warn("volumes not ready", {{"pod", key()}, {"error", message}});
    fail("volumes", {"FailedMount", message}, retry_in(retries_.fail("volumes", ctx_.clock.now())));
    objects_stale_ = true;  // the next try looks at claims as they are then
    co_return false;
  }
  if (!mounted->empty()) timer.finish();
  failures_.erase("volumes");
  retries_.reset("volumes");
  journal().clear_wait("volumes");
  mounted_ = std::move(*mounted);
  volumes_ready_ = true;
  co_return true;
}

// What volumes and the node add to the pod's identity. The ids of a user namespace are noted in the pod's folder, which
// is there by now: a container gets those of its sandbox.
Awaitable<Result<spec::PodSecurityFacts>> PodWorker::security_facts() {
  spec::PodSecurityFacts out;
  for (const auto& [name, volume] : mounted_) {
    out.extra_groups.insert(out.extra_groups.end(), volume.supplemental_groups.begin(),
                            volume.supplemental_groups.end());
  }
  if (pod_->spec.host_users.value_or(true)) co_return out;
  auto work = [&users = ctx_.user_namespaces, uid = uid()] { return users.ensure(uid); };
  auto base = co_await run_job(std::move(work));
  if (!base) co_return base.error().context("create user namespace");
  out.user_namespace_base = *base;
  co_return out;
}

Awaitable<Result<SandboxObservation>> PodWorker::run_sandbox(std::uint32_t attempt) {
  const auto dns = spec::pod_dns(*pod_, ctx_.facts);
  for (const auto& w : dns.warnings) {
    if (ctx_.service_hosts && w.reason == "MissingClusterDNS") continue;  // names are in the hosts file
    journal().event(EntryKind::warning, "pod", w.reason, w.message);
  }
  cri::v1::RunPodSandboxRequest request;
  if (pod_->spec.runtime_class_name && !pod_->spec.runtime_class_name->empty()) {
    const std::string name = *pod_->spec.runtime_class_name;
    CO_TRY(const auto handler, co_await ctx_.objects.runtime_handler(name));
    const auto it = ctx_.runtime_handlers.find(name);
    request.set_runtime_handler(handler ? *handler : it == ctx_.runtime_handlers.end() ? name : it->second);
  }
  CO_CHECK_OK(spec::check_user_namespace(*pod_, request.runtime_handler(), ctx_.facts));
  CO_TRY(auto security, co_await security_facts());
  CO_TRY(auto config, spec::make_sandbox_config({*pod_, attempt, ctx_.facts, dns, security}));
  *request.mutable_config() = std::move(config);
  CO_TRY(const auto reply, co_await ctx_.runtime.run_pod_sandbox(std::move(request)));
  ctx_.learn_id(reply.pod_sandbox_id(), uid());
  co_return co_await observe_sandbox(ctx_.runtime, reply.pod_sandbox_id());
}

Awaitable<bool> PodWorker::start_sandbox(std::uint32_t attempt) {
  if (!volumes_ready_) {
    const bool ready = co_await set_up_volumes();
    if (!ready) co_return false;
  }
  OpenStep turn(journal(), "pod", "wait for its turn");
  permit_ = co_await ctx_.starts.acquire();
  turn.done();
  permit_.release_after(ctx_.pace.patience());
  const auto begin = ctx_.clock.steady_now();
  if (attempt > 0) {
    journal().event(EntryKind::normal, "pod", "SandboxChanged",
                    "Pod sandbox changed, it will be killed and re-created.");
  }
  StepTimer timer(journal(), "pod", "create sandbox", ctx_.clock);
  auto prepared = co_await prepare_node();
  Result<SandboxObservation> seen = prepared ? Error{} : prepared.error();
  if (prepared) seen = co_await run_sandbox(attempt);
  if (!seen) {
    const auto& message = seen.error().message;
    timer.finish(message);
    journal().event(EntryKind::warning, "pod", "FailedCreatePodSandBox", "Failed to create pod sandbox: " + message);
    const auto delay = retries_.fail("sandbox", ctx_.clock.now());
    journal().wait("pod", "its sandbox", message, "see the message of the runtime or CNI plugin",
                   ctx_.clock.now() + delay);
    log_warn("sandbox not created", {{"pod", key()}, {"error", message}});
    fail("sandbox", {}, delay);
    look_at_all_ = true;
    permit_.release();
    co_return false;
  }
  timer.finish();
  ctx_.pace.took(ctx_.clock.steady_now() - begin);
  failures_.erase("sandbox");
  retries_.reset("sandbox");
  journal().clear_wait("pod");
  observed_.sandboxes.insert(observed_.sandboxes.begin(), std::move(*seen));
  hosts_written_ = false;
  co_return true;
}

Awaitable<Result<void>> PodWorker::write_hosts_file() {
  CO_TRY(const auto hostname, spec::pod_hostname(*pod_, ctx_.facts.cluster_domain));
  std::string text = spec::hosts_file(*pod_, hostname, pod_ips(), ctx_.facts.etc_hosts);
  if (ctx_.service_hosts) text += spec::service_hosts(*pod_, *objects_, ctx_.facts.cluster_domain);
  auto work = [path = spec::pod_etc_hosts(ctx_.facts, uid()), text = std::move(text)] {
    return write_in_place(path, text);
  };
  co_return co_await run_job(std::move(work));
}

// Objects that the pod refers to changed: volumes that show them, and Service names in the hosts file, follow.
Awaitable<void> PodWorker::refresh_objects() {
  if (!objects_stale_) co_return;
  objects_stale_ = false;
  auto gathered = co_await ctx_.objects.gather(pod_);
  if (!gathered) {
    log_warn("objects of the pod not readable", {{"pod", key()}, {"error", gathered.error()}});
    fail("objects", {}, Seconds(2));
    objects_stale_ = true;
    co_return;
  }
  objects_ = std::make_shared<const kube::ObjectSet>(std::move(*gathered));
  if (!volumes_ready_) co_return;
  volumes::PodVolumes request{.pod = pod_, .objects = objects_};
  const auto written = co_await ctx_.volumes.refresh(std::move(request));
  if (!written) {
    journal().event(EntryKind::warning, "pod", "FailedMount", written.error().message);
  } else if (*written) {
    journal().event(EntryKind::normal, "volumes", "Updated", "volume content follows its changed object");
  }
  if (hosts_written_) {
    const auto hosts = co_await write_hosts_file();
    if (!hosts) log_warn("hosts file not written", {{"pod", key()}, {"error", hosts.error()}});
  }
}

}  // namespace keelson::agent
