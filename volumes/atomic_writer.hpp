// Puts a payload into a volume so that a container sees either all of the old or all of the new files (upstream:
// pkg/volume/util/atomic_writer.go):
//
//   VOLUME/..2026_11_21_10_30_00.123456789/  the files, complete before anything points at them
//   VOLUME/..data -> ..2026_11_21_10_30_00.123456789   replaced by rename(2): the switch
//   VOLUME/NAME -> ..data/NAME               one link per top-level name
//
// A kill -9 at any line leaves a volume that the next call brings in order, left-overs removed.
#pragma once

#include <optional>
#include <string>

#include "base/async.hpp"
#include "volumes/ownership.hpp"
#include "volumes/payload.hpp"

namespace keelson::volumes {

// Brings the folder `volume` (which exists) to hold `payload`, which is checked_payload()'s. Returns whether content
// was written; links and left-overs are put in order in any case. The group, if any, is applied to the new folder
// before it is shown. `now` names the new folder. Blocks.
Result<bool> write_payload(const std::string& volume, const Payload& payload, const std::optional<FsGroup>& group,
                           SystemTime now);

// The contents that `volume` shows now: what is below ..data. Nothing there is an empty map. Blocks.
Result<DiskContent> read_payload(const std::string& volume);

// "..2026_11_21_10_30_00." in UTC.
[[nodiscard]] std::string timestamp_prefix(SystemTime now);

}  // namespace keelson::volumes
