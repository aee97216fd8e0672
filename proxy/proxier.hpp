// The Service proxy of one node: keeps the kernel's rules equal to the Services and EndpointSlices it is told of,
// through the backend of its mode (backend.hpp). Lives on the loop's thread; constructible alone in a test, with a fake
// IptablesRunner.
//   producer: the agent's sources (set_*, remove_*)  ->  the model's dirty set (latest wins)  ->  consumer: run()
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "proxy/backend.hpp"
#include "proxy/config.hpp"
#include "proxy/conntrack_reconciler.hpp"
#include "proxy/explain.hpp"
#include "proxy/health_ports.hpp"
#include "proxy/iptables_runner.hpp"
#include "proxy/model.hpp"
#include "proxy/sync_pace.hpp"
#include "proxy/sync_record.hpp"

namespace keelson::kube {
struct EndpointSlice;
struct Service;
}  // namespace keelson::kube

namespace keelson::proxy {

class NftKernel;

struct FamilyStatus {
  Family family = Family::ipv4;
  std::string_view backend;             // RuleBackend::name()
  std::optional<SystemTime> last_sync;  // last success, also when there was nothing to write
  std::optional<SystemTime> last_full_sync;
  RuleCounts rules;
  std::size_t full_syncs = 0, partial_syncs = 0, failures = 0;
  std::string last_error;  // empty after a success
};

struct ProxierStatus {
  bool synced = false;   // both lists were complete, so rules are being written
  bool pending = false;  // changes wait to be written
  std::vector<FamilyStatus> families;
};

class Proxier {
 public:
  // `node_ips`: one per family in use, the primary first; a family without one is not programmed (none: IPv4 only).
  // Without `nft` only the iptables mode works, and nftables rules of a former mode are left alone.
  Proxier(const Executor& executor, ProxyConfig config, std::string node_name, std::vector<IpAddress> node_ips,
          const Clock& clock, IptablesRunner& iptables, ConntrackCleaner& conntrack, NftKernel* nft = nullptr);

  // The object as it is now, in place of what was known under its namespace and name. What cannot be used of it is
  // logged by object and field; the rest counts.
  void set_service(const kube::Service& service);
  void remove_service(const std::string& key);  // "namespace/name"
  void set_slice(const kube::EndpointSlice& slice);
  void remove_slice(const std::string& key);
  // The node's label topology.kubernetes.io/zone.
  void set_zone(const std::string& zone);

  // Node.spec.podCIDRs. In mode NodeCIDR no rule is written before there are some: what is not known to be local would
  // be taken for foreign. (cmd/kube-proxy/app/server.go waitForPodCIDR)
  void set_node_cidrs(std::vector<std::string> cidrs);

  // No rule is written before both lists were given completely: a first sync with half of the Services would take away
  // what a former run (or kube-proxy) left working.
  void services_synced();
  void slices_synced();
  [[nodiscard]] bool synced() const { return services_synced_ && slices_synced_ && local_known(); }

  // Writes until cancelled. Errors are retried with backoff, by a full sync.
  Awaitable<void> run();
  [[nodiscard]] ProxierStatus status() const;
  // What became of changes, for health and metrics.
  [[nodiscard]] const SyncRecord& record() const { return record_; }
  // Longer than that no change may wait in a healthy proxy. (kube-proxy's healthz)
  [[nodiscard]] Nanoseconds patience() const { return config_.sync_period * 2; }
  [[nodiscard]] const HealthPorts& health_ports() const { return health_ports_; }
  [[nodiscard]] const ProxyConfig& config() const { return config_; }
  // "iptables" or "nftables".
  [[nodiscard]] std::string_view mode() const { return config_.mode == ProxyMode::nftables ? "nftables" : "iptables"; }
  // The addresses that take node ports, of all families that are programmed; nothing: every address of the node.
  [[nodiscard]] std::optional<std::vector<IpAddress>> node_port_addresses() const;
  // How packets to the Service "namespace/name" are handled, in every family that is programmed.
  [[nodiscard]] ServiceFate explain(const std::string& key) const;
  // How many Services have a port that is dropped here for want of local endpoints, by policy.
  struct NoLocalEndpoints {
    std::size_t internal = 0, external = 0;
  };
  [[nodiscard]] NoLocalEndpoints no_local_endpoints(Family family) const;
  // Of the removal of stale flows.
  [[nodiscard]] const ConntrackStatus& conntrack_status(Family family) const { return conntrack_.status(family); }
  // What it knows, to be looked at.
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const std::string& node_name() const { return node_name_; }
  // Called on the loop after each sync, successful or not.
  void on_sync(std::function<void()> callback) { on_sync_ = std::move(callback); }

 private:
  struct FamilyState {
    FamilyStatus status;
    std::unique_ptr<RuleBackend> rules;
    CompileOptions options;  // of the last sync
    bool other_mode_removed = false;
    bool need_full = true;                   // asked for
    bool touched = false;                    // somebody else changed our table
    bool in_doubt = false;                   // a sync began and has not succeeded: what the kernel holds is not known
    std::vector<std::string> flows_changed;  // Services changed since the last success, for conntrack
    std::optional<SteadyTime> retry_at;
    Nanoseconds retry_delay{};
    SteadyTime last_full{};
  };

  Awaitable<void> run_syncs();
  Awaitable<void> probe_families();
  Awaitable<Result<std::unique_ptr<RuleBackend>>> make_backend(Family family);
  Awaitable<void> sync_all();
  Awaitable<void> sync(FamilyState& state, const std::vector<std::string>& dirty);
  Awaitable<Result<void>> write_partial(FamilyState& state, const std::vector<std::string>& dirty);
  Awaitable<void> remove_other_mode(FamilyState& state);
  void note_result(FamilyState& state, const Result<void>& result, bool full);
  Awaitable<void> watch_tables();
  void check_canaries();
  [[nodiscard]] std::vector<Family> families_in_use() const;
  void refresh_options(FamilyState& state);
  [[nodiscard]] bool due(const FamilyState& state, SteadyTime now) const;
  [[nodiscard]] SteadyTime next_wakeup(SteadyTime now) const;
  void changed();
  [[nodiscard]] bool local_known() const {
    return config_.detect_local_mode != LocalMode::node_cidr || !config_.node_cidrs.empty();
  }

  ProxyConfig config_;
  std::string node_name_;
  std::vector<IpAddress> node_ips_;
  const Clock& clock_;
  IptablesRunner& iptables_;
  ConntrackReconciler conntrack_;
  NftKernel* nft_;
  Model model_;
  std::vector<FamilyState> families_;
  Notifier wake_;
  std::function<void()> on_sync_;
  SyncRecord record_;
  HealthPorts health_ports_;
  bool services_synced_ = false;
  bool slices_synced_ = false;
  bool drop_invalid_ = true;
  SyncPace pace_;
  SteadyTime not_before_{};  // the least time between two syncs is over then
  SteadyTime next_canary_{};
  std::optional<SteadyTime> last_repair_;  // of a table that somebody else changed
  std::string reported_problems_;          // of the configuration: logged once
};

// Removes every iptables chain of ours and all jumps to them, in all tables of both families, and with `nft` the tables
// kube-proxy of nftables, knowing nothing but what the kernel holds. A family that the kernel lacks is skipped.
// `beside_kubelet`: the chains that a kubelet needs stay.
Awaitable<Result<void>> cleanup_rules(IptablesRunner& iptables, NftKernel& nft, bool beside_kubelet);

}  // namespace keelson::proxy
