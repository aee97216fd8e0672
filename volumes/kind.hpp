// VolumeKind: the interface of every kind of volume. Set up, refresh and tear down are coroutines, so a kind may wait
// for an attachment, call a driver or run a program as well as block in the kernel; what blocks goes through Jobs.
// Stages below the pod's own mount (attach, device, global mount shared by pods) are the kind's own business inside
// set_up and tear_down, and so is what it must keep for them; reconstruct() gives it the chance to find that again
// after a restart.
//
// All calls come from the loop's thread: for one volume of one pod one at a time, for others at the same time. Nothing
// may be remembered that tear_down needs: the agent may have been killed at any line before, the pod's spec may be
// gone, and only the disk and the mount table tell what is there.
#pragma once

#include <memory>
#include <string_view>

#include "base/clock.hpp"
#include "volumes/jobs.hpp"
#include "volumes/mounter.hpp"
#include "volumes/paths.hpp"
#include "volumes/volume.hpp"

namespace keelson::volumes {

// What kinds share. Held by shared_ptr, because a job that hangs in the kernel outlives its manager.
struct KindContext {
  Mounter& mounter;  // lives as long as the process
  Paths paths;
  NodeFacts node;
  const Clock& clock;  // lives as long as the process
};
using KindContextPtr = std::shared_ptr<const KindContext>;

inline constexpr std::string_view kEmptyDirPlugin = "kubernetes.io/empty-dir";
inline constexpr std::string_view kHostPathPlugin = "kubernetes.io/host-path";
inline constexpr std::string_view kConfigMapPlugin = "kubernetes.io/configmap";
inline constexpr std::string_view kSecretPlugin = "kubernetes.io/secret";
inline constexpr std::string_view kDownwardApiPlugin = "kubernetes.io/downward-api";
inline constexpr std::string_view kProjectedPlugin = "kubernetes.io/projected";
inline constexpr std::string_view kLocalPlugin = "kubernetes.io/local-volume";
inline constexpr std::string_view kNfsPlugin = "kubernetes.io/nfs";
inline constexpr std::string_view kIscsiPlugin = "kubernetes.io/iscsi";

class VolumeKind {
 public:
  virtual ~VolumeKind() = default;

  // Names the kind and its folders: "kubernetes.io/empty-dir".
  [[nodiscard]] virtual std::string_view plugin() const = 0;

  // Makes the volume ready for containers. Idempotent: called again after a failure, on each sync, and after a restart
  // with the volume in any state that an earlier call or a kill -9 left.
  virtual Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) = 0;

  // Whether content may change while the pod runs (configMap, secret, downwardAPI, projected, csi with republish).
  [[nodiscard]] virtual bool refreshes() const { return false; }
  // Brings a volume that is set up in line with its objects as they are now.
  virtual Awaitable<Result<Refreshed>> refresh(VolumeRequest request);

  // Unmounts and removes. Idempotent, from what is on disk alone; never deletes what a mount shows.
  virtual Awaitable<Result<void>> tear_down(VolumeOnDisk volume) = 0;

  // Told once per volume found at start, before any set_up or tear_down of it.
  virtual Awaitable<Result<void>> reconstruct(VolumeOnDisk volume);
};

}  // namespace keelson::volumes
