// downwardAPI volumes: fields of the pod as files, on tmpfs (upstream: pkg/volume/downwardapi).
#include "volumes/payload_volume.hpp"

namespace keelson::volumes {
namespace {

class DownwardApiKind final : public PayloadVolume {
 public:
  DownwardApiKind(KindContextPtr context, Jobs& jobs, FieldSource fields)
      : PayloadVolume(std::move(context), jobs, true), fields_(std::move(fields)) {}
  [[nodiscard]] std::string_view plugin() const override { return kDownwardApiPlugin; }

 private:
  Awaitable<Result<Content>> content(const VolumeRequest& request) override {
    const kube::DownwardApiVolumeSource& source = *request.volume.downward_api;
    Content out;
    CO_TRY(out.files, downward_api_payload(source.items, source.default_mode, *request.pod, fields_));
    co_return out;
  }

  FieldSource fields_;
};

}  // namespace

std::unique_ptr<VolumeKind> make_downward_api_kind(KindContextPtr context, Jobs& jobs, FieldSource fields) {
  return std::make_unique<DownwardApiKind>(std::move(context), jobs, std::move(fields));
}

}  // namespace keelson::volumes
