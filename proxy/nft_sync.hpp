// What one address family's kernel holds of ours in mode nftables, and the transaction that takes it from there to what
// the model says. Pure: batches out. One changed Service costs its own changed elements, whatever the number of
// Services; rules come only with a number of endpoints that no Service had before and that is not among the usual.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/backend.hpp"
#include "proxy/nft_message.hpp"

namespace keelson::proxy {

class NftSync {
 public:
  explicit NftSync(Family family) : family_(family) {}

  // Everything, into the table as it is; with `replace` into a new table, which forgets clients' affinity. Chains of
  // `present`, those that the kernel has, go if no Service needs them.
  NftBatch full(const Model& model, const CompileOptions& options, bool replace,
                const std::vector<std::string>& present);
  // Only what differs because of the Services in `dirty`, or because the node port addresses changed.
  NftBatch partial(const Model& model, const CompileOptions& options, const std::vector<std::string>& dirty);

  [[nodiscard]] const RuleCounts& counts() const { return counts_; }

  // Marks the tables that this version of us has made.
  static const std::string& table_mark();

 private:
  // An element that several Services may want: the kernel holds one of its values.
  struct Claim {
    std::uint32_t holders = 0;
    std::uint64_t value = 0;  // hash of the value in the kernel
  };
  // One element in a partial sync: as the kernel has it, and as it is to be.
  struct Change {
    bool was = false, is = false;
    std::uint64_t was_value = 0, is_value = 0;  // hashes
    std::string data;                           // valid where is_value is another than was_value
  };
  using Staged = std::map<std::string, Change, std::less<>>;  // by set and key

  // Chains, rules and verdicts that the written records need and that are not there yet.
  struct Needs {
    std::set<std::uint32_t> handlers, prefixes;
  };
  void need(std::string_view records, Needs& needs);
  void drop(std::string_view record, Staged& staged);
  void put(std::string_view record, Staged& staged);
  Change& touch(const std::string& at, bool was, std::uint64_t value, Staged& staged);
  void hand_over(const std::string& at, Change& change);
  void write_changes(const Staged& staged, const CompileOptions& options, NftWriter& writer);
  void write_chains(const Needs& needs, const CompileOptions& options, NftWriter& writer);

  Family family_;
  std::unordered_map<std::string, std::string> written_;  // Service -> its records, sorted; "": the node's own
  std::unordered_map<std::string, Claim> claims_;         // set and key
  NftHandlers numbers_;
  std::set<std::uint32_t> handlers_;  // that have chains, by number
  std::set<std::uint32_t> prefixes_;  // lengths of firewall sources that have rules
  RuleCounts counts_;
};

}  // namespace keelson::proxy
