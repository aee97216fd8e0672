// The rules of the nftables backend: the fixed chains, which depend on nothing but the configuration, and the chains of
// handlers, made once for each number of endpoints. Pure: they go into a transaction's writer.
#pragma once

#include <string_view>
#include <vector>

#include "proxy/compile.hpp"
#include "proxy/nft_message.hpp"

namespace keelson::proxy {

// Base chains are upstream's by name, type and priority, so that other tables stand to ours as they do to kube-proxy's.
[[nodiscard]] const std::vector<NftBaseChain>& nft_base_chains();
// The other fixed chains; reject-chain and those for checks and masquerading have upstream's names.
[[nodiscard]] const std::vector<const char*>& nft_chains();
// Whether `chain` is one that we make, in this version: of the above, or a handler's.
[[nodiscard]] bool is_nft_chain(std::string_view chain);

// All rules of the fixed chains, into chains that exist and are empty.
void write_fixed_rules(NftWriter& writer, const CompileOptions& options);
// The rules of a handler's chain, likewise. What may differ between Services of one handler is asked from maps.
void write_handler_rules(NftWriter& writer, const NftHandler& handler, const CompileOptions& options);
// The rule that lets sources of a network with this prefix length pass the firewall: one hash lookup for each length in
// use, in place of a set of intervals, which the kernel copies whole for each change.
void write_firewall_rule(NftWriter& writer, std::uint32_t prefix_bits, Family family);

}  // namespace keelson::proxy
