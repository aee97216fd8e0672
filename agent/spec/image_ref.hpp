// Image references as people write them ("busybox", "ghcr.io/a/b:1@sha256:...") and what the node makes of them.
// Follows the distribution/reference grammar and kubernetes pkg/util/parsers, pkg/kubelet/images.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::spec {

struct ImageReference {
  std::string domain;  // "docker.io" where the text names none
  std::string path;    // "library/busybox"
  std::string tag;     // empty where the text has none
  std::string digest;  // "sha256:..." or empty

  // "docker.io/library/busybox:latest": the full name, with the tag "latest" where there is neither tag nor digest.
  [[nodiscard]] std::string normalized() const;
};

// Errc::invalid_argument, reason InvalidImageName, where the text is not a reference.
Result<ImageReference> parse_image_reference(std::string_view text);

// The text as it goes to the runtime: ":latest" added where there is neither tag nor digest, and nothing else changed
// (short names stay short: the runtime decides about their registry). Reason InvalidImageName as above.
Result<std::string> with_default_tag(std::string_view text);

// "Always" for the tag latest (also the implied one), else "IfNotPresent".
[[nodiscard]] std::string_view default_pull_policy(std::string_view image);

}  // namespace keelson::spec
