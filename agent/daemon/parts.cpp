#include "agent/daemon/parts.hpp"

#include <unistd.h>

#include "agent/daemon/stat_targets.hpp"
#include "agent/pod/status.hpp"
#include "agent/pod/volume_fields.hpp"
#include "base/log.hpp"
#include "volumes/empty_dir.hpp"

namespace keelson::agent {
namespace {

volumes::NodeFacts volume_facts(const spec::NodeFacts& facts) {
  volumes::NodeFacts out;
  out.name = facts.name;
  out.labels = {{"kubernetes.io/hostname", facts.name}, {"kubernetes.io/os", "linux"}};
  const auto memory = facts.allocatable.find("memory");
  out.allocatable_memory = memory == facts.allocatable.end() ? facts.memory_bytes : memory->second.value();
  out.huge_page_sizes = volumes::detect_huge_page_sizes();
  return out;
}

// The node as a pod of the manifest folder may select it.
kube::Node node_of_folder(const spec::NodeFacts& facts) {
  kube::Node out;
  out.metadata.name = facts.name;
  out.metadata.labels = {{"kubernetes.io/hostname", facts.name}, {"kubernetes.io/os", "linux"}};
  out.status.allocatable = facts.allocatable;
  return out;
}

// Runs a probe's command in its container.
Awaitable<Result<probes::ExecResult>> exec_in_container(cri::RuntimeService& runtime, std::string id,
                                                        std::vector<std::string> argv, Nanoseconds timeout) {
  cri::v1::ExecSyncRequest request;
  request.set_container_id(id);
  for (auto& arg : argv) *request.add_cmd() = std::move(arg);
  request.set_timeout(std::chrono::ceil<Seconds>(timeout).count());
  const auto deadline = std::chrono::ceil<Milliseconds>(timeout) + Seconds(1);
  CO_TRY(const auto reply, co_await runtime.exec_sync(std::move(request), deadline));
  co_return probes::ExecResult{reply.exit_code(), reply.stdout() + reply.stderr()};
}

// A client that asks while the agent starts waits this long for it to know its pods; then it is told what there is.
constexpr Seconds kFirstLook{2};

}  // namespace

Daemon::Parts::Parts(Executor loop, const Options& opts, spec::NodeFacts node_facts,
                     std::unique_ptr<cri::Client> cri_client)
    : executor(std::move(loop)),
      options(opts),
      clock(system_clock()),
      facts(std::move(node_facts)),
      client(std::move(cri_client)),
      journal(clock),
      cgroups(facts),
      user_namespaces(facts.root_dir / "pods"),
      network(executor, pool, options),
      services(executor, pool, options, facts.name, facts.ips, clock),
      pull_records(pool, clock, options.root_dir / "image_manager", options.pull_verification),
      images(executor, *client, clock,
             {.parallel = options.parallel_pulls, .qps = options.pull_qps, .burst = options.pull_burst}),
      volumes(executor, pool, volumes::linux_mounter(), options.root_dir, volume_facts(facts), clock),
      probes(executor, clock,
             {.exec =
                  [this](std::string id, std::vector<std::string> argv, Nanoseconds timeout) {
                    return exec_in_container(*client, std::move(id), std::move(argv), timeout);
                  },
              .on_change = [this](const std::string& uid) { pods.probe_changed(uid); },
              .on_event =
                  [this](const std::string& uid, const std::string& container, std::string_view reason,
                         const std::string& message) {
                    if (const auto pod = pods.find_uid(uid)) {
                      journal.pod(kube::object_key(pod->pod->metadata))
                          .event(EntryKind::warning, "container " + container, reason, message);
                    }
                  }}),
      starts(executor, options.parallel_starts),
      context{.executor = executor,
              .clock = clock,
              .pool = pool,
              .runtime = *client,
              .images = images,
              .volumes = volumes,
              .probes = probes,
              .objects = objects,
              .facts = facts,
              .cgroups = cgroups,
              .user_namespaces = user_namespaces,
              .starts = starts,
              .journal = journal},
      pods(context),
      protection({.executor = executor,
                  .pool = pool,
                  .clock = clock,
                  .options = options,
                  .facts = facts,
                  .cri = *client,
                  .images = images,
                  .volumes = volumes,
                  .pods = pods,
                  .cgroups = cgroups,
                  .journal = journal,
                  .node_target = [this] { return node_stat_target(*this); },
                  .pod_targets = [this] { return pod_stat_targets(*this); }}),
      events(executor, *client,
             {.on_event = [this](const cri::ContainerEvent& e) { pods.runtime_changed(e.container_id, e.sandbox_id); },
              .on_resync = [this] { resync(); }}),
      data(*this, executor, options.cluster.volume_stats_period),
      server(executor, data, {.socket = options.socket, .patience = kFirstLook}),
      busy(executor),
      tasks(executor) {
  objects.target = &no_objects;
  volumes.add_pod_sources(volume_fields(facts), options.cluster.enabled() ? &tokens : nullptr);
  volumes.on_refresh_due([this](const std::string& uid) { pods.objects_changed({uid}); });
  context.service_hosts = options.cluster_dns.empty() && !options.cluster.enabled();
  context.runtime_handlers = options.runtime_classes;
}

Result<void> Daemon::Parts::connect() {
  if (options.cluster.enabled()) {
    TRY(cluster, Cluster::create({.executor = executor,
                                  .pool = pool,
                                  .clock = clock,
                                  .options = options,
                                  .facts = facts,
                                  .runtime = runtime,
                                  .cri = *client,
                                  .network = network,
                                  .pods = pods,
                                  .journal = journal,
                                  .services = services,
                                  .data = data,
                                  .protection = protection}));
    protection.connect({.on_event = [this](const NodeEvent& event) { cluster->record(event); },
                        .on_change = [this] { cluster->node_changed(); }});
    objects.target = &cluster->objects();
    tokens.target = &cluster->tokens();
  } else if (!options.manifests.empty()) {
    ManifestSourceOptions source_options{.dir = options.manifests,
                                         .root_dir = options.root_dir,
                                         .node_name = facts.name,
                                         .service_cidr = options.service_cidr,
                                         .node = node_of_folder(facts),
                                         .allowed_sysctls = options.cluster.allowed_sysctls,
                                         .facts = &facts,
                                         .pressure = [this] { return protection.pressure(); }};
    source = std::make_unique<ManifestSource>(
        executor, pool, clock, pods, source_options,
        [this](const Services::ServiceList& list) { services.set_services(list); },
        [this](const Services::SliceList& list) {
          services.set_slices(list);
          server.answer();  // the folder has been read
        });
    protection.connect({.on_event = {}, .on_change = [this] { source->node_changed(); }});
    objects.target = source.get();
  }
  make_proxy_serving();
  network.on_change([this] {
    pods.objects_changed({});
    if (cluster) cluster->node_changed();  // Ready at once with the first network
  });
  if (::isatty(STDERR_FILENO) != 0) {
    before_log_line([this] { progress.clear(); });
    pods.on_change([this] { show_progress(); });
  }
  return {};
}

void Daemon::Parts::make_proxy_serving() {
  if (services.proxier() == nullptr) return;
  ProxyServingSeams seams;
  if (options.cluster.enabled()) {
    seams.eligible = [this] { return services.node_eligible().value_or(false); };  // not known yet: not there
    seams.on_event = [this](const std::string& service, const std::string& reason, const std::string& message) {
      cluster->record_service(service, reason, message);
    };
  }
  proxy_serving = std::make_unique<ProxyServing>(executor, clock, options, *services.proxier(), std::move(seams));
}

void Daemon::Parts::show_progress() {
  ProgressCounts counts;
  for (const auto& pod : pods.pods()) {
    if (pod.stopping) continue;
    ++counts.pods;
    const auto* waits = journal.find(kube::object_key(pod.pod->metadata));
    if (is_ready(*pod.status) || is_terminal_phase(pod.status->phase)) {
      ++counts.ready;
    } else if (waits != nullptr && !waits->waits().empty()) {
      ++counts.waiting;
    } else {
      ++counts.starting;
    }
  }
  counts.pulling = images.pulling();
  progress.update(counts);
}

void Daemon::Parts::resync() {
  pods.resync();
  tasks.spawn("network reconcile", reconcile_network());
}

Awaitable<void> Daemon::Parts::reconcile_network() {
  if (!network.ours()) co_return;
  cri::v1::ListPodSandboxRequest request;
  request.mutable_filter()->mutable_state()->set_state(cri::v1::SANDBOX_READY);
  const auto list = co_await client->list_pod_sandbox(std::move(request));
  if (!list) co_return;
  std::set<std::string> live;
  for (const auto& s : list->items()) live.insert(s.id());
  co_await network.reconcile(std::move(live));
}

}  // namespace keelson::agent
