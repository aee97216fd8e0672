#include "agent/node/node_registrar.hpp"

#include <algorithm>
#include <charconv>
#include <random>

#include "base/log.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kFirstRetry = Milliseconds(200);
constexpr Nanoseconds kLastRetry = Seconds(7);

double random_share() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

SteadyTime after(SteadyTime now, Nanoseconds delay) {
  return now + std::chrono::duration_cast<SteadyTime::duration>(delay);
}

// Versions of one object grow; an answer may come later than the watch's word of a newer one.
bool is_older(const kube::ObjectMeta& a, const kube::ObjectMeta& b) {
  const auto number = [](const std::string& text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  return a.uid == b.uid && number(a.resource_version) < number(b.resource_version);
}

}  // namespace

NodeRegistrar::NodeRegistrar(const Executor& executor, kube::Api& api, const Clock& clock, NodeConfig config,
                             NodeSeams seams, ReportSchedule schedule)
    : api_(api),
      clock_(clock),
      config_(std::move(config)),
      seams_(std::move(seams)),
      schedule_(schedule),
      wake_(executor) {}

Awaitable<void> NodeRegistrar::run() {
  co_await register_node();
  while (true) {
    if (node_) {
      co_await report_once();
    } else {
      co_await wake_.wait();
    }
  }
}

Awaitable<void> NodeRegistrar::register_node() {
  while (true) {
    Result<void> done = co_await try_register();
    if (done) break;
    failed("registering the node", done.error());
    const Nanoseconds delay = retry_;
    co_await sleep_for(delay);
  }
  succeeded("the node is registered");
}

Awaitable<Result<void>> NodeRegistrar::try_register() {
  kube::Node wanted = initial_node(config_, seams_.input());
  if (config_.register_node) {
    Result<kube::Node> made = co_await kube::create(api_, wanted);
    if (made) {
      log_info("node created", {{"node", config_.name}});
      tell(node_events(kube::Node{}, *made));
      schedule_.sent(NodeChange::minor, clock_.steady_now(), random_share());
      adopt(std::make_shared<const kube::Node>(std::move(*made)));
      co_return Result<void>();
    }
    // Forbidden to create is not forbidden to be: the Node may have been made by somebody else.
    const Errc code = made.error().code;
    if (code != Errc::already_exists && code != Errc::permission_denied) co_return made.error();
  }
  Result<void> taken = co_await take_over(std::move(wanted));
  co_return taken;
}

Awaitable<Result<void>> NodeRegistrar::take_over(kube::Node wanted) {
  std::string no_namespace;
  Result<kube::Node> existing = co_await kube::get<kube::Node>(api_, no_namespace, config_.name);
  if (!existing) co_return existing.error();
  if (config_.register_node) {
    const kube::Node fixed = reconciled_node(wanted, *existing);
    std::optional<std::string> patch = node_status_patch(*existing, fixed);
    if (patch) {
      std::string status = "status";
      Result<kube::Node> patched =
          co_await kube::patch<kube::Node>(api_, no_namespace, config_.name, status, std::move(*patch));
      if (!patched) co_return patched.error();
      existing = std::move(patched);
    }
  }
  log_info("node was registered before", {{"node", config_.name}, {"uid", existing->metadata.uid}});
  adopt(std::make_shared<const kube::Node>(std::move(*existing)));
  co_return Result<void>();
}

// Compares once, and sends or waits.
Awaitable<void> NodeRegistrar::report_once() {
  const NodeInput input = seams_.input();
  kube::Node next = updated_node(config_, *node_, input);
  const NodeChange change = node_change(*node_, next);
  const SteadyTime now = clock_.steady_now();
  SteadyTime due = schedule_.due(change);
  if (due > now) {
    if (input.recheck_at) due = std::min(due, *input.recheck_at);
    co_await wake_.wait_until(due);
    co_return;
  }
  Result<void> sent = co_await send(std::move(next), change);
  if (sent) {
    succeeded("node status is written again");
    co_return;
  }
  failed("writing the node's status", sent.error());
  const SteadyTime again = after(clock_.steady_now(), retry_);
  co_await wake_.wait_until(again);
  // The next try starts from what the API server has, not from what we remember.
  std::string no_namespace;
  Result<kube::Node> fresh = co_await kube::get<kube::Node>(api_, no_namespace, config_.name);
  if (fresh) {
    adopt(std::make_shared<const kube::Node>(std::move(*fresh)));
  } else if (fresh.error().code == Errc::not_found) {
    deleted();
  }
}

Awaitable<Result<void>> NodeRegistrar::send(kube::Node next, NodeChange change) {
  const std::shared_ptr<const kube::Node> before = node_;
  std::optional<std::string> patch = node_status_patch(*before, next);
  if (!patch) {  // the heartbeat is to the second
    schedule_.sent(change, clock_.steady_now(), random_share());
    co_return Result<void>();
  }
  std::string no_namespace;
  std::string status = "status";
  Result<kube::Node> patched =
      co_await kube::patch<kube::Node>(api_, no_namespace, config_.name, status, std::move(*patch));
  if (!patched) co_return patched.error();
  schedule_.sent(change, clock_.steady_now(), random_share());
  tell(node_events(*before, next));
  adopt(std::make_shared<const kube::Node>(std::move(*patched)));
  co_return Result<void>();
}

void NodeRegistrar::observed(std::shared_ptr<const kube::Node> node) {
  adopt(std::move(node));
  wake_.notify();
}

void NodeRegistrar::deleted() {
  if (!node_) return;
  log_warn("the Node object of this node was deleted; it is made again when the agent starts the next time",
           {{"node", config_.name}});
  node_.reset();
  if (seams_.changed) seams_.changed(nullptr);
}

void NodeRegistrar::adopt(std::shared_ptr<const kube::Node> node) {
  if (node_ && is_older(node->metadata, node_->metadata)) return;
  if (node_ && node_->spec.unschedulable != node->spec.unschedulable) {
    kube::Node as_before = *node;  // only the spec is told of: what others write into the status is not our event
    as_before.spec = node_->spec;
    tell(node_events(as_before, *node));
  }
  node_ = std::move(node);
  if (seams_.changed) seams_.changed(node_);
}

void NodeRegistrar::tell(const std::vector<NodeEvent>& events) {
  for (const NodeEvent& event : events) {
    log_info("node event", {{"node", config_.name}, {"reason", event.reason}, {"message", event.message}});
    if (seams_.event) seams_.event(event);
  }
}

// Said once per error, however often it is tried.
void NodeRegistrar::failed(const char* what, const Error& error) {
  retry_ = retry_ == Nanoseconds(0) ? kFirstRetry : std::min(retry_ * 2, kLastRetry);
  if (error.message == last_error_) return;
  last_error_ = error.message;
  log_warn("node not up to date at the API server, trying again", {{"what", what}, {"error", error}});
}

void NodeRegistrar::succeeded(const char* what) {
  if (retry_ != Nanoseconds(0)) log_info(what, {{"node", config_.name}});
  retry_ = Nanoseconds(0);
  last_error_.clear();
}

}  // namespace keelson::agent
