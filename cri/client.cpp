#include "cri/client.hpp"

#include <utility>

#include "cri/channel.hpp"
#include "cri/containerd_tasks.hpp"

namespace keelson::cri {
namespace {

template <class Request>
Milliseconds resolve(Milliseconds timeout, const Request& request) {
  if (timeout != kDefaultTimeout) return timeout;
  return default_timeout(request);
}

// A call that the client's end cancels comes back after it: what it counts in is held by the call itself.
template <class Response, class Request>
Awaitable<Result<Response>> call(Channel& channel, const char* method, std::shared_ptr<Operations> operations,
                                 std::string_view name, Request request, Milliseconds timeout) {
  Response response;
  const auto started = std::chrono::steady_clock::now();
  const auto done = co_await channel.unary(method, request, response, timeout);
  auto& stats = (*operations)[name];
  stats.seconds.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  if (!done) {
    ++stats.failed;
    co_return done.error();
  }
  co_return response;
}

constexpr const char* kVersion = "/runtime.v1.RuntimeService/Version";
constexpr Milliseconds kPingTimeout = std::chrono::seconds(5);
constexpr std::size_t kMaxSocketPath = 107;  // sun_path less its terminating zero

}  // namespace

Result<std::string> parse_endpoint(const std::string& endpoint) {
  constexpr std::string_view kScheme = "unix://";
  const auto path = endpoint.starts_with(kScheme) ? endpoint.substr(kScheme.size()) : endpoint;
  if (!path.starts_with('/')) {
    return make_error(Errc::invalid_argument,
                      "runtime endpoint \"" + endpoint + "\": expected unix:///PATH or an absolute path");
  }
  if (path.size() > kMaxSocketPath) {
    return make_error(Errc::invalid_argument, "runtime endpoint \"" + endpoint + "\": a socket's path has at most " +
                                                  std::to_string(kMaxSocketPath) + " bytes");
  }
  return std::string(kScheme) + path;
}

Result<std::unique_ptr<Client>> Client::create(Executor executor, const std::string& endpoint) {
  TRY(auto canonical, parse_endpoint(endpoint));
  auto channel = std::make_unique<Channel>(std::move(executor), std::move(canonical));
  return std::unique_ptr<Client>(new Client(std::move(channel)));
}

Client::Client(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}
Client::~Client() = default;

void Client::on_connection_change(ConnectionHandler handler) { channel_->on_connection_change(std::move(handler)); }
bool Client::connected() const { return channel_->connected(); }

Awaitable<Result<void>> Client::wait_connected() {
  v1::VersionRequest request;
  request.set_version("v1");
  v1::VersionResponse response;
  // First without waiting: so a loss that nobody noticed is noticed.
  auto first = co_await channel_->unary(kVersion, request, response, kPingTimeout, false);
  if (first || first.error().code != Errc::unavailable) co_return first;
  co_return co_await channel_->unary(kVersion, request, response, kNoTimeout, true);
}

const std::string& Client::endpoint() const { return channel_->endpoint(); }

Awaitable<Result<void>> Client::end_lost_task(std::string container_id) {
  return end_containerd_task(*channel_, std::move(container_id));
}

#define KEELSON_CRI_RPC(Service, method, Rpc)                                                           \
  Awaitable<Result<v1::Rpc##Response>> Client::method(v1::Rpc##Request request, Milliseconds timeout) { \
    const auto limit = resolve(timeout, request);                                                       \
    return call<v1::Rpc##Response>(*channel_, "/runtime.v1." #Service "/" #Rpc, operations_, #method,   \
                                   std::move(request), limit);                                          \
  }

KEELSON_CRI_RPC(RuntimeService, version, Version)
KEELSON_CRI_RPC(RuntimeService, status, Status)
KEELSON_CRI_RPC(RuntimeService, runtime_config, RuntimeConfig)
KEELSON_CRI_RPC(RuntimeService, update_runtime_config, UpdateRuntimeConfig)
KEELSON_CRI_RPC(RuntimeService, run_pod_sandbox, RunPodSandbox)
KEELSON_CRI_RPC(RuntimeService, stop_pod_sandbox, StopPodSandbox)
KEELSON_CRI_RPC(RuntimeService, remove_pod_sandbox, RemovePodSandbox)
KEELSON_CRI_RPC(RuntimeService, pod_sandbox_status, PodSandboxStatus)
KEELSON_CRI_RPC(RuntimeService, list_pod_sandbox, ListPodSandbox)
KEELSON_CRI_RPC(RuntimeService, update_pod_sandbox_resources, UpdatePodSandboxResources)
KEELSON_CRI_RPC(RuntimeService, create_container, CreateContainer)
KEELSON_CRI_RPC(RuntimeService, start_container, StartContainer)
KEELSON_CRI_RPC(RuntimeService, stop_container, StopContainer)
KEELSON_CRI_RPC(RuntimeService, remove_container, RemoveContainer)
KEELSON_CRI_RPC(RuntimeService, container_status, ContainerStatus)
KEELSON_CRI_RPC(RuntimeService, list_containers, ListContainers)
KEELSON_CRI_RPC(RuntimeService, update_container_resources, UpdateContainerResources)
KEELSON_CRI_RPC(RuntimeService, reopen_container_log, ReopenContainerLog)
KEELSON_CRI_RPC(RuntimeService, checkpoint_container, CheckpointContainer)
KEELSON_CRI_RPC(RuntimeService, exec_sync, ExecSync)
KEELSON_CRI_RPC(RuntimeService, exec, Exec)
KEELSON_CRI_RPC(RuntimeService, attach, Attach)
KEELSON_CRI_RPC(RuntimeService, port_forward, PortForward)
KEELSON_CRI_RPC(RuntimeService, container_stats, ContainerStats)
KEELSON_CRI_RPC(RuntimeService, list_container_stats, ListContainerStats)
KEELSON_CRI_RPC(RuntimeService, pod_sandbox_stats, PodSandboxStats)
KEELSON_CRI_RPC(RuntimeService, list_pod_sandbox_stats, ListPodSandboxStats)
KEELSON_CRI_RPC(RuntimeService, list_metric_descriptors, ListMetricDescriptors)
KEELSON_CRI_RPC(RuntimeService, list_pod_sandbox_metrics, ListPodSandboxMetrics)
KEELSON_CRI_RPC(ImageService, list_images, ListImages)
KEELSON_CRI_RPC(ImageService, image_status, ImageStatus)
KEELSON_CRI_RPC(ImageService, pull_image, PullImage)
KEELSON_CRI_RPC(ImageService, remove_image, RemoveImage)
KEELSON_CRI_RPC(ImageService, image_fs_info, ImageFsInfo)

#undef KEELSON_CRI_RPC

}  // namespace keelson::cri
