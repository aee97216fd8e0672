#include "agent/proxy/metrics.hpp"

namespace keelson::agent {
namespace {

using stats::label_text;
using stats::MetricText;

std::string family_label(proxy::Family family) { return label_text({{"ip_family", proxy::to_string(family)}}); }

double unix_seconds(std::optional<SystemTime> time) {
  return time ? std::chrono::duration<double>(time->time_since_epoch()).count() : 0;
}

double number(std::size_t n) { return static_cast<double>(n); }

// One metric with a row for each family.
template <class Row>
void per_family(MetricText& out, const proxy::Proxier& proxier, const proxy::ProxierStatus& status,
                std::string_view name, std::string_view type, std::string_view help, Row row) {
  out.family(name, type, help);
  for (const proxy::FamilyStatus& f : status.families) row(family_label(f.family), f, proxier.record().of(f.family));
}

void write_durations(MetricText& out, const proxy::Proxier& p, const proxy::ProxierStatus& status) {
  per_family(out, p, status, "kubeproxy_sync_proxy_rules_duration_seconds", "histogram",
             "[ALPHA] SyncProxyRules latency in seconds",
             [&](const auto& label, const auto&, const auto& record) { out.histogram(record.syncs, label); });
  per_family(out, p, status, "kubeproxy_sync_full_proxy_rules_duration_seconds", "histogram",
             "[ALPHA] SyncProxyRules latency in seconds for full resyncs",
             [&](const auto& label, const auto&, const auto& record) { out.histogram(record.full_syncs, label); });
  per_family(out, p, status, "kubeproxy_sync_partial_proxy_rules_duration_seconds", "histogram",
             "[ALPHA] SyncProxyRules latency in seconds for partial resyncs",
             [&](const auto& label, const auto&, const auto& record) { out.histogram(record.partial_syncs, label); });
  per_family(out, p, status, "kubeproxy_network_programming_duration_seconds", "histogram",
             "[ALPHA] In Cluster Network Programming Latency in seconds",
             [&](const auto& label, const auto&, const auto& record) { out.histogram(record.programming, label); });
}

void write_times(MetricText& out, const proxy::Proxier& p, const proxy::ProxierStatus& status) {
  per_family(
      out, p, status, "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "gauge",
      "[ALPHA] The last time proxy rules were successfully synced",
      [&](const auto& label, const auto&, const auto& record) { out.sample(unix_seconds(record.last_sync), label); });
  per_family(
      out, p, status, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "gauge",
      "[ALPHA] The last time a sync of proxy rules was queued",
      [&](const auto& label, const auto&, const auto&) { out.sample(unix_seconds(p.record().last_queued()), label); });
}

void write_changes(MetricText& out, const proxy::SyncRecord& record) {
  const auto& services = record.services();
  const auto& endpoints = record.slices();
  out.single("kubeproxy_sync_proxy_rules_service_changes_pending", "gauge",
             "[ALPHA] Pending proxy rules Service changes", number(services.pending));
  out.single("kubeproxy_sync_proxy_rules_service_changes_total", "counter",
             "[ALPHA] Cumulative proxy rules Service changes", number(services.total));
  out.single("kubeproxy_sync_proxy_rules_endpoint_changes_pending", "gauge",
             "[ALPHA] Pending proxy rules Endpoint changes", number(endpoints.pending));
  out.single("kubeproxy_sync_proxy_rules_endpoint_changes_total", "counter",
             "[ALPHA] Cumulative proxy rules Endpoint changes", number(endpoints.total));
}

void write_iptables(MetricText& out, const proxy::Proxier& p, const proxy::ProxierStatus& status) {
  per_family(out, p, status, "kubeproxy_sync_proxy_rules_iptables_total", "gauge",
             "[ALPHA] Total number of iptables rules owned by kube-proxy",
             [&](const auto&, const auto& f, const auto&) {
               const std::string_view family = proxy::to_string(f.family);
               out.sample(number(f.rules.filter), label_text({{"ip_family", family}, {"table", "filter"}}));
               out.sample(number(f.rules.nat), label_text({{"ip_family", family}, {"table", "nat"}}));
             });
  per_family(out, p, status, "kubeproxy_sync_proxy_rules_iptables_restore_failures_total", "counter",
             "[ALPHA] Cumulative proxy iptables restore failures",
             [&](const auto& label, const auto&, const auto& record) {
               out.sample(number(record.full_failures + record.partial_failures), label);
             });
  per_family(
      out, p, status, "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total", "counter",
      "[ALPHA] Cumulative proxy iptables partial restore failures",
      [&](const auto& label, const auto&, const auto& record) { out.sample(number(record.partial_failures), label); });
}

void write_nftables(MetricText& out, const proxy::Proxier& p, const proxy::ProxierStatus& status) {
  per_family(out, p, status, "kubeproxy_sync_proxy_rules_nftables_sync_failures_total", "counter",
             "[ALPHA] Cumulative proxy nftables sync failures",
             [&](const auto& label, const auto&, const auto& record) {
               out.sample(number(record.full_failures + record.partial_failures), label);
             });
}

void write_conntrack(MetricText& out, const proxy::Proxier& p, const proxy::ProxierStatus& status) {
  per_family(out, p, status, "kubeproxy_conntrack_reconciler_deleted_entries_total", "counter",
             "[ALPHA] Cumulative conntrack flows deleted by conntrack reconciler",
             [&](const auto& label, const auto& f, const auto&) {
               out.sample(number(p.conntrack_status(f.family).removed), label);
             });
}

void write_local_policies(MetricText& out, const proxy::Proxier& p, const proxy::ProxierStatus& status) {
  per_family(out, p, status, "kubeproxy_sync_proxy_rules_no_local_endpoints_total", "gauge",
             "[ALPHA] Number of services with a Local traffic policy and no endpoints",
             [&](const auto&, const auto& f, const auto&) {
               const std::string_view family = proxy::to_string(f.family);
               const auto missing = p.no_local_endpoints(f.family);
               const auto row = [&](std::string_view policy, std::size_t n) {
                 out.sample(number(n), label_text({{"ip_family", family}, {"traffic_policy", policy}}));
               };
               row("internal", missing.internal);
               row("external", missing.external);
             });
}

void write_probes(MetricText& out, const ProbeCounts& probes) {
  const auto rows = [&out](std::uint64_t ok, std::uint64_t failed) {
    out.sample(static_cast<double>(ok), label_text({{"code", "200"}}));
    out.sample(static_cast<double>(failed), label_text({{"code", "503"}}));
  };
  out.family("kubeproxy_proxy_healthz_total", "counter", "[ALPHA] Cumulative proxy healthz HTTP status");
  rows(probes.healthz_200, probes.healthz_503);
  out.family("kubeproxy_proxy_livez_total", "counter", "[ALPHA] Cumulative proxy livez HTTP status");
  rows(probes.livez_200, probes.livez_503);
}

}  // namespace

void write_proxy_metrics(MetricText& out, const proxy::Proxier& proxier, const ProbeCounts& probes) {
  const proxy::ProxierStatus status = proxier.status();
  write_durations(out, proxier, status);
  write_times(out, proxier, status);
  write_changes(out, proxier.record());
  if (proxier.mode() == "nftables") {
    write_nftables(out, proxier, status);
  } else {
    write_iptables(out, proxier, status);
  }
  write_conntrack(out, proxier, status);
  write_local_policies(out, proxier, status);
  write_probes(out, probes);
}

}  // namespace keelson::agent
