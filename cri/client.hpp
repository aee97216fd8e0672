// RuntimeService and ImageService over gRPC, to one runtime on a unix socket. One channel, one thread of its own that
// waits for completions and posts them to the loop; everything here is called, and answers, on the loop's thread.
// Destroy it before the io_context that its executor belongs to.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cri/operations.hpp"
#include "cri/runtime_service.hpp"

namespace keelson::cri {

class Channel;

// unix:///run/containerd/containerd.sock, or the path alone.
inline constexpr const char* kDefaultEndpoint = "unix:///run/containerd/containerd.sock";

// "unix:///PATH" from that or from an absolute path. Errors: invalid_argument for anything else (no TCP: CRI has no
// authentication) and for paths longer than a socket address takes (107 bytes).
Result<std::string> parse_endpoint(const std::string& endpoint);

class Client final : public RuntimeService, public ImageService {
 public:
  // Connects with the first call. While that fails, tries are 100 ms to 3 s apart and calls in between fail at once
  // with unavailable: "runtime is not reachable at unix://...: REASON". Errors: as parse_endpoint.
  static Result<std::unique_ptr<Client>> create(Executor executor, const std::string& endpoint);
  ~Client() override;

  // Called on the loop when a call shows that the connection is made or lost, so first with the first call. A running
  // EventStream always has one open, or tries: it hears of both at once. When it is lost, calls on their way fail with
  // unavailable and streams end.
  using ConnectionHandler = std::function<void(bool connected)>;
  void on_connection_change(ConnectionHandler handler);
  [[nodiscard]] bool connected() const;
  // Returns once the runtime answers (a Version call that waits for the connection). Errors: what it answered, if not
  // its version; cancelled.
  Awaitable<Result<void>> wait_connected();
  [[nodiscard]] const std::string& endpoint() const;

  // All calls so far, those under way not among them.
  [[nodiscard]] const Operations& operations() const { return *operations_; }

  // The channel under it, for server streams (EventStream).
  [[nodiscard]] Channel& channel() { return *channel_; }

#define KEELSON_CRI_RPC(method, Rpc) \
  Awaitable<Result<v1::Rpc##Response>> method(v1::Rpc##Request request, Milliseconds timeout = kDefaultTimeout) override
  KEELSON_CRI_RPC(version, Version);
  KEELSON_CRI_RPC(status, Status);
  KEELSON_CRI_RPC(runtime_config, RuntimeConfig);
  KEELSON_CRI_RPC(update_runtime_config, UpdateRuntimeConfig);
  KEELSON_CRI_RPC(run_pod_sandbox, RunPodSandbox);
  KEELSON_CRI_RPC(stop_pod_sandbox, StopPodSandbox);
  KEELSON_CRI_RPC(remove_pod_sandbox, RemovePodSandbox);
  KEELSON_CRI_RPC(pod_sandbox_status, PodSandboxStatus);
  KEELSON_CRI_RPC(list_pod_sandbox, ListPodSandbox);
  KEELSON_CRI_RPC(update_pod_sandbox_resources, UpdatePodSandboxResources);
  KEELSON_CRI_RPC(create_container, CreateContainer);
  KEELSON_CRI_RPC(start_container, StartContainer);
  KEELSON_CRI_RPC(stop_container, StopContainer);
  KEELSON_CRI_RPC(remove_container, RemoveContainer);
  KEELSON_CRI_RPC(container_status, ContainerStatus);
  KEELSON_CRI_RPC(list_containers, ListContainers);
  KEELSON_CRI_RPC(update_container_resources, UpdateContainerResources);
  KEELSON_CRI_RPC(reopen_container_log, ReopenContainerLog);
  KEELSON_CRI_RPC(checkpoint_container, CheckpointContainer);
  KEELSON_CRI_RPC(exec_sync, ExecSync);
  KEELSON_CRI_RPC(exec, Exec);
  KEELSON_CRI_RPC(attach, Attach);
  KEELSON_CRI_RPC(port_forward, PortForward);
  KEELSON_CRI_RPC(container_stats, ContainerStats);
  KEELSON_CRI_RPC(list_container_stats, ListContainerStats);
  KEELSON_CRI_RPC(pod_sandbox_stats, PodSandboxStats);
  KEELSON_CRI_RPC(list_pod_sandbox_stats, ListPodSandboxStats);
  KEELSON_CRI_RPC(list_metric_descriptors, ListMetricDescriptors);
  KEELSON_CRI_RPC(list_pod_sandbox_metrics, ListPodSandboxMetrics);
  KEELSON_CRI_RPC(list_images, ListImages);
  KEELSON_CRI_RPC(image_status, ImageStatus);
  KEELSON_CRI_RPC(pull_image, PullImage);
  KEELSON_CRI_RPC(remove_image, RemoveImage);
  KEELSON_CRI_RPC(image_fs_info, ImageFsInfo);
#undef KEELSON_CRI_RPC
  Awaitable<Result<void>> end_lost_task(std::string container_id) override;

 private:
  explicit Client(std::unique_ptr<Channel> channel);
  std::shared_ptr<Operations> operations_ = std::make_shared<Operations>();
  std::unique_ptr<Channel> channel_;
};

}  // namespace keelson::cri
