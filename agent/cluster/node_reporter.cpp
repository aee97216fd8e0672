#include "agent/cluster/node_reporter.hpp"

#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kRuntimeCheck = Seconds(10);
constexpr Milliseconds kRuntimePatience = Seconds(10);

std::vector<RuntimeCondition> conditions_of(const cri::v1::StatusResponse& status) {
  std::vector<RuntimeCondition> out;
  for (const auto& c : status.status().conditions()) out.push_back({c.type(), c.status(), c.reason(), c.message()});
  return out;
}

std::vector<kube::NodeRuntimeHandler> handlers_of(const cri::v1::StatusResponse& status) {
  std::vector<kube::NodeRuntimeHandler> out;
  for (const auto& h : status.runtime_handlers()) {
    kube::NodeRuntimeHandlerFeatures features;
    features.recursive_read_only_mounts = h.features().recursive_read_only_mounts();
    features.user_namespaces = h.features().user_namespaces();
    out.push_back({h.name(), features});
  }
  return out;
}

}  // namespace

NodeReporter::NodeReporter(const Executor& executor, kube::Api& api, const Clock& clock, cri::RuntimeService& runtime,
                           cri::ImageService& images, const spec::NodeFacts& facts, NodeReporterOptions options,
                           NodeReporterSeams seams)
    : clock_(clock),
      runtime_(runtime),
      images_service_(images),
      facts_(facts),
      options_(std::move(options)),
      seams_(std::move(seams)),
      machine_(read_machine_facts()),
      registrar_(executor, api, clock, options_.node,
                 {.input = [this] { return input(); },
                  .event = seams_.on_event,
                  .changed =
                      [this](std::shared_ptr<const kube::Node> node) {
                        if (node) lease_.node_changed();
                        seams_.on_node(std::move(node));
                      }},
                 options_.schedule),
      lease_(executor, api, clock, {.node = options_.node.name, .duration = options_.lease},
             [this] { return registrar_.uid(); }),
      watch_(executor, api, kube::single_object("", options_.node.name),
             {.on_set = [this](std::shared_ptr<const kube::Node> node) { registrar_.observed(std::move(node)); },
              .on_delete = [this](const kube::ObjectKey&) { registrar_.deleted(); },
              .on_synced = {},
              .on_error = {}}),
      tasks_(executor) {}

void NodeReporter::start() { tasks_.spawn("runtime health", follow_runtime()); }

Awaitable<void> NodeReporter::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

void NodeReporter::input_changed() {
  look_at_network();
  registrar_.input_changed();
}

void NodeReporter::look_at_network() {
  if (const auto network = seams_.network_error()) health_.set_network_error(*network);
}

NodeInput NodeReporter::input() const {
  NodeInput now;
  now.now = clock_.now();
  now.ips = facts_.ips;
  now.machine = machine_;
  now.size.cpu_millis = facts_.cpu_millis;
  now.size.memory_bytes = facts_.memory_bytes;
  now.size.swap_bytes = facts_.swap_bytes;
  now.size.ephemeral_storage_bytes = facts_.ephemeral_storage_bytes;
  for (const auto& [name, amount] : facts_.allocatable) {
    if (name.starts_with("hugepages-")) now.size.huge_pages[name] = amount;
  }
  now.runtime_name = options_.runtime_name;
  now.runtime_version = options_.runtime_version;
  now.runtime_handlers = handlers_;
  now.supplemental_groups_policy = groups_policy_;
  now.images = images_;
  now.volumes_in_use = std::vector<std::string>();
  now.errors = health_.errors(clock_.steady_now());
  for (auto& error : seams_.errors()) now.errors.push_back(std::move(error));
  const auto pressure = seams_.pressure();
  now.memory_pressure = pressure.contains("MemoryPressure");
  now.disk_pressure = pressure.contains("DiskPressure");
  now.pid_pressure = pressure.contains("PIDPressure");
  now.recheck_at = health_.due(clock_.steady_now());
  return now;
}

// The first look comes before registration, so that the Node is made Ready at once.
Awaitable<void> NodeReporter::follow_runtime() {
  co_await look_at_runtime();
  co_await look_at_images();
  tasks_.spawn("node registration", registrar_.run());
  tasks_.spawn("node lease", lease_.run());
  tasks_.spawn("watch of the node", watch_.run());
  for (;;) {
    co_await sleep_for(kRuntimeCheck);
    const auto before = errors();
    co_await look_at_runtime();
    if (images_stale_) co_await look_at_images();
    if (errors() != before) registrar_.input_changed();
  }
}

Awaitable<void> NodeReporter::look_at_runtime() {
  look_at_network();
  cri::v1::StatusRequest request;
  const auto status = co_await runtime_.status(std::move(request), kRuntimePatience);
  if (!status) {
    log_warn("runtime status not read", {{"error", status.error()}});
    co_return;
  }
  health_.status(conditions_of(*status), clock_.steady_now());
  handlers_ = handlers_of(*status);
  if (status->has_features()) groups_policy_ = status->features().supplemental_groups_policy();
}

Awaitable<void> NodeReporter::look_at_images() {
  images_stale_ = false;
  cri::v1::ListImagesRequest request;
  const auto list = co_await images_service_.list_images(std::move(request), kRuntimePatience);
  if (!list) {
    images_stale_ = true;
    co_return;
  }
  std::vector<NodeImage> images;
  for (const auto& image : list->images()) {
    images.push_back({{image.repo_digests().begin(), image.repo_digests().end()},
                      {image.repo_tags().begin(), image.repo_tags().end()},
                      static_cast<std::int64_t>(image.size())});
  }
  if (images == images_) co_return;
  images_ = std::move(images);
  registrar_.input_changed();
}

}  // namespace keelson::agent
