// What `iptables-save` says of our chains: which exist, which jumps lead to them, and what it takes to remove them.
// Pure; works on the text of all tables.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::proxy {

// Views on the lines of `text`, without their newlines.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

struct SavedTable {
  std::string name;                               // "filter", "nat", "mangle"
  std::vector<std::string> chains;                // our chains (is_our_chain) that exist
  std::vector<std::string> jumps;                 // "-A FROM ... -j OURS" lines of chains that are not ours
  std::set<std::string, std::less<>> referenced;  // our chains that those lines lead to
};

struct SavedRules {
  std::vector<SavedTable> tables;

  [[nodiscard]] const SavedTable* table(std::string_view name) const;
  // Whether the table has the chain, one of ours.
  [[nodiscard]] bool has_chain(std::string_view table, std::string_view chain) const;
  // Whether the rule "-A FROM RULE" stands in the table.
  [[nodiscard]] bool has_jump(std::string_view table, std::string_view from, std::string_view rule) const;
};

// Reads the output of `iptables-save` (all tables). Lines that do not concern our chains are passed over.
[[nodiscard]] SavedRules parse_saved(std::string_view text);

// Without the chains that a kubelet keeps and needs: what is left is a proxy's.
[[nodiscard]] SavedRules without_kubelet_chains(SavedRules saved);

// The iptables-restore input that removes every chain of ours and all jumps to them. Empty when there is nothing.
[[nodiscard]] std::string cleanup_input(const SavedRules& saved);

}  // namespace keelson::proxy
