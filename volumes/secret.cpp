// secret volumes: on tmpfs, so that nothing of them reaches a disk (upstream: pkg/volume/secret).
#include "volumes/payload_volume.hpp"

namespace keelson::volumes {
namespace {

class SecretKind final : public PayloadVolume {
 public:
  SecretKind(KindContextPtr context, Jobs& jobs) : PayloadVolume(std::move(context), jobs, true) {}
  [[nodiscard]] std::string_view plugin() const override { return kSecretPlugin; }

 private:
  Awaitable<Result<Content>> content(const VolumeRequest& request) override {
    const kube::SecretVolumeSource& source = *request.volume.secret;
    const auto* object = request.objects->find_secret(request.pod->metadata.ns, source.secret_name);
    Content out;
    CO_TRY(out.files, secret_payload(source, object));
    co_return out;
  }
};

}  // namespace

std::unique_ptr<VolumeKind> make_secret_kind(KindContextPtr context, Jobs& jobs) {
  return std::make_unique<SecretKind>(std::move(context), jobs);
}

}  // namespace keelson::volumes
