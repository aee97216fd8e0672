// What becomes of objects whose manifest can no longer be read: a file saved half-way, or with a mistake in it, ends
// nothing that runs.
#pragma once

#include "agent/standalone/manifests.hpp"

namespace keelson::agent {

// Puts into `now` what `before` had of a file, or of an object, that `now` tells a problem of. What is not in its file any
// more, and of a file without problems, is gone.
void carry_over(const ManifestSet& before, ManifestSet& now);

}  // namespace keelson::agent
