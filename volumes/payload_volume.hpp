// The common part of the kinds whose content the agent writes: configMap and secret, later downwardAPI and projected. A
// kind says what the files are; this puts them into a wrapped empty folder with the atomic writer.
#pragma once

#include <memory>

#include "volumes/kind.hpp"
#include "volumes/payload.hpp"

namespace keelson::volumes {

class PayloadVolume : public VolumeKind {
 public:
  // `memory`: on tmpfs rather than on disk.
  PayloadVolume(KindContextPtr context, Jobs& jobs, bool memory)
      : context_(std::move(context)), jobs_(jobs), memory_(memory) {}

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) final;
  [[nodiscard]] bool refreshes() const final { return true; }
  Awaitable<Result<bool>> refresh(VolumeRequest request) final;
  Awaitable<Result<void>> tear_down(VolumeOnDisk volume) final;

 protected:
  // What the volume shall hold; checked_payload()'s result. A coroutine, because a projected token is fetched.
  virtual Awaitable<Result<Payload>> payload(const VolumeRequest& request) = 0;
  [[nodiscard]] const KindContext& context() const { return *context_; }

 private:
  KindContextPtr context_;
  Jobs& jobs_;
  bool memory_;
};

[[nodiscard]] std::unique_ptr<VolumeKind> make_config_map_kind(KindContextPtr context, Jobs& jobs);
[[nodiscard]] std::unique_ptr<VolumeKind> make_secret_kind(KindContextPtr context, Jobs& jobs);

}  // namespace keelson::volumes
