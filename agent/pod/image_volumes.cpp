// PodWorker: image volumes. The runtime mounts them; all there is to do here is to have the image. Upstream:
// getImageVolumes in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
#include <algorithm>

#include "agent/pod/worker.hpp"

namespace keelson::agent {
namespace {

constexpr auto kLookAgain = std::chrono::minutes(5);  // another runtime is another agent's start

bool mounts(const kube::Container& container, const std::string& volume) {
  return std::any_of(container.volume_mounts.begin(), container.volume_mounts.end(),
                     [&](const kube::VolumeMount& m) { return m.name == volume; });
}

}  // namespace

// Pulls the images of the volumes that the container mounts and puts them to the mounted volumes; or why it must wait.
Awaitable<std::optional<ImageWait>> PodWorker::pull_image_volumes(std::string container_name) {
  const auto pod = pod_;
  const auto* container = find_container(container_name);
  for (const kube::Volume& volume : pod->spec.volumes) {
    if (!volume.image || container == nullptr || !mounts(*container, volume.name)) continue;
    if (!ctx_.image_volumes) {
      co_return ImageWait{"CreateContainerConfigError",
                          "volume \"" + volume.name +
                              "\": the container runtime has no image volumes: they need containerd 2.1 or CRI-O 1.31",
                          ctx_.clock.now() + kLookAgain};
    }
    ImageRequest request{uid(), volume.image->reference, volume.image->pull_policy, "volume " + volume.name,
                         pull_credentials(volume.image->reference)};
    std::function<void()> let_go = [this] { permit_.release(); };
    auto image = co_await ctx_.images.ensure(std::move(request), journal(), std::move(let_go));
    if (image.wait) co_return image.wait;
    volumes::MountedVolume mounted;
    mounted.name = volume.name;
    mounted.inner_name = volume.name;
    mounted.image = image.facts->ref;
    mounted.read_only = true;
    mounted_.insert_or_assign(volume.name, std::move(mounted));
  }
  co_return std::nullopt;
}

}  // namespace keelson::agent
