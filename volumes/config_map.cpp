// configMap volumes: on disk (upstream: pkg/volume/configmap).
#include "volumes/payload_volume.hpp"

namespace keelson::volumes {
namespace {

class ConfigMapKind final : public PayloadVolume {
 public:
  ConfigMapKind(KindContextPtr context, Jobs& jobs) : PayloadVolume(std::move(context), jobs, false) {}
  [[nodiscard]] std::string_view plugin() const override { return kConfigMapPlugin; }

 private:
  Awaitable<Result<Content>> content(const VolumeRequest& request) override {
    const kube::ConfigMapVolumeSource& source = *request.volume.config_map;
    const auto* object = request.objects->find_config_map(request.pod->metadata.ns, source.name);
    Content out;
    CO_TRY(out.files, config_map_payload(source, object));
    co_return out;
  }
};

}  // namespace

std::unique_ptr<VolumeKind> make_config_map_kind(KindContextPtr context, Jobs& jobs) {
  return std::make_unique<ConfigMapKind>(std::move(context), jobs);
}

}  // namespace keelson::volumes
