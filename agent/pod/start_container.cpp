// PodWorker: one container, from its image to running.
#include <algorithm>
#include <filesystem>

#include "agent/pod/hooks.hpp"
#include "agent/pod/observer.hpp"
#include "agent/pod/volume_fields.hpp"
#include "agent/pod/worker.hpp"
#include "agent/spec/container_config.hpp"
#include "agent/spec/dns.hpp"
#include "agent/spec/environment.hpp"
#include "agent/spec/hosts.hpp"
#include "agent/spec/names.hpp"
#include "agent/spec/sandbox_config.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "volumes/mounts.hpp"

namespace keelson::agent {
namespace {

namespace fs = std::filesystem;

constexpr auto kConfigRetry = std::chrono::seconds(10);
constexpr Nanoseconds kHalfStartedRetry = Milliseconds(300);

spec::Mount to_spec_mount(const volumes::ContainerMount& m) {
  spec::Mount out;
  out.host_path = m.host_path;
  out.container_path = m.container_path;
  out.read_only = m.read_only;
  out.recursive_read_only = m.recursive_read_only;
  out.propagation = static_cast<spec::Propagation>(m.propagation);
  out.image = m.image;
  out.image_sub_path = m.image_sub_path;
  return out;
}

std::vector<spec::Device> to_spec_devices(const std::vector<volumes::ContainerDevice>& devices) {
  std::vector<spec::Device> out;
  for (const auto& d : devices) out.push_back({d.host_path, d.container_path, d.permissions});
  return out;
}

struct ContainerFiles {
  std::string termination_log;
};

// The log folder and the file for the termination message.
Result<ContainerFiles> make_files(const spec::NodeFacts& facts, const kube::Pod& pod,
                                  const kube::Container& container) {
  CHECK_OK(make_dirs(spec::container_log_dir(facts, pod, container.name), 0755));
  ContainerFiles out;
  if (!container.termination_message_path.empty()) {
    TRY(const auto path, spec::create_termination_log(facts, pod.metadata.uid, container.name));
    out.termination_log = path.string();
  }
  return out;
}

void link_log(const fs::path& link, const fs::path& log) {
  std::error_code ec;
  fs::remove(link, ec);
  fs::create_symlink(log, link, ec);
  if (ec) log_warn("log link not made", {{"link", link.string()}, {"error", ec.message()}});
}

std::string image_hint(const ImageWait& wait) {
  const auto says = [&](std::string_view words) { return wait.message.find(words) != std::string::npos; };
  if (wait.reason == "InvalidImageName") return "correct the image's name";
  if (wait.reason == "ErrImageNeverPull") return "load the image into the runtime, or change imagePullPolicy";
  if (says("401") || says("403") || says("authorization failed") || says("no basic auth credentials"))
    return "name a Secret with the registry's credentials in imagePullSecrets, or correct the one that is named";
  if (says("connection refused") || says("no such host") || says("timeout") || says("no route to host"))
    return "is the registry running, and can this node reach it?";
  if (says("not found")) return "correct the image's name or tag, or push it to the registry";
  return "check the image's name, the registry, and imagePullPolicy";
}

std::string config_hint(const std::string& message) {
  if (message.find("not found") != std::string::npos) return "create the object, or mark the reference optional";
  if (message.find("couldn't find key") != std::string::npos)
    return "add the key to the object, or correct the reference";
  return "correct the container's spec";
}

}  // namespace

void PodWorker::container_failed(const std::string& name, const Error& error, std::string_view default_reason) {
  const std::string reason = error.reason.empty() ? std::string(default_reason) : error.reason;
  journal().event(EntryKind::warning, "container " + name, "Failed", "Error: " + error.message);
  const bool config = reason == "CreateContainerConfigError";
  const Nanoseconds retry_after = retry_in(kConfigRetry);
  journal().wait("container " + name, reason, error.message,
                 config ? config_hint(error.message) : "see the runtime's message; the agent tries again by itself",
                 ctx_.clock.now() + retry_after);
  log_warn("container not started",
           {{"pod", key()}, {"container", name}, {"reason", reason}, {"error", error.message}});
  fail(name, {reason, error.message}, retry_after);
}

// What the pod's imagePullSecrets hold for the image. A secret that is not there is no failure: the pull may work
// without.
std::vector<RegistryAuth> PodWorker::pull_credentials(const std::string& image) {
  if (pod_->spec.image_pull_secrets.empty()) return {};
  const auto secrets = read_pull_secrets(*pod_, *objects_);
  if (!secrets.missing.empty()) {
    journal().event(EntryKind::warning, "pod", "FailedToRetrieveImagePullSecret",
                    "Unable to retrieve some image pull secrets (" + join(secrets.missing, ", ") +
                        "); attempting to pull the image may not succeed.");
  }
  for (const auto& why : secrets.unreadable) {
    journal().event(EntryKind::warning, "pod", "FailedToRetrieveImagePullSecret", "Image pull secret not used: " + why);
  }
  return secrets.keyring.find(image);
}

Awaitable<bool> PodWorker::start_container(StartContainer start) {
  const auto* container = find_container(start.name);
  if (container == nullptr) co_return false;
  if (!start.existing_id.empty()) {
    const auto ran = co_await run_container(start, start.existing_id);
    if (!ran && half_started_.count(start.existing_id) > 0) {
      fail(start.name, {"ContainerCreating", ""}, kHalfStartedRetry);  // the runtime still undoes the earlier start
    } else if (!ran) {
      container_failed(start.name, ran.error(), "RunContainerError");
    }
    co_return ran.has_value();
  }
  ImageRequest request{uid(), container->image, container->image_pull_policy, "container " + start.name,
                       pull_credentials(container->image)};
  std::function<void()> let_go = [this] { permit_.release(); };
  auto image = co_await ctx_.images.ensure(std::move(request), journal(), std::move(let_go));
  if (!image.wait) image.wait = co_await pull_image_volumes(start.name);
  if (image.wait) {
    const auto& wait = *image.wait;
    journal().wait("container " + start.name, wait.reason, wait.message, image_hint(wait), wait.retry_at);
    failures_[start.name] = {{wait.reason, wait.message}, wait.retry_at};
    co_return false;
  }
  auto id = co_await create_container(*container, start, *image.facts);
  if (!id) {
    if (id.error().code == Errc::not_found) ctx_.images.forget(container->image);
    container_failed(start.name, id.error(), "CreateContainerError");
    look_at_all_ = true;
    co_return false;
  }
  if (start.previous_finished) {
    auto& state = backoff_[start.name];
    const bool known = state.delay.count() > 0;
    state = next_backoff(known ? std::optional(state) : std::nullopt, restart_policy_, ctx_.clock.now(),
                         start.previous_finished);
    checkpoint_stale_ = true;
  }
  const auto ran = co_await run_container(start, *id);
  if (!ran) container_failed(start.name, ran.error(), "RunContainerError");
  co_return ran.has_value();
}

// The container that an ephemeral one was told to look into; empty for all others.
Result<std::string> PodWorker::target_container_id(const kube::Container& container) const {
  const auto& list = pod_->spec.ephemeral_containers;
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.name == container.name; });
  if (it == list.end() || it->target_container_name.empty()) return std::string();
  const auto* target = observed_.find_current(it->target_container_name);
  if (target != nullptr && target->state == RunState::running) return target->id;
  return make_error(Errc::failed_precondition, "unable to find target container " + it->target_container_name,
                    "CreateContainerConfigError");
}

Awaitable<Result<std::string>> PodWorker::create_container(const kube::Container& container,
                                                           const StartContainer& start, const ImageFacts& image) {
  StepTimer timer(journal(), "container " + container.name, "create", ctx_.clock);
  CO_CHECK_OK(co_await write_hosts_file());
  hosts_written_ = true;
  VolumeFiles files_of;
  if (has_env_files(container)) {
    auto read = [volumes = mounted_, container] { return read_env_files(volumes, container); };
    files_of = co_await run_job(std::move(read));
  }
  const auto read_volume_file = [&files_of](const std::string& volume, const std::string& path) {
    return files_of.at({volume, path});
  };
  CO_TRY(auto environment, spec::make_environment({.pod = *pod_,
                                                   .container = container,
                                                   .objects = *objects_,
                                                   .node = ctx_.facts,
                                                   .pod_ips = pod_ips(),
                                                   .read_volume_file = read_volume_file}));
  for (const auto& what : environment.skipped) {
    journal().event(EntryKind::warning, "container " + container.name, "InvalidEnvironmentVariableNames",
                    "Keys that no environment variable can have were skipped: " + what);
  }
  const volumes::ExpandSubPath expand = [&](const std::string& text) {
    return spec::expand_strict(text, environment.variables);
  };
  CO_TRY(auto sub_requests, volumes::sub_path_requests(container, mounted_, expand));
  CO_TRY(auto sub_paths, volumes::image_sub_paths(container, mounted_, expand));
  if (!sub_requests.empty()) {
    CO_TRY(auto prepared, co_await ctx_.volumes.prepare_sub_paths(uid(), std::move(sub_requests)));
    sub_paths.merge(prepared);
  }
  CO_TRY(const auto mounts, volumes::make_mounts(container, mounted_, sub_paths, {ctx_.recursive_read_only}));
  CO_TRY(const auto devices, volumes::make_devices(container, mounted_));
  CO_TRY(auto target, target_container_id(container));
  auto make = [facts = ctx_.facts, pod = pod_, container] { return make_files(facts, *pod, container); };
  CO_TRY(const auto files, co_await run_job(std::move(make)));

  CO_TRY(const auto security, co_await security_facts());
  spec::ContainerInput input{.pod = *pod_,
                             .container = container,
                             .node = ctx_.facts,
                             .image_ref = image.ref,
                             .image_user = image.user,
                             .restart_count = start.restart_count,
                             .environment = std::move(environment.variables),
                             .mounts = {},
                             .devices = to_spec_devices(devices),
                             .etc_hosts = {},
                             .termination_log = files.termination_log,
                             .target_container_id = std::move(target),
                             .security = security};
  for (const auto& m : mounts) input.mounts.push_back(to_spec_mount(m));
  if (spec::mounts_hosts_file(*pod_, container, pod_ips())) input.etc_hosts = spec::pod_etc_hosts(ctx_.facts, uid());
  CO_TRY(auto config, spec::make_container_config(input));

  const auto& sandbox = observed_.sandboxes.front();
  const auto dns = spec::pod_dns(*pod_, ctx_.facts);
  CO_TRY(auto sandbox_config, spec::make_sandbox_config({*pod_, sandbox.attempt, ctx_.facts, dns, security}));
  cri::v1::CreateContainerRequest request;
  request.set_pod_sandbox_id(sandbox.id);
  *request.mutable_config() = std::move(config);
  *request.mutable_sandbox_config() = std::move(sandbox_config);
  const auto reply = co_await ctx_.runtime.create_container(std::move(request));
  timer.finish(reply ? "" : reply.error().message);
  if (!reply) co_return reply.error();
  ctx_.learn_id(reply->container_id(), uid());
  actuated_[container.name] = container.resources;
  journal().event(EntryKind::normal, "container " + container.name, "Created", "Container created");
  co_return reply->container_id();
}

Awaitable<Result<void>> PodWorker::run_container(const StartContainer& start, std::string id) {
  StepTimer timer(journal(), "container " + start.name, "start", ctx_.clock);
  cri::v1::StartContainerRequest request;
  request.set_container_id(id);
  const auto started = co_await ctx_.runtime.start_container(std::move(request));
  timer.finish(started ? "" : started.error().message);
  if (!started) {
    look_at_all_ = true;
    co_return started.error();
  }
  journal().event(EntryKind::normal, "container " + start.name, "Started", "Container started");
  journal().clear_wait("container " + start.name);
  failures_.erase(start.name);
  OpenStep look(journal(), "container " + start.name, "look");
  auto seen = co_await observe_container(ctx_.runtime, ctx_.pool, id, observed_.sandboxes.front().id);
  look.done();
  if (!seen) {
    look_at_all_ = true;
    co_return Result<void>();
  }
  const auto link = spec::container_log_link(ctx_.facts, *pod_, start.name, id);
  link_log(link, spec::pod_log_dir(ctx_.facts, *pod_) / spec::container_log_path(start.name, start.restart_count));
  std::erase_if(observed_.containers, [&](const auto& c) { return c.id == id; });
  observed_.containers.insert(observed_.containers.begin(), std::move(*seen));
  sort_newest_first(observed_);
  CO_CHECK_OK(co_await run_post_start(start.name, id));
  // Shown as soon as it is so, not only when the pod's other containers have started too.
  update_probes();
  show();
  co_return Result<void>();
}

// Until it is done the container is not seen to run, so nothing is probed and nothing Ready. One that fails ends the
// container.
Awaitable<Result<void>> PodWorker::run_post_start(std::string name, std::string id) {
  const auto* container = find_container(name);
  if (container == nullptr || !container->lifecycle || !container->lifecycle->post_start) co_return Result<void>();
  permit_.release();  // what a hook waits for is its own affair
  StepTimer timer(journal(), "container " + name, "postStart", ctx_.clock);
  const auto ips = pod_ips();
  HookTarget target{*container, id, ips.empty() ? std::string() : ips.front()};
  const auto done = co_await run_hook(ctx_, *container->lifecycle->post_start, std::move(target));
  timer.finish(done ? "" : done.error().message);
  if (done) co_return Result<void>();
  journal().event(EntryKind::warning, "container " + name, "FailedPostStartHook", "PostStartHook failed");
  std::vector<StopContainer> stop;
  stop.push_back({id, name, "FailedPostStartHook", {}});
  static_cast<void>(co_await stop_containers(std::move(stop), grace()));
  look_at_all_ = true;
  co_return done.error().with_reason("PostStartHookError");
}

}  // namespace keelson::agent
