// This node's part in a cluster: everything between the API server and the rest of the agent, made, connected, started
// and ended together.
//   pod watch -> ApiPodSource, StaticPods -> PodManager;  PodManager -> StatusWriter, events;  ObjectCache -> workers
//   ServiceFeed -> proxy;  NodeReporter -> Node, Lease;  Serving <- kubectl, metrics-server
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "agent/cluster/node_reporter.hpp"
#include "agent/cluster/object_cache.hpp"
#include "agent/cluster/pod_source.hpp"
#include "agent/cluster/service_feed.hpp"
#include "agent/cluster/serving.hpp"
#include "agent/cluster/static_pods.hpp"
#include "agent/cluster/status_writer.hpp"
#include "agent/cluster/token_manager.hpp"
#include "agent/config/options.hpp"
#include "agent/daemon/network.hpp"
#include "agent/daemon/protection.hpp"
#include "agent/daemon/runtime_facts.hpp"
#include "agent/daemon/services.hpp"
#include "agent/events/event_recorder.hpp"
#include "agent/stats/pod_startup.hpp"
#include "cri/client.hpp"
#include "kube/client/certificate_manager.hpp"
#include "kube/client/client.hpp"
#include "kube/client/client_identity.hpp"

namespace keelson::agent {

// What the wiring lends; all of it outlives the Cluster.
struct ClusterNeeds {
  Executor executor;
  BlockingPool& pool;
  const Clock& clock;
  const Options& options;
  spec::NodeFacts& facts;
  const RuntimeFacts& runtime;
  cri::Client& cri;
  Network& network;
  PodManager& pods;
  Journal& journal;
  Services& services;
  ServerData& data;
  Protection& protection;
};

class Cluster {
 public:
  // Errors: a kubeconfig that cannot be used, a reservation or a label that makes no sense, a certificate that cannot
  // be written.
  static Result<std::unique_ptr<Cluster>> create(ClusterNeeds needs);

  // Begins to follow the API server. Errors: the HTTPS API's address cannot be bound.
  Awaitable<Result<void>> start();
  Awaitable<void> stop();

  [[nodiscard]] ObjectSource& objects() { return objects_; }
  [[nodiscard]] volumes::TokenSource& tokens() { return tokens_; }
  // The EndpointSlices of one Service, asked for now.
  Awaitable<Result<ServiceFeed::SliceList>> slices_of(std::string ns, std::string service) {
    return feed_.slices_of(std::move(ns), std::move(service));
  }
  // An event about this node.
  void record(const NodeEvent& event);
  // A warning about the Service "namespace/name".
  void record_service(const std::string& service, const std::string& reason, const std::string& message);
  // What the node's conditions come from changed.
  void node_changed() { node_.input_changed(); }
  // For `keelson status`: {"server", "synced", "nodeReady", "errors", "lease", "statusesPending", "watches"}.
  [[nodiscard]] nlohmann::json status() const;
  // How pods started, and what was asked of the API server.
  void write_metrics(stats::MetricText& out) const;

 private:
  struct Prepared;  // what create() found out
  Cluster(ClusterNeeds needs, Prepared prepared);

  void connect();
  void make_certificate_managers();
  [[nodiscard]] std::shared_ptr<const kube::Pod> find_pod(const std::string& key) const;
  void on_node(std::shared_ptr<const kube::Node> node);
  [[nodiscard]] std::string refused_here(const kube::Pod& static_pod) const;
  void on_pod(std::shared_ptr<const kube::Pod> pod);
  void on_pod_deleted(const kube::ObjectKey& key);
  void on_pods_synced();
  void on_event(const std::string& pod, EntryKind kind, std::string_view object, std::string_view reason,
                std::string_view message);
  Awaitable<void> run_pods();
  Awaitable<void> go_on_alone_if_silent();

  ClusterNeeds needs_;
  std::string server_;
  bool rotates_ = false;
  std::shared_ptr<kube::ApiClient> api_;
  std::shared_ptr<kube::ApiClient> proxy_api_;  // null: the node's own is used
  EventRecorder events_;
  stats::PodStartup startup_;
  StatusWriter statuses_;
  ObjectCache objects_;
  TokenManager tokens_;
  NodeReporter node_;
  ApiPodSource source_;
  std::unique_ptr<StaticPods> static_pods_;  // null: no folder
  ServiceFeed feed_;
  Serving serving_;
  kube::ListWatch<kube::Pod> pod_watch_;
  std::unique_ptr<kube::CertificateManager> client_certificate_,
      serving_certificate_;  // null: somebody else's business
  Latch node_known_;
  std::string csi_node_of_;  // UID of the Node whose CSINode was made
  TaskGroup tasks_;
};

}  // namespace keelson::agent
