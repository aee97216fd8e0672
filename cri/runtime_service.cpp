#include "cri/runtime_service.hpp"

#include <algorithm>
#include <string>

namespace keelson::cri {
namespace {

constexpr Milliseconds kRequestTimeout = std::chrono::minutes(2);  // the kubelet's runtimeRequestTimeout

// Seconds as a request has them; a negative or absurd number must not make the sum overflow.
Milliseconds seconds(int64_t value) {
  constexpr int64_t kYear = 365LL * 24 * 3600;
  return std::chrono::seconds(std::clamp<int64_t>(value, 0, kYear));
}

Error unimplemented(const char* rpc) {
  return make_error(Errc::unimplemented, std::string("this runtime does not serve ") + rpc);
}

}  // namespace

Milliseconds default_timeout(const v1::RunPodSandboxRequest&) { return 2 * kRequestTimeout; }
Milliseconds default_timeout(const v1::StopContainerRequest& request) {
  return kRequestTimeout + seconds(request.timeout());
}
Milliseconds default_timeout(const v1::CheckpointContainerRequest& request) {
  return std::max(kRequestTimeout, seconds(request.timeout()));
}
Milliseconds default_timeout(const v1::ExecSyncRequest& request) {
  return request.timeout() <= 0 ? kNoTimeout : kRequestTimeout + seconds(request.timeout());
}
Milliseconds default_timeout(const v1::PullImageRequest&) { return kNoTimeout; }

Awaitable<Result<std::optional<v1::CgroupDriver>>> cgroup_driver(RuntimeService& runtime, Nanoseconds pause) {
  constexpr int kTries = 3;
  for (int attempt = 1;; ++attempt) {
    v1::RuntimeConfigRequest request;
    auto config = co_await runtime.runtime_config(std::move(request));
    if (config) {
      if (!config->has_linux()) co_return std::nullopt;
      co_return std::optional(config->linux().cgroup_driver());
    }
    if (config.error().code == Errc::unimplemented) co_return std::nullopt;
    if (config.error().code == Errc::cancelled || attempt == kTries) {
      co_return config.error().context("the runtime's cgroup driver");
    }
    co_await sleep_for(pause);
  }
}

Awaitable<Result<void>> RuntimeService::end_lost_task(std::string) { co_return unimplemented("tasks below CRI"); }

#define KEELSON_CRI_RPC(Service, method, Rpc)                                            \
  Awaitable<Result<v1::Rpc##Response>> Service::method(v1::Rpc##Request, Milliseconds) { \
    co_return unimplemented(#Rpc);                                                       \
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
