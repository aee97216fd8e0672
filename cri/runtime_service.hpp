// The seam between the agent and a container runtime: one awaitable method per unary RPC of CRI v1. `Client` speaks to
// a real runtime; tests and fault injection put their own class here.
//
// Every method: takes the request by value; `timeout` bounds the whole call. A failure's message keeps the runtime's
// own words; its code is what to decide on (not_found: the object is gone, which stop and remove count as done;
// unimplemented: the runtime is older than the RPC; unavailable: no connection, trying again may help). A cancelled
// task cancels its RPC. Where a class does not override a method, it answers `unimplemented`, as an older runtime
// would. Upstream: k8s.io/cri-api pkg/apis/services.go, k8s.io/cri-client pkg/remote_runtime.go and remote_image.go.
#pragma once

#include <optional>

#include "base/async.hpp"
#include "cri/api.pb.h"

namespace keelson::cri {

namespace v1 = ::runtime::v1;

// The kubelet's deadline for the RPC: 2 min; RunPodSandbox 4 min; StopContainer and ExecSync 2 min + the request's
// timeout (ExecSync: none when that is 0); CheckpointContainer the larger of the two; PullImage none.
inline constexpr Milliseconds kDefaultTimeout{-1};
inline constexpr Milliseconds kNoTimeout{0};

// What kDefaultTimeout means for a request; kNoTimeout for none.
template <class Request>
[[nodiscard]] Milliseconds default_timeout(const Request&) {
  return std::chrono::minutes(2);
}
[[nodiscard]] Milliseconds default_timeout(const v1::RunPodSandboxRequest& request);
[[nodiscard]] Milliseconds default_timeout(const v1::StopContainerRequest& request);
[[nodiscard]] Milliseconds default_timeout(const v1::CheckpointContainerRequest& request);
[[nodiscard]] Milliseconds default_timeout(const v1::ExecSyncRequest& request);
[[nodiscard]] Milliseconds default_timeout(const v1::PullImageRequest& request);

#define KEELSON_CRI_RPC(method, Rpc) \
  virtual Awaitable<Result<v1::Rpc##Response>> method(v1::Rpc##Request request, Milliseconds timeout = kDefaultTimeout)

class RuntimeService {
 public:
  virtual ~RuntimeService() = default;

  // The runtime itself.
  KEELSON_CRI_RPC(version, Version);
  KEELSON_CRI_RPC(status, Status);
  KEELSON_CRI_RPC(runtime_config, RuntimeConfig);
  KEELSON_CRI_RPC(update_runtime_config, UpdateRuntimeConfig);

  // Sandboxes. RunPodSandbox also makes the network: CNI ADD runs inside of it, DEL inside of the stop.
  KEELSON_CRI_RPC(run_pod_sandbox, RunPodSandbox);
  KEELSON_CRI_RPC(stop_pod_sandbox, StopPodSandbox);      // repeat until it succeeds
  KEELSON_CRI_RPC(remove_pod_sandbox, RemovePodSandbox);  // removes its containers too
  KEELSON_CRI_RPC(pod_sandbox_status, PodSandboxStatus);
  KEELSON_CRI_RPC(list_pod_sandbox, ListPodSandbox);
  KEELSON_CRI_RPC(update_pod_sandbox_resources, UpdatePodSandboxResources);

  // Containers.
  KEELSON_CRI_RPC(create_container, CreateContainer);
  KEELSON_CRI_RPC(start_container, StartContainer);
  KEELSON_CRI_RPC(stop_container, StopContainer);
  KEELSON_CRI_RPC(remove_container, RemoveContainer);
  KEELSON_CRI_RPC(container_status, ContainerStatus);
  KEELSON_CRI_RPC(list_containers, ListContainers);
  KEELSON_CRI_RPC(update_container_resources, UpdateContainerResources);
  KEELSON_CRI_RPC(reopen_container_log, ReopenContainerLog);
  KEELSON_CRI_RPC(checkpoint_container, CheckpointContainer);

  // Exec and streaming; the URLs are on the runtime's own server and work once.
  KEELSON_CRI_RPC(exec_sync, ExecSync);
  KEELSON_CRI_RPC(exec, Exec);
  KEELSON_CRI_RPC(attach, Attach);
  KEELSON_CRI_RPC(port_forward, PortForward);

  // Usage and metrics.
  KEELSON_CRI_RPC(container_stats, ContainerStats);
  KEELSON_CRI_RPC(list_container_stats, ListContainerStats);
  KEELSON_CRI_RPC(pod_sandbox_stats, PodSandboxStats);
  KEELSON_CRI_RPC(list_pod_sandbox_stats, ListPodSandboxStats);
  KEELSON_CRI_RPC(list_metric_descriptors, ListMetricDescriptors);
  KEELSON_CRI_RPC(list_pod_sandbox_metrics, ListPodSandboxMetrics);

  // Not of CRI: ends the process, if any, that the runtime itself still holds for a container which its CRI side calls
  // ended, and so refuses to remove. (github.com/containerd/containerd/issues/11037) Errors: unimplemented where the
  // runtime has no such state; else as end_containerd_task() of containerd_tasks.hpp.
  virtual Awaitable<Result<void>> end_lost_task(std::string container_id);
};

class ImageService {
 public:
  virtual ~ImageService() = default;

  KEELSON_CRI_RPC(list_images, ListImages);
  KEELSON_CRI_RPC(image_status, ImageStatus);  // an image that is not there: success without `image`
  KEELSON_CRI_RPC(pull_image, PullImage);
  KEELSON_CRI_RPC(remove_image, RemoveImage);
  KEELSON_CRI_RPC(image_fs_info, ImageFsInfo);
};

#undef KEELSON_CRI_RPC

// The cgroup driver that the runtime uses, or nothing when it does not tell (containerd before 2.0, and runtimes that
// leave out `linux`): the caller's own configuration holds then. Other failures are tried 3 times, `pause` apart, as
// the kubelet does at its start (cmd/kubelet/app/server.go).
Awaitable<Result<std::optional<v1::CgroupDriver>>> cgroup_driver(RuntimeService& runtime,
                                                                 Nanoseconds pause = std::chrono::seconds(2));

}  // namespace keelson::cri
