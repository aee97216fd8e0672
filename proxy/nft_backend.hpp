// The nftables backend of one address family: NftSync decides the transaction, NftKernel writes it.
#pragma once

#include <memory>

#include "proxy/backend.hpp"
#include "proxy/iptables_runner.hpp"
#include "proxy/nft_kernel.hpp"

namespace keelson::proxy {

// Asks what the kernel can do. `iptables` serves to remove iptables rules of a former mode. Errors: as
// NftKernel::probe.
Result<std::unique_ptr<RuleBackend>> make_nft_backend(NftKernel& nft, IptablesRunner& iptables, Family family);

// Removes the family's table kube-proxy, whoever made it; nothing where there is none.
Awaitable<Result<void>> remove_nft_table(NftKernel& nft, Family family);

}  // namespace keelson::proxy
