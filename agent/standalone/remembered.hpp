// What the folder held when it was last read, on disk: an agent that starts while a file is being edited, or while the
// folder is not mounted yet, goes on with what an earlier one ran.
#pragma once

#include <string>

#include "agent/standalone/manifests.hpp"
#include "base/result.hpp"

namespace keelson::agent {

// The set's objects and the files of `folder` they come from, as JSON; problems and warnings are left out.
[[nodiscard]] std::string encode_manifests(const ManifestSet& set, const std::string& folder);

// The set again; UIDs are as they were. Empty where it was another folder's. Errors: invalid_argument where it is no
// such text. An object of which this agent knows nothing is left out.
[[nodiscard]] Result<ManifestSet> decode_manifests(const std::string& text, const std::string& folder);

}  // namespace keelson::agent
