#include "agent/node/lease_keeper.hpp"

#include <algorithm>
#include <random>

#include "base/log.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

constexpr int kTries = 5;  // of one renewal, against others that write the Lease at the same time

LeaseOptions with_interval(LeaseOptions options) {
  if (options.interval == Nanoseconds(0)) options.interval = Nanoseconds(options.duration) / 4;
  return options;
}

// Up to 4 % more, so that nodes that started together do not stay together.
Nanoseconds jittered(Nanoseconds interval) {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return interval + Nanoseconds(std::uniform_int_distribution<std::int64_t>(0, interval.count() / 25)(engine));
}

}  // namespace

kube::Lease renewed_lease(const std::optional<kube::Lease>& base, const LeaseOptions& options, const std::string& uid,
                          SystemTime now) {
  kube::Lease lease = base.value_or(kube::Lease{});
  lease.metadata.name = options.node;
  lease.metadata.ns = kLeaseNamespace;
  if (!base) lease.spec.holder_identity = options.node;
  lease.spec.lease_duration_seconds = static_cast<std::int32_t>(options.duration.count());
  lease.spec.renew_time = now;
  if (lease.metadata.owner_references.empty() && !uid.empty()) {
    kube::OwnerReference owner;
    owner.api_version = "v1";
    owner.kind = "Node";
    owner.name = options.node;
    owner.uid = uid;
    lease.metadata.owner_references.push_back(std::move(owner));
  }
  return lease;
}

LeaseKeeper::LeaseKeeper(const Executor& executor, kube::Api& api, const Clock& clock, LeaseOptions options,
                         std::function<std::string()> node_uid)
    : api_(api),
      clock_(clock),
      options_(with_interval(std::move(options))),
      node_uid_(std::move(node_uid)),
      wake_(executor) {}

Awaitable<void> LeaseKeeper::run() {
  Nanoseconds retry{};
  while (true) {
    const SteadyTime begun = clock_.steady_now();
    Result<void> done = co_await renew();
    Nanoseconds delay = jittered(options_.interval);
    if (done) {
      if (retry != Nanoseconds(0)) log_info("node lease is renewed again", {{"node", options_.node}});
      retry = Nanoseconds(0);
    } else {
      if (retry == Nanoseconds(0)) {
        log_warn("renewing the node lease failed, trying again", {{"node", options_.node}, {"error", done.error()}});
      }
      retry = retry == Nanoseconds(0) ? options_.first_retry : std::min(retry * 2, options_.interval);
      delay = retry;
    }
    const SteadyTime next = begun + std::chrono::duration_cast<SteadyTime::duration>(delay);
    co_await wake_.wait_until(next);
  }
}

Awaitable<Result<void>> LeaseKeeper::renew() {
  waits_for_node_ = false;
  Error last = make_error(Errc::failed_precondition, "the lease changes faster than it can be renewed");
  for (int i = 0; i < kTries; ++i) {
    if (!lease_) {
      std::string ns = kLeaseNamespace;
      Result<kube::Lease> found = co_await kube::get<kube::Lease>(api_, ns, options_.node);
      if (found) {
        lease_ = std::move(*found);
      } else if (found.error().code == Errc::not_found) {
        Result<void> made = co_await create();
        co_return made;
      } else {
        co_return found.error();
      }
    }
    const kube::Lease wanted = renewed_lease(lease_, options_, node_uid_(), clock_.now());
    Result<kube::Lease> updated = co_await kube::update(api_, wanted);
    if (updated) {
      lease_ = std::move(*updated);
      renewed_ = wanted.spec.renew_time;
      co_return Result<void>();
    }
    last = updated.error();
    const bool changed = last.code == Errc::failed_precondition || last.code == Errc::not_found;
    if (!changed) co_return last;
    lease_.reset();  // somebody else wrote or removed it: look again
  }
  co_return last;
}

Awaitable<Result<void>> LeaseKeeper::create() {
  const std::string uid = node_uid_();
  if (uid.empty()) {  // made now, it would have no owner and outlive the node
    waits_for_node_ = true;
    co_return Result<void>();
  }
  const kube::Lease wanted = renewed_lease(std::nullopt, options_, uid, clock_.now());
  Result<kube::Lease> made = co_await kube::create(api_, wanted);
  if (!made) co_return made.error();
  lease_ = std::move(*made);
  renewed_ = wanted.spec.renew_time;
  co_return Result<void>();
}

}  // namespace keelson::agent
