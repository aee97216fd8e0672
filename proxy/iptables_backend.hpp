// The iptables backend of one address family: RuleSync decides what is written; IptablesRunner hands it to
// iptables-restore, or, where that writes to nf_tables, NftKernel takes chains of Services without a process.
#pragma once

#include <memory>

#include "proxy/backend.hpp"
#include "proxy/iptables_runner.hpp"
#include "proxy/rule_sync.hpp"

namespace keelson::proxy {

class NftKernel;

// Asks what is installed. Without `nft` all goes through iptables-restore, and nftables rules of a former mode stay.
// Errors: as IptablesRunner::probe.
Awaitable<Result<std::unique_ptr<RuleBackend>>> make_iptables_backend(IptablesRunner& iptables, NftKernel* nft,
                                                                      Family family);

}  // namespace keelson::proxy
