// Rules of iptables as messages of nf_tables: what iptables-nft-restore would make of a text, without the process.
// Pure. Only the shapes that compile.hpp gives Services' own chains are known; all else is for the tool itself. Matches
// are written as the structures of their xtables modules wherever iptables has always read those back (its releases
// since 1.8.8 write ports as comparisons of payload, which older ones would list as rules without a port).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/nft_message.hpp"

namespace keelson::proxy {

// Chains of table nat, as lines of iptables-restore's input.
struct ChainInput {
  std::string chains;  // ":NAME - [0:0]": made, or flushed
  std::string rules;   // "-A NAME ..." into those
  std::string gone;    // "-X NAME", of chains that are declared as well

  void declare(std::string_view chain) { chains.append(":").append(chain).append(" - [0:0]\n"); }
  [[nodiscard]] bool empty() const { return chains.empty() && rules.empty() && gone.empty(); }
  // The whole input, with its table and COMMIT.
  [[nodiscard]] std::string text() const;
};

struct XtRule {
  std::string_view chain;
  NftRule rule;
};
// The rule of one "-A CHAIN ..." line; nothing where a word of it is unknown.
[[nodiscard]] std::optional<XtRule> read_xt_rule(std::string_view line, Family family);

// The transaction that does to the family's table nat what `iptables-restore --noflush` does with input.text(); nothing
// where a rule of it is unknown.
[[nodiscard]] std::optional<NftBatch> chain_batch(const ChainInput& input, Family family);

}  // namespace keelson::proxy
