// configMap volumes: on disk (upstream: pkg/volume/configmap).
#include "volumes/payload_volume.hpp"

namespace keelson::volumes {
namespace {

class ConfigMapKind final : public PayloadVolume {
 public:
  ConfigMapKind(KindContextPtr context, Jobs& jobs) : PayloadVolume(std::move(context), jobs, false) {}
  [[nodiscard]] std::string_view plugin() const override { return kConfigMapPlugin; }

 private:
  Awaitable<Result<Payload>> payload(const VolumeRequest& request) override {
    const kube::ConfigMapVolumeSource& source = *request.volume.config_map;
    const auto* object = request.objects->find_config_map(request.pod->metadata.ns, source.name);
    co_return config_map_payload(source, object);
  }
};

}  // namespace

std::unique_ptr<VolumeKind> make_config_map_kind(KindContextPtr context, Jobs& jobs) {
  return std::make_unique<ConfigMapKind>(std::move(context), jobs);
}

}  // namespace keelson::volumes
