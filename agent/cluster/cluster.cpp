#include "agent/cluster/cluster.hpp"

#include <nlohmann/json.hpp>

#include "agent/cluster/csi_node.hpp"
#include "agent/daemon/facts.hpp"
#include "agent/daemon/own_metrics.hpp"
#include "agent/events/pod_events.hpp"
#include "agent/spec/node_support.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

// How long the API server may be silent at the start before pods of an earlier agent are taken up without it.
constexpr Nanoseconds kSilence = Seconds(10);

Result<NodeConfig> node_config(const Options& options, const spec::NodeFacts& facts) {
  const auto& o = options.cluster;
  NodeConfig out;
  out.name = facts.name;
  out.labels = o.node_labels;
  out.taints = o.taints;
  out.provider_id = o.provider_id;
  out.register_node = o.register_node;
  out.external_cloud_provider = o.external_cloud;
  out.node_ips = options.node_ips;
  out.max_images = static_cast<std::int32_t>(o.max_images);
  out.kubelet_port = o.serving.port;
  TRY(out.resources, resource_config(options));
  return out;
}

std::filesystem::path cert_dir(const Options& options) {
  return options.cluster.cert_dir.empty() ? options.root_dir / "pki" : options.cluster.cert_dir;
}

kube::ClientIdentityPaths identity_paths(const Options& options) {
  return {.kubeconfig = options.cluster.kubeconfig,
          .bootstrap_kubeconfig = options.cluster.bootstrap_kubeconfig,
          .certificate_folder = cert_dir(options)};
}

kube::SubjectAltNames node_names(const spec::NodeFacts& facts) { return {.dns = {facts.name}, .ips = facts.ips}; }

bool serves_by_request(const ServingOptions& o) { return o.cert_file.empty() && o.tls_bootstrap; }

// The configured files, the certificate that the cluster is asked for, or a self-signed one.
Result<Serving::Certificate> serving_files(const Options& options, const spec::NodeFacts& facts, SystemTime now) {
  const auto& o = options.cluster.serving;
  if (!o.cert_file.empty()) return Serving::Certificate{o.cert_file, o.key_file.empty() ? o.cert_file : o.key_file};
  const auto folder = cert_dir(options);
  if (serves_by_request(o)) {
    const auto file = kube::CertificateStore(folder, "kubelet-server").current_path();
    return Serving::Certificate{file, file};
  }
  CHECK_OK(kube::ensure_self_signed(folder, facts.name, node_names(facts), now));
  return Serving::Certificate{folder / "kubelet.crt", folder / "kubelet.key"};
}

void log_certificate_trouble(const char* which, const Error& error) {
  log_warn("certificate not obtained", {{"certificate", which}, {"error", error}});
}

}  // namespace

struct Cluster::Prepared {
  kube::ClientIdentity identity;
  std::optional<kube::ClientConfig> proxy_client;
  NodeConfig node;
  Serving::Certificate certificate;
};

Result<std::unique_ptr<Cluster>> Cluster::create(ClusterNeeds needs) {
  const auto& o = needs.options.cluster;
  const auto now = needs.clock.now();
  Prepared prepared;
  TRY(prepared.identity, kube::prepare_client_identity(identity_paths(needs.options), now));
  if (!o.proxy_kubeconfig.empty()) {
    TRY(prepared.proxy_client, kube::load_kubeconfig(o.proxy_kubeconfig));
  }
  TRY(prepared.node, node_config(needs.options, needs.facts));
  TRY(prepared.certificate, serving_files(needs.options, needs.facts, now));
  return std::unique_ptr<Cluster>(new Cluster(needs, std::move(prepared)));
}

Cluster::Cluster(ClusterNeeds needs, Prepared prepared)
    : needs_(needs),
      server_(prepared.identity.config.server),
      rotates_(prepared.identity.rotates &&
               (needs.options.cluster.rotate_certificates || !needs.options.cluster.bootstrap_kubeconfig.empty())),
      api_(std::make_shared<kube::ApiClient>(needs.executor, std::move(prepared.identity.config))),
      proxy_api_(prepared.proxy_client
                     ? std::make_shared<kube::ApiClient>(needs.executor, std::move(*prepared.proxy_client))
                     : nullptr),
      events_(needs.executor, *api_, needs.clock, needs.facts.name),
      statuses_(needs.executor, *api_),
      objects_(needs.executor, *api_,
               [this](const std::vector<std::string>& uids) {
                 if (!uids.empty()) needs_.pods.objects_changed(uids);
               }),
      tokens_(*api_, needs.clock),
      node_(needs.executor, *api_, needs.clock, needs.cri, needs.cri, needs.facts,
            {.node = std::move(prepared.node),
             .schedule = ReportSchedule(needs.options.cluster.status_update, needs.options.cluster.status_report),
             .lease = Seconds(needs.options.cluster.lease_seconds),
             .runtime_name = needs.runtime.name,
             .runtime_version = needs.runtime.version},
            {.on_node = [this](std::shared_ptr<const kube::Node> node) { on_node(std::move(node)); },
             .on_event = [this](const NodeEvent& event) { record(event); },
             .network_error = [this] { return needs_.network.error(); },
             .pressure = [this] { return needs_.protection.pressure(); },
             .errors = [this] { return needs_.protection.node_errors(); }}),
      source_(needs.clock, needs.pods, statuses_, needs.journal, [this] { return node_.node(); },
              {.allowed_sysctls = needs.options.cluster.allowed_sysctls,
               .pressure = [this] { return needs_.protection.pressure(); },
               .shutting_down = [this] { return needs_.protection.shutting_down(); },
               .facts = &needs.facts}),
      static_pods_(needs.options.manifests.empty()
                       ? nullptr
                       : std::make_unique<StaticPods>(needs.executor, needs.pool, needs.clock, *api_, needs.pods,
                                                      statuses_, needs.facts.name, needs.options.manifests,
                                                      [this](const kube::Pod& pod) { return refused_here(pod); })),
      feed_(needs.executor, *api_, proxy_api_ ? *proxy_api_ : *api_, needs.options.proxy_enabled,
            {.set =
                 [this](const kube::Service& service) {
                   needs_.services.set_service(service);
                   objects_.set_service(service);
                 },
             .removed =
                 [this](const std::string& key) {
                   needs_.services.remove_service(key);
                   objects_.remove_service(key);
                 },
             .synced =
                 [this] {
                   needs_.services.services_synced();
                   objects_.services_synced();
                 }},
            {.set = [this](const kube::EndpointSlice& slice) { needs_.services.set_slice(slice); },
             .removed = [this](const std::string& key) { needs_.services.remove_slice(key); },
             .synced = [this] { needs_.services.slices_synced(); }}),
      serving_(needs.executor, needs.data, *api_, needs.clock, needs.facts.name, needs.options.cluster.serving,
               prepared.certificate),
      pod_watch_(needs.executor, *api_,
                 {.ns = {}, .label_selector = {}, .field_selector = "spec.nodeName=" + needs.facts.name},
                 {.on_set = [this](std::shared_ptr<const kube::Pod> pod) { on_pod(std::move(pod)); },
                  .on_delete = [this](const kube::ObjectKey& key) { on_pod_deleted(key); },
                  .on_synced = [this] { on_pods_synced(); },
                  .on_error =
                      [](const Error& error) {
                        log_warn("pods of the API server not followed", {{"error", error}});
                      }}),
      node_known_(needs.executor),
      tasks_(needs.executor) {
  make_certificate_managers();
  connect();
}

void Cluster::make_certificate_managers() {
  const auto& o = needs_.options;
  if (rotates_) {
    auto connect = [executor = needs_.executor](kube::ClientConfig config) -> std::shared_ptr<kube::Api> {
      return std::make_shared<kube::ApiClient>(executor, std::move(config));
    };
    auto options = kube::client_certificate_options(identity_paths(o), needs_.facts.name, api_, std::move(connect));
    options.on_rotated = [this](const kube::CertificatePair&) { api_->close_connections(); };
    options.on_error = [](const Error& error) { log_certificate_trouble("client", error); };
    client_certificate_ = std::make_unique<kube::CertificateManager>(needs_.executor, needs_.pool, std::move(options));
  }
  if (serves_by_request(o.cluster.serving)) {
    auto names = [this] { return std::optional(node_names(needs_.facts)); };
    auto options = kube::serving_certificate_options(cert_dir(o), needs_.facts.name, api_, std::move(names));
    options.on_error = [](const Error& error) { log_certificate_trouble("serving", error); };
    serving_certificate_ = std::make_unique<kube::CertificateManager>(needs_.executor, needs_.pool, std::move(options));
  }
}

void Cluster::connect() {
  needs_.pods.on_status([this](const std::string& uid, const std::shared_ptr<const kube::PodStatus>& status) {
    statuses_.set(uid, status);
    startup_.status(uid, *status, needs_.clock.now());
  });
  needs_.pods.on_gone([this](const std::string& uid) {
    objects_.pod_gone(uid);
    tokens_.forget(uid);
    source_.worker_gone(uid);
    node_.images_changed();
  });
  needs_.journal.on_event([this](const std::string& pod, EntryKind kind, std::string_view object,
                                 std::string_view reason,
                                 std::string_view message) { on_event(pod, kind, object, reason, message); });
}

Awaitable<Result<void>> Cluster::start() {
  CO_CHECK_OK(with_context(serving_.start(), "HTTPS API"));
  if (client_certificate_) tasks_.spawn("client certificate", client_certificate_->run());
  if (serving_certificate_) tasks_.spawn("serving certificate", serving_certificate_->run());
  tasks_.spawn("events", events_.run());
  events_.record(node_reference(needs_.facts.name), "Normal", "Starting", "Starting kubelet.");
  tasks_.spawn("status writer", statuses_.run());
  node_.start();
  feed_.start();
  tasks_.spawn("pods of the API server", run_pods());
  tasks_.spawn("silence of the API server", go_on_alone_if_silent());
  co_return Result<void>();
}

Awaitable<void> Cluster::stop() {
  co_await serving_.stop();
  tasks_.cancel();
  co_await tasks_.join();
  co_await feed_.stop();
  co_await node_.stop();
  co_await objects_.stop();
  co_await statuses_.stop();
}

// Pods come after the node: whether it can take them depends on its labels, taints and size.
Awaitable<void> Cluster::run_pods() {
  if (static_pods_) {
    co_await static_pods_->load();
    tasks_.spawn("manifest folder watch", static_pods_->follow_folder());
    tasks_.spawn("mirror pods", static_pods_->keep_mirrors());
  }
  for (bool known = false; !known;) known = co_await node_known_.wait_for(std::chrono::hours(1));
  co_await pod_watch_.run();
}

Awaitable<void> Cluster::go_on_alone_if_silent() {
  co_await sleep_for(kSilence);
  if (!source_.is_synced()) source_.go_on_alone();
}

// What a scheduler and an API server would have kept from this node.
std::string Cluster::refused_here(const kube::Pod& static_pod) const {
  auto refusal = spec::refuse_sysctls(static_pod, needs_.options.cluster.allowed_sysctls);
  if (!refusal) refusal = spec::unsupported_here(static_pod, needs_.facts);
  return refusal ? refusal->reason + ": " + refusal->message : std::string();
}

void Cluster::on_node(std::shared_ptr<const kube::Node> node) {
  needs_.services.set_node(node.get());
  if (!node) {
    log_warn("the Node was deleted; it is registered again at the agent's next start", {{"node", needs_.facts.name}});
    return;
  }
  node_known_.open();
  if (node->metadata.uid != csi_node_of_) {
    csi_node_of_ = node->metadata.uid;
    tasks_.spawn("CSINode", publish_csi_node(*api_, needs_.facts.name, csi_node_of_));
  }
  if (static_pods_) static_pods_->node_known(std::move(node));
}

void Cluster::on_pod(std::shared_ptr<const kube::Pod> pod) {
  if (!is_mirror(*pod)) {
    startup_.shown(*pod, needs_.clock.now());
    source_.set(std::move(pod));
  } else if (static_pods_) {
    static_pods_->mirror_seen(std::move(pod));
  }
}

void Cluster::on_pod_deleted(const kube::ObjectKey& key) {
  startup_.gone(key.uid);
  source_.remove(key.uid);
  if (static_pods_) static_pods_->mirror_gone(key.ns, key.name, key.uid);
}

void Cluster::on_pods_synced() {
  source_.synced();
  if (static_pods_) static_pods_->mirrors_synced();
  log_info("pods of the API server known", {{"pods", source_.pods().size()}});
}

std::shared_ptr<const kube::Pod> Cluster::find_pod(const std::string& key) const {
  const auto slash = key.find('/');
  if (const auto view = needs_.pods.find(key.substr(0, slash), key.substr(slash + 1))) return view->pod;
  for (const auto& [uid, pod] : source_.pods()) {  // one that was refused
    if (kube::object_key(pod->metadata) == key) return pod;
  }
  return nullptr;
}

void Cluster::on_event(const std::string& key, EntryKind kind, std::string_view object, std::string_view reason,
                       std::string_view message) {
  const auto pod = find_pod(key);
  if (!pod) return;
  if (reason == "Pulling") startup_.pull_started(pod->metadata.uid, needs_.clock.now());
  if (reason == "Pulled") startup_.pull_ended(pod->metadata.uid, needs_.clock.now());
  const auto about = event_object(*pod, object);
  if (!about) return;
  events_.record(*about, kind == EntryKind::warning ? "Warning" : "Normal", std::string(reason), std::string(message));
}

void Cluster::write_metrics(stats::MetricText& out) const {
  startup_.write(out);
  write_request_metrics(out, api_->request_stats());
}

void Cluster::record(const NodeEvent& event) {
  events_.record(node_reference(needs_.facts.name), event.type, event.reason, event.message);
}

void Cluster::record_service(const std::string& service, const std::string& reason, const std::string& message) {
  events_.record(service_reference(service), "Warning", reason, message);
}

nlohmann::json Cluster::status() const {
  nlohmann::json out = {
      {"server", server_},        {"synced", source_.is_synced()},          {"registered", node_.node() != nullptr},
      {"errors", node_.errors()}, {"statusesPending", statuses_.pending()}, {"watchedObjects", objects_.watches()}};
  if (const auto renewed = node_.lease_renewed()) out["leaseRenewed"] = kube::format_time(*renewed);
  return out;
}

}  // namespace keelson::agent
