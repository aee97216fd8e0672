// What one address family's kernel holds of ours, and the iptables-restore input that takes it from there to what the
// model says. Pure: texts in and out. One changed Service costs the lines of its own changed chains and of its own
// rules in the shared chains, whatever the number of Services; chains are compared by a hash of their rules.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/backend.hpp"
#include "proxy/compile.hpp"
#include "proxy/saved_rules.hpp"
#include "proxy/xt_rule.hpp"

namespace keelson::proxy {

// What is to be written.
struct RestoreInput {
  ChainInput chains;  // all of a change that touches nothing but chains of Services
  std::string text;   // for `iptables-restore --noflush`; empty: nothing of the kind
  ChainInput after;   // nat's shared chains, where they are many rules; written last
  [[nodiscard]] bool empty() const { return chains.empty() && text.empty(); }
};

// How many chains of Services go ahead of a full sync's text.
struct ChainParts {
  std::size_t most = 0;        // in one part, about; 0: none goes ahead
  std::size_t rest = 0;        // that may stay with the text
  bool shared_follow = false;  // where any goes ahead, nat's shared chains are RestoreInput::after, in any order
};

class RuleSync {
 public:
  RuleSync();
  ~RuleSync();

  // A full sync begins, is made of parts, each of which the kernel may take while the next is made, and is finished.
  // The model may change between these calls: what they do not see of that is dirty in it.
  void begin_full(const Model& model, ChainParts sizes = {});
  // Chains of the next Services, which no packet comes to yet, or which are exchanged with what the Service's other
  // chains expect; empty: no more go ahead. iptables-nft-restore walks a list of all chains of its input for each line
  // (cache_chain_list_insert of 1.8.9), a minute for 10,000 Services in one input. Hence the parts.
  ChainInput next_part(const Model& model, const CompileOptions& options);
  // Everything else: fixed chains, missing jumps, what leads to the Services; and the removal of per-service chains in
  // `saved` that no Service needs any more. Each table is replaced in one commit, so no rule that stays is missing for
  // a moment. For the tool, rules in shared chains stand in descending order of the chains they jump to: the place of
  // the next is found at the beginning of its list.
  RestoreInput finish_full(const CompileOptions& options, const SavedRules& saved);
  // Only what differs from the last input because of the Services in `dirty`, or because the node port addresses
  // changed.
  RestoreInput partial(const Model& model, const CompileOptions& options, const std::vector<std::string>& dirty);

  // The rules that the kernel holds when all inputs so far went through.
  [[nodiscard]] RuleCounts counts() const;
  [[nodiscard]] std::size_t service_chains() const { return chain_count_; }

 private:
  struct WrittenChain {
    ChainId id;
    std::uint32_t count = 0;
    std::uint64_t hash = 0;
  };
  struct WrittenService {
    std::vector<WrittenChain> chains;
    std::string shared;  // rules in shared chains: one byte for the chain, the rule, a newline
  };
  struct Tables;  // the input under construction
  struct FullPass;

  void write_service(const std::string& key, const ServiceEntry* entry, const Model& model,
                     const CompileOptions& options, Tables& tables);
  void write_fixed(const CompileOptions& options, Tables& tables);
  [[nodiscard]] std::vector<std::string> stale_chains(const SavedRules& saved) const;
  void write_chains(WrittenService& before, const ServiceRules& rules, Tables& tables);
  void write_shared(WrittenService& before, const ServiceRules& rules, Tables& tables);
  void write_node_port_jumps(const CompileOptions& options, Tables& tables);

  std::unordered_map<std::string, WrittenService> written_;
  std::vector<std::string> node_port_jumps_;
  RuleCounts fixed_counts_;
  RuleCounts service_counts_;
  std::size_t chain_count_ = 0;
  std::unique_ptr<FullPass> pass_;
};

}  // namespace keelson::proxy
