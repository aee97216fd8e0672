// The iptables backend of one address family: RuleSync decides the text, IptablesRunner hands it to iptables-restore.
#pragma once

#include <memory>

#include "proxy/backend.hpp"
#include "proxy/iptables_runner.hpp"
#include "proxy/rule_sync.hpp"

namespace keelson::proxy {

class NftKernel;

// Asks what is installed. `nft`, if given, serves to remove nftables rules of a former mode. Errors: as
// IptablesRunner::probe.
Awaitable<Result<std::unique_ptr<RuleBackend>>> make_iptables_backend(IptablesRunner& iptables, NftKernel* nft,
                                                                      Family family);

}  // namespace keelson::proxy
