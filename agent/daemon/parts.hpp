// The daemon's modules, in the order of their making (and so, reversed, of their end), and how they are connected.
#pragma once

#include <memory>

#include "agent/cli/progress.hpp"
#include "agent/cluster/cluster.hpp"
#include "agent/daemon/daemon.hpp"
#include "agent/daemon/facts.hpp"
#include "agent/daemon/network.hpp"
#include "agent/daemon/protection.hpp"
#include "agent/daemon/runtime_facts.hpp"
#include "agent/daemon/server_data.hpp"
#include "agent/daemon/services.hpp"
#include "agent/pod/manager.hpp"
#include "agent/proxy/serving.hpp"
#include "agent/server/unix_server.hpp"
#include "agent/standalone/source.hpp"
#include "base/log.hpp"
#include "cri/events.hpp"

namespace keelson::agent {

// Stands in for a source when there is none (`keelson cleanup`): no pod refers to anything.
class NoObjects final : public ObjectSource {
 public:
  Awaitable<Result<kube::ObjectSet>> gather(std::shared_ptr<const kube::Pod>) override { co_return kube::ObjectSet{}; }
};

struct Daemon::Parts {
  Parts(Executor executor, const Options& options, spec::NodeFacts node_facts, std::unique_ptr<cri::Client> cri_client);
  ~Parts() { before_log_line({}); }

  // Makes the source of pods and connects what needs everything to be there. Errors: those of Cluster::create().
  Result<void> connect();
  void make_proxy_serving();
  // Redraws the line that a terminal shows while pods start.
  void show_progress();
  // runtime, probes and folder -> manager: anything may have changed.
  void resync();
  // Frees what dead sandboxes left of the pod network.
  Awaitable<void> reconcile_network();

  Executor executor;
  const Options& options;
  const Clock& clock;
  spec::NodeFacts facts;
  RuntimeFacts runtime;
  BlockingPool pool;
  std::unique_ptr<cri::Client> client;
  proxy::SystemIptables iptables;
  proxy::NetlinkNft nft{pool};
  Journal journal;
  spec::Cgroups cgroups;
  spec::UserNamespaces user_namespaces;
  Network network;
  Services services;
  PullRecords pull_records;
  std::unique_ptr<CredentialProviders> credential_providers;  // null: none are configured
  ImageManager images;
  volumes::VolumeManager volumes;
  probes::ProbeManager probes;
  Semaphore starts;
  NoObjects no_objects;
  // The context's object source is set once the source exists: it needs the manager, which needs the context.
  struct LateObjects final : ObjectSource {
    ObjectSource* target = nullptr;
    Awaitable<Result<kube::ObjectSet>> gather(std::shared_ptr<const kube::Pod> pod) override {
      return target->gather(std::move(pod));
    }
    Awaitable<Result<std::optional<std::string>>> runtime_handler(std::string runtime_class) override {
      return target->runtime_handler(std::move(runtime_class));
    }
  } objects;
  // Likewise: tokens come from the cluster, which is made once the runtime is known.
  struct LateTokens final : volumes::TokenSource {
    volumes::TokenSource* target = nullptr;
    Awaitable<Result<volumes::ServiceAccountToken>> token(volumes::TokenRequest request) override {
      if (target == nullptr) co_return make_error(Errc::unavailable, "failed to fetch token: not connected yet");
      co_return co_await target->token(std::move(request));
    }
  } tokens;
  PodContext context;
  PodManager pods;
  std::unique_ptr<ManifestSource> source;  // one of these two; none where only cleaning up
  std::unique_ptr<Cluster> cluster;
  std::unique_ptr<ProxyServing> proxy_serving;  // none where the proxy is switched off
  Protection protection;
  cri::EventStream events;
  NodeData data;
  UnixServer server;
  ProgressLine progress;
  Notifier busy;  // something about pods changed: memory may be worth giving back
  TaskGroup tasks;
};

}  // namespace keelson::agent
