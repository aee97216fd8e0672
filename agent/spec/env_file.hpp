// Files of KEY='value' lines, for env[].valueFrom.fileKeyRef. Follows kubernetes pkg/kubelet/util/env.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::spec {

// The value of `key`, or an empty text where the file does not have it. Lines are KEY='value': the value is literal and
// may span lines, and a comment may follow it; blank lines and lines starting with "#" are skipped; white space after
// "=" makes the value empty. Only what stands before the key's line is checked. Errc::invalid_argument names the line.
Result<std::string> env_file_value(std::string_view text, std::string_view key);

}  // namespace keelson::spec
