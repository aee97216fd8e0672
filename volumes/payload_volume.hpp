// The common part of the kinds whose content the agent writes: configMap, secret, downwardAPI and projected. A kind
// says what the files are; this puts them into a wrapped empty folder with the atomic writer.
#pragma once

#include <memory>

#include "volumes/kind.hpp"
#include "volumes/payload.hpp"
#include "volumes/pod_sources.hpp"

namespace keelson::volumes {

class PayloadVolume : public VolumeKind {
 public:
  // `memory`: on tmpfs rather than on disk.
  PayloadVolume(KindContextPtr context, Jobs& jobs, bool memory)
      : context_(std::move(context)), jobs_(jobs), memory_(memory) {}

  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) final;
  [[nodiscard]] bool refreshes() const final { return true; }
  Awaitable<Result<Refreshed>> refresh(VolumeRequest request) final;
  Awaitable<Result<void>> tear_down(VolumeOnDisk volume) final;

 protected:
  struct Content {
    Payload files;  // checked_payload()'s result
    std::optional<SystemTime> refresh_at;
  };
  // What the volume shall hold. A coroutine, because a projected token is fetched.
  virtual Awaitable<Result<Content>> content(const VolumeRequest& request) = 0;
  [[nodiscard]] const KindContext& context() const { return *context_; }

 private:
  KindContextPtr context_;
  Jobs& jobs_;
  bool memory_;
};

[[nodiscard]] std::unique_ptr<VolumeKind> make_config_map_kind(KindContextPtr context, Jobs& jobs);
[[nodiscard]] std::unique_ptr<VolumeKind> make_secret_kind(KindContextPtr context, Jobs& jobs);
[[nodiscard]] std::unique_ptr<VolumeKind> make_downward_api_kind(KindContextPtr context, Jobs& jobs,
                                                                 FieldSource fields);
// `tokens` may be null: serviceAccountToken sources fail then. It must outlive the kind.
[[nodiscard]] std::unique_ptr<VolumeKind> make_projected_kind(KindContextPtr context, Jobs& jobs, FieldSource fields,
                                                              TokenSource* tokens);

}  // namespace keelson::volumes
