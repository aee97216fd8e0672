// What a configMap or secret volume shall contain, computed from the volume's source and the object, and how that
// differs from what is on disk. Pure, except read_payload().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "kube/config.hpp"
#include "kube/volume.hpp"
#include "volumes/pod_sources.hpp"

namespace keelson::volumes {

struct PayloadFile {
  std::string data;
  mode_t mode = 0644;
  std::optional<std::int64_t> uid;  // owner other than root
  bool operator==(const PayloadFile&) const = default;
};

// By path relative to the volume, normal form: no ".", "..", or doubled slash.
using Payload = std::map<std::string, PayloadFile>;

inline constexpr mode_t kDefaultFileMode = 0644;

// The files of a configMap volume. `object` is null when there is none: an empty payload if the source is optional,
// else an error `configmap "NAME" not found`. A missing key: `references non-existent config key: KEY` (upstream:
// pkg/volume/configmap MakePayload).
Result<Payload> config_map_payload(const kube::ConfigMapVolumeSource& source, const kube::ConfigMap* object);

// The same for a secret volume: `secret "NAME" not found`, `references non-existent secret key: KEY`.
Result<Payload> secret_payload(const kube::SecretVolumeSource& source, const kube::Secret* object);

// The files of a downwardAPI volume or source (upstream: pkg/volume/downwardapi CollectData). Errors: what `fields`
// says, several as "[a, b]".
Result<Payload> downward_api_payload(const std::vector<kube::DownwardApiFile>& items,
                                     const std::optional<std::int32_t>& default_mode, const kube::Pod& pod,
                                     const FieldSource& fields);

// Checks and normalises the paths: relative, no "..", at most 4096 bytes with components of at most 255, the first
// component not starting with "..", no file where another path needs a folder (upstream: atomic_writer
// validatePayload).
Result<Payload> checked_payload(Payload payload);

// Several errors as one, as upstream shows them: "[a, b]". At least one.
[[nodiscard]] Error aggregate(const std::vector<Error>& errors);

// Contents by path, as they are on disk.
using DiskContent = std::map<std::string, std::string>;

struct PayloadDiff {
  std::vector<std::string> write;   // new or different content
  std::vector<std::string> remove;  // no longer wanted
  [[nodiscard]] bool empty() const { return write.empty() && remove.empty(); }
  bool operator==(const PayloadDiff&) const = default;
};

[[nodiscard]] PayloadDiff diff_payload(const Payload& wanted, const DiskContent& actual);

// The first component of every path, sorted: these are the links that the volume shows at its top.
[[nodiscard]] std::vector<std::string> top_level_names(const Payload& payload);

}  // namespace keelson::volumes
