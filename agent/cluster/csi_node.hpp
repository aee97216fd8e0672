// The CSINode object of this node: which CSI drivers it has, for the scheduler and the attach-detach controller. Nobody
// but the node makes it. After upstream's pkg/volume/csi/nodeinfomanager/nodeinfomanager.go.
#pragma once

#include <string>

#include "base/async.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

// Sees to it that there is one that the Node with that UID owns: makes it with no drivers, leaves one that is there as
// it is, and replaces one of an earlier Node of the name. Errors: the API server's.
Awaitable<Result<void>> ensure_csi_node(kube::Api& api, std::string node, std::string node_uid);

// Tries until it is so; gives up, and says so, where it is forbidden. `api` must outlive it.
Awaitable<void> publish_csi_node(kube::Api& api, std::string node, std::string node_uid);

}  // namespace keelson::agent
