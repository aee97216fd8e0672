#include "volumes/kind.hpp"

namespace keelson::volumes {

Awaitable<Result<bool>> VolumeKind::refresh(VolumeRequest) { co_return false; }
Awaitable<Result<void>> VolumeKind::reconstruct(VolumeOnDisk) { co_return Result<void>(); }

}  // namespace keelson::volumes
