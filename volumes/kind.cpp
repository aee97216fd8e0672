#include "volumes/kind.hpp"

namespace keelson::volumes {

Awaitable<Result<Refreshed>> VolumeKind::refresh(VolumeRequest) { co_return Refreshed(); }
Awaitable<Result<void>> VolumeKind::reconstruct(VolumeOnDisk) { co_return Result<void>(); }

}  // namespace keelson::volumes
