#include "proxy/proxier.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/system_error.hpp>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "base/memory.hpp"
#include "base/strings.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"
#include "kube/time.hpp"
#include "proxy/iptables_backend.hpp"
#include "proxy/model_input.hpp"
#include "proxy/nft_backend.hpp"
#include "proxy/saved_rules.hpp"
#include "proxy/sysctls.hpp"

namespace keelson::proxy {
namespace {

constexpr Nanoseconds kUpstreamMinSyncPeriod = std::chrono::seconds(1);
// Of SyncPace. Every transaction of iptables' rules makes the kernel look through the whole table, and those of many
// changes no longer than that of one; elements of nftables' sets cost the same either way.
constexpr std::int64_t kMostIptables = 50, kMostNftables = 10;
constexpr Nanoseconds kFirstRetry = std::chrono::seconds(1);
constexpr Nanoseconds kRepairPause = std::chrono::seconds(5);

// operator&& may hide which of the two failed, behind the other's cancellation.
Awaitable<void> told(const char* part, Awaitable<void> task) {
  try {
    co_await std::move(task);
  } catch (const boost::system::system_error&) {
    throw;
  } catch (const std::exception& error) {
    log_error("the Service proxy failed", {{"part", part}, {"error", error.what()}});
    throw;
  }
}

void log_problems(const std::vector<std::string>& problems) {
  for (const std::string& text : problems) log_warn("ignored a part of an object", {{"problem", text}});
}

// When the pod or Service changed that the slice was written for.
std::optional<SystemTime> trigger_time(const kube::EndpointSlice& slice) {
  const auto it = slice.metadata.annotations.find("endpoints.kubernetes.io/last-change-trigger-time");
  if (it == slice.metadata.annotations.end()) return std::nullopt;
  const auto time = kube::parse_time(it->second);
  return time ? std::optional<SystemTime>(*time) : std::nullopt;
}

}  // namespace

Proxier::Proxier(const Executor& executor, ProxyConfig config, std::string node_name, std::vector<IpAddress> node_ips,
                 const Clock& clock, IptablesRunner& iptables, ConntrackCleaner& conntrack, NftKernel* nft)
    : config_(of_mode(std::move(config))),
      node_name_(std::move(node_name)),
      node_ips_(std::move(node_ips)),
      clock_(clock),
      iptables_(iptables),
      conntrack_(executor, clock, conntrack),
      nft_(nft),
      wake_(executor),
      record_(clock.now()),
      pace_(kUpstreamMinSyncPeriod, config_.mode == ProxyMode::iptables ? kMostIptables : kMostNftables) {}

void Proxier::changed() {
  if (!synced()) return;
  record_.queued(clock_.steady_now(), clock_.now());
  wake_.notify();
}

void Proxier::set_service(const kube::Service& service) {
  ServiceInput input = read_service(service, model_.names());
  log_problems(input.problems);
  model_.apply_service(kube::object_key(service.metadata), std::move(input.spec), std::move(input.ruleless));
  record_.service_changed();
  changed();
}

void Proxier::remove_service(const std::string& key) {
  model_.apply_service(key, nullptr);
  record_.service_changed();
  changed();
}

void Proxier::set_slice(const kube::EndpointSlice& slice) {
  SliceInput input = read_endpoint_slice(slice, node_name_, model_.names());
  log_problems(input.problems);
  const std::string key = kube::object_key(slice.metadata);
  if (input.slice) {
    model_.apply_endpoint_slice(key, input.service, std::move(*input.slice));
  } else {
    model_.remove_endpoint_slice(key);
  }
  record_.slice_changed(trigger_time(slice));
  changed();
}

void Proxier::remove_slice(const std::string& key) {
  model_.remove_endpoint_slice(key);
  record_.slice_changed(std::nullopt);
  changed();
}

void Proxier::set_zone(const std::string& zone) {
  if (!model_.set_zone(zone)) return;
  for (FamilyState& state : families_) state.need_full = true;
  changed();
}

void Proxier::set_node_cidrs(std::vector<std::string> cidrs) {
  if (cidrs == config_.node_cidrs) return;
  config_.node_cidrs = std::move(cidrs);
  if (config_.detect_local_mode != LocalMode::node_cidr) return;
  for (FamilyState& state : families_) state.need_full = true;
  changed();
}

void Proxier::services_synced() {
  services_synced_ = true;
  changed();
}

void Proxier::slices_synced() {
  slices_synced_ = true;
  changed();
}

Awaitable<void> Proxier::run() {
  using boost::asio::experimental::awaitable_operators::operator&&;
  co_await (told("rules", run_syncs()) && told("conntrack", conntrack_.run()) &&
            told("nftables notifications", watch_tables()));
}

// Who fights with another that writes the same tables does so at a pace that leaves the node its CPU.
Awaitable<void> Proxier::watch_tables() {
  if (config_.mode != ProxyMode::nftables || nft_ == nullptr) co_return;
  while (true) {
    const auto changes = co_await nft_->next_foreign_change();
    if (!changes) {
      log_warn("others' changes of our table are noticed late", {{"error", changes.error()}});
      co_return;
    }
    for (FamilyState& state : families_) {
      state.touched = state.touched || changes->tables[index_of(state.status.family)];
    }
    const SteadyTime now = clock_.steady_now();
    const SteadyTime soon = last_repair_ ? std::max<SteadyTime>(now, *last_repair_ + kRepairPause) : now;
    next_canary_ = std::min(next_canary_, soon);
    wake_.notify();
  }
}

Awaitable<void> Proxier::run_syncs() {
  co_await probe_families();  // while the lists come in
  while (!synced()) co_await wake_.wait();
  while (true) {
    const SteadyTime now = clock_.steady_now();
    if (now >= next_canary_) check_canaries();
    const bool any_due =
        std::any_of(families_.begin(), families_.end(), [this, now](const FamilyState& s) { return due(s, now); });
    if (any_due && now >= not_before_) {
      co_await sync_all();
      continue;
    }
    // The clock may be a test's: only the distance to the next deadline is taken from it.
    const SteadyTime deadline = std::chrono::steady_clock::now() + (next_wakeup(now) - now);
    co_await wake_.wait_until(deadline);
  }
}

Awaitable<Result<std::unique_ptr<RuleBackend>>> Proxier::make_backend(Family family) {
  if (config_.mode == ProxyMode::iptables) co_return co_await make_iptables_backend(iptables_, nft_, family);
  if (nft_ == nullptr) co_return make_error(Errc::failed_precondition, "mode nftables is not available here");
  co_return make_nft_backend(*nft_, iptables_, family);
}

Awaitable<void> Proxier::probe_families() {
  for (const Family family : kFamilies) {
    const bool wanted = node_ips_.empty()
                            ? family == Family::ipv4
                            : std::any_of(node_ips_.begin(), node_ips_.end(),
                                          [family](const IpAddress& ip) { return ip.family() == family; });
    if (!wanted) continue;
    auto backend = co_await make_backend(family);
    for (Nanoseconds delay = kFirstRetry; !backend && backend.error().code == Errc::unavailable;
         delay = std::min<Nanoseconds>(delay * 2, config_.sync_period)) {
      log_warn("cannot look at the packet filter yet", {{"family", to_string(family)}, {"error", backend.error()}});
      co_await sleep_for(delay);
      backend = co_await make_backend(family);
    }
    if (!backend) {
      log_error("Services of this family are not programmed",
                {{"family", to_string(family)}, {"error", backend.error()}});
      continue;
    }
    FamilyState state;
    state.status.family = family;
    state.rules = std::move(*backend);
    state.status.backend = state.rules->name();
    families_.push_back(std::move(state));
  }
  const bool v4 = std::any_of(families_.begin(), families_.end(),
                              [](const FamilyState& s) { return s.status.family == Family::ipv4; });
  std::vector<std::string> ignored;
  const bool localhost =
      v4 && compile_options(config_, Family::ipv4, node_ips_, interface_addresses(), ignored).localhost_node_ports;
  const SysctlReport report = config_.tune_sysctls
                                  ? tune_sysctls(localhost, std::thread::hardware_concurrency(), config_.conntrack)
                                  : read_sysctls();
  drop_invalid_ = !report.tcp_be_liberal;
  next_canary_ = clock_.steady_now() + config_.sync_period;
}

bool Proxier::due(const FamilyState& state, SteadyTime now) const {
  if (state.retry_at) return now >= *state.retry_at;
  return state.need_full || state.in_doubt || model_.has_dirty() || now - state.last_full >= config_.full_sync_period;
}

SteadyTime Proxier::next_wakeup(SteadyTime now) const {
  SteadyTime next = next_canary_;
  for (const FamilyState& state : families_) {
    if (due(state, now)) {
      next = std::min(next, std::max(not_before_, now));
    } else if (state.retry_at) {
      next = std::min(next, *state.retry_at);
    } else {
      next = std::min<SteadyTime>(next, state.last_full + config_.full_sync_period);
    }
  }
  return next;
}

void Proxier::check_canaries() {
  next_canary_ = clock_.steady_now() + config_.sync_period;
  for (FamilyState& state : families_) {
    const bool touched = std::exchange(state.touched, false);
    if (state.need_full || state.in_doubt) continue;
    const auto present = touched ? Result<bool>(false) : state.rules->still_there();
    if (!present) {
      log_debug("cannot see whether the rules are still there", {{"error", present.error()}});
    } else if (!*present) {
      log_warn(touched ? "somebody changed our table; writing all of it again"
                       : "somebody flushed the rules; writing all of them again",
               {{"family", to_string(state.status.family)}});
      state.need_full = true;
      last_repair_ = clock_.steady_now();
      record_.queued(clock_.steady_now(), clock_.now());
    }
  }
}

void Proxier::refresh_options(FamilyState& state) {
  std::vector<std::string> problems;
  const auto interfaces = config_.node_port_addresses.empty() ? std::vector<IpAddress>{} : interface_addresses();
  state.options = compile_options(config_, state.status.family, node_ips_, interfaces, problems);
  state.options.drop_invalid = drop_invalid_;
  const std::string text = join(problems, "; ");
  if (!text.empty() && text != reported_problems_) log_warn("proxy configuration", {{"problems", text}});
  if (!text.empty()) reported_problems_ = text;
}

Awaitable<void> Proxier::sync_all() {
  const SteadyTime start = clock_.steady_now();
  const std::vector<std::string> dirty = model_.take_dirty();
  update_health_ports(model_, dirty, health_ports_);
  record_.begin(families_in_use());
  for (FamilyState& state : families_) {
    // A family that waits for its retry does not see these changes now; its full sync will.
    state.flows_changed.insert(state.flows_changed.end(), dirty.begin(), dirty.end());
    const bool waits = state.retry_at && start < *state.retry_at;
    if (!waits) co_await sync(state, dirty);
  }
  const SteadyTime end = clock_.steady_now();
  // A failed one has a delay of its own.
  const bool failed =
      std::any_of(families_.begin(), families_.end(), [](const auto& s) { return !s.status.last_error.empty(); });
  if (failed) {
    pace_.forget();
    not_before_ = end + config_.min_sync_period;
  } else {
    not_before_ = end + pace_.after(start, end, config_.min_sync_period);
  }
  if (on_sync_) on_sync_();
}

Awaitable<void> Proxier::sync(FamilyState& state, const std::vector<std::string>& dirty) {
  refresh_options(state);
  const bool full =
      state.need_full || state.in_doubt || clock_.steady_now() - state.last_full >= config_.full_sync_period;
  state.in_doubt = true;
  state.need_full = false;  // whoever asks from here on wants another one
  const SteadyTime start = clock_.steady_now();
  Result<void> result;
  if (full) {
    result = co_await state.rules->full(model_, state.options);
  } else {
    result = co_await write_partial(state, dirty);
  }
  note_result(state, result, full);
  record_.ended(state.status.family, full, clock_.steady_now() - start, result.has_value(), clock_.now());
  if (!result) co_return;
  if (full) give_memory_back();  // everything stood in memory as it was written
  conntrack_.written(model_, state.status.family, std::exchange(state.flows_changed, {}), full, node_ips_);
  if (!state.other_mode_removed) co_await remove_other_mode(state);
}

Awaitable<Result<void>> Proxier::write_partial(FamilyState& state, const std::vector<std::string>& dirty) {
  CO_TRY(const bool wrote, co_await state.rules->partial(model_, state.options, dirty));
  if (wrote) ++state.status.partial_syncs;
  co_return Result<void>();
}

Awaitable<void> Proxier::remove_other_mode(FamilyState& state) {
  const auto removed = co_await state.rules->remove_other_mode();
  if (!removed) {  // tried again after the next sync
    log_warn("rules of the other proxy mode remain",
             {{"family", to_string(state.status.family)}, {"error", removed.error()}});
    co_return;
  }
  state.other_mode_removed = true;
}

void Proxier::note_result(FamilyState& state, const Result<void>& result, bool full) {
  FamilyStatus& status = state.status;
  if (!result) {
    ++status.failures;
    status.last_error = result.error().message;
    // A partial sync that fails is followed by a full one at once; that one's failures are backed off.
    const Nanoseconds longest = config_.sync_period;
    state.retry_delay = full ? std::clamp<Nanoseconds>(state.retry_delay * 2, kFirstRetry, longest) : Nanoseconds(0);
    state.retry_at = clock_.steady_now() + state.retry_delay;
    log_warn("writing Service rules failed", {{"family", to_string(status.family)}, {"error", result.error()}});
    return;
  }
  state.in_doubt = false;
  state.retry_at.reset();
  state.retry_delay = {};
  status.last_error.clear();
  status.last_sync = clock_.now();
  status.rules = state.rules->counts();
  if (!full) return;
  ++status.full_syncs;
  status.last_full_sync = status.last_sync;
  state.last_full = clock_.steady_now();
  log_info("Service rules written", {{"family", to_string(status.family)},
                                     {"services", model_.services().size()},
                                     {"nat", status.rules.nat},
                                     {"filter", status.rules.filter},
                                     {"elements", status.rules.elements}});
}

ProxierStatus Proxier::status() const {
  ProxierStatus status{synced(), model_.has_dirty(), {}};
  for (const FamilyState& state : families_) {
    status.families.push_back(state.status);
    status.pending = status.pending || state.need_full || state.in_doubt;
  }
  return status;
}

Awaitable<Result<void>> cleanup_rules(IptablesRunner& iptables, NftKernel& nft, bool beside_kubelet) {
  for (const Family family : kFamilies) {
    const auto info = co_await iptables.probe(family);
    if (!info && info.error().code == Errc::unavailable) co_return info.error();
    if (!info) continue;
    CO_TRY(const std::string text, co_await iptables.save(family));
    SavedRules saved = parse_saved(text);
    if (beside_kubelet) saved = without_kubelet_chains(std::move(saved));
    std::string input = cleanup_input(saved);
    if (input.empty()) continue;
    CO_CHECK_OK(co_await iptables.restore(family, std::move(input)));
  }
  for (const Family family : kFamilies) {
    if (!nft.probe(family)) continue;
    CO_CHECK_OK(co_await remove_nft_table(nft, family));
  }
  co_return Result<void>();
}

}  // namespace keelson::proxy
