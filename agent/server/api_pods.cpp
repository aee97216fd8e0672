#include <boost/asio/experimental/awaitable_operators.hpp>
#include <nlohmann/json.hpp>

#include "agent/server/api.hpp"
#include "cri/runtime_service.hpp"
#include "kube/codec.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

// What tells a watcher whether a pod changed since it was last written.
struct Written {
  std::shared_ptr<const kube::Pod> pod;
  std::shared_ptr<const kube::PodStatus> status;
  bool stopping = false;
  bool operator==(const Written&) const = default;
};

json watch_event(std::string_view type, const PodEntry& entry) { return {{"type", type}, {"object", pod_json(entry)}}; }

// The lines for what changed since `known`, which is brought up to date.
std::string take_changes(const std::vector<PodEntry>& pods, std::map<std::string, Written>& known) {
  std::string lines;
  std::map<std::string, Written> now;
  for (const auto& entry : pods) {
    const auto& uid = entry.pod->metadata.uid;
    Written written{entry.pod, entry.status, entry.stopping_since.has_value()};
    const auto before = known.find(uid);
    if (before == known.end() || !(before->second == written)) {
      lines += watch_event(before == known.end() ? "ADDED" : "MODIFIED", entry).dump() + "\n";
    }
    if (before != known.end()) known.erase(before);
    now.emplace(uid, std::move(written));
  }
  for (const auto& [uid, gone] : known) {
    const PodEntry last{gone.pod, gone.status, std::nullopt};
    lines += watch_event("DELETED", last).dump() + "\n";
  }
  known = std::move(now);
  return lines;
}

}  // namespace

json pod_json(const PodEntry& entry) {
  kube::Pod pod = *entry.pod;
  if (entry.status) pod.status = *entry.status;
  if (entry.stopping_since && !pod.metadata.deletion_timestamp) {
    const auto grace = pod.spec.termination_grace_period_seconds.value_or(30);
    pod.metadata.deletion_timestamp = *entry.stopping_since + Seconds(grace);
    pod.metadata.deletion_grace_period_seconds = grace;
  }
  return kube::encode(pod);
}

void Api::add_pods() {
  router_.add("GET", "/pods", [this](Exchange& x) { return x.request.flag("watch") ? watch_pods(x) : get_pods(x); });
}

void Api::add_running_pods() {
  router_.add("GET", "/runningpods", [this](Exchange& x) { return get_running_pods(x); });
}

// What runs in the runtime, wanted or not.
Awaitable<void> Api::get_running_pods(Exchange& x) {
  cri::v1::ListPodSandboxRequest all_sandboxes;
  all_sandboxes.mutable_filter()->mutable_state()->set_state(cri::v1::SANDBOX_READY);
  const auto sandboxes = co_await data_.runtime().list_pod_sandbox(std::move(all_sandboxes));
  if (!sandboxes) co_return co_await send_error(x, sandboxes.error());
  cri::v1::ListContainersRequest all_containers;
  all_containers.mutable_filter()->mutable_state()->set_state(cri::v1::CONTAINER_RUNNING);
  const auto containers = co_await data_.runtime().list_containers(std::move(all_containers));
  if (!containers) co_return co_await send_error(x, containers.error());
  std::map<std::string, json> of_sandbox;
  for (const auto& c : containers->containers()) {
    auto& list = of_sandbox.try_emplace(c.pod_sandbox_id(), json::array()).first->second;
    list.push_back({{"name", c.metadata().name()}, {"image", c.image().image()}, {"resources", json::object()}});
  }
  json items = json::array();
  for (const auto& s : sandboxes->items()) {
    const auto list = of_sandbox.find(s.id());
    items.push_back(
        {{"metadata",
          {{"name", s.metadata().name()}, {"namespace", s.metadata().namespace_()}, {"uid", s.metadata().uid()}}},
         {"spec", {{"containers", list == of_sandbox.end() ? json(nullptr) : list->second}}},
         {"status", json::object()}});
  }
  const json answer = {
      {"apiVersion", "v1"}, {"kind", "PodList"}, {"metadata", json::object()}, {"items", std::move(items)}};
  std::string text = answer.dump(-1, ' ', false, json::error_handler_t::replace);
  co_await x.response.send(200, kJson, std::move(text));
}

Awaitable<void> Api::get_pods(Exchange& x) {
  // Pod by pod, so that the tree of one pod and the text are all the memory it takes.
  std::string text = R"({"apiVersion":"v1","items":[)";
  bool first = true;
  for (const auto& entry : data_.pods()) {
    if (!first) text += ',';
    first = false;
    text += pod_json(entry).dump();
  }
  text += R"(],"kind":"PodList","metadata":{}})";
  co_await x.response.send(200, kJson, std::move(text));
}

Awaitable<void> Api::watch_pods(Exchange& x) {
  using boost::asio::experimental::awaitable_operators::operator||;
  const auto started = co_await x.response.start(200, kJson);
  if (!started) co_return;
  co_await (write_pod_changes(x) || x.response.client_gone());
}

Awaitable<void> Api::write_pod_changes(Exchange& x) {
  ChangeHub::Subscription subscription(changes_, executor_);
  std::map<std::string, Written> known;
  for (;;) {
    auto lines = take_changes(data_.pods(), known);
    const auto written = co_await x.response.write(std::move(lines));
    if (!written) co_return;
    co_await subscription.wake().wait();
  }
}

}  // namespace keelson::agent
