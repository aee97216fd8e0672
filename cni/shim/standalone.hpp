// DEL without the agent: out of the attachment store with the real plugins, or as a tombstone for the agent to replay.
#pragma once

#include "cni/chain.hpp"
#include "cni/error.hpp"
#include "cni/shim_config.hpp"

namespace keelson::cni {

enum class StandaloneDel {
  done,         // the chain ran and the record is removed, or there was no record
  deferred,     // a durable tombstone is written
  agent_is_up,  // the agent holds the state lock: it is starting, stopping or stuck; nothing was done
};

// `stdin_data`: what the runtime gave, kept in the tombstone. An error: neither DEL nor tombstone was possible.
CniResult<StandaloneDel> delete_standalone(const ShimOptions& options, const Attachment& attachment,
                                           const std::string& stdin_data);

// Writes the tombstone, whoever holds the lock.
CniResult<StandaloneDel> write_tombstone(const ShimOptions& options, const Attachment& attachment,
                                         const std::string& stdin_data);

}  // namespace keelson::cni
