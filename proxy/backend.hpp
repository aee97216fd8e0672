// The seam between the proxy's bookkeeping (proxier.hpp: what changed, when to write, what after a failure) and the way
// in which one address family's rules get into the kernel: iptables_backend.hpp or nft_backend.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.hpp"
#include "proxy/compile.hpp"
#include "proxy/model.hpp"

namespace keelson::proxy {

// How much stands in the kernel. With iptables rules of two tables; with nftables rules, and elements of sets and maps.
struct RuleCounts {
  std::size_t filter = 0;
  std::size_t nat = 0;
  std::size_t elements = 0;
};

class RuleBackend {
 public:
  virtual ~RuleBackend() = default;
  // "iptables-nft", "iptables-legacy" or "nftables".
  [[nodiscard]] virtual std::string_view name() const = 0;
  // Writes everything and removes what no Service needs, whatever the kernel held before; rules that stay are never
  // missing for a moment. Reads `model` and `options` before it first waits for the kernel's answer to a write.
  virtual Awaitable<Result<void>> full(const Model& model, const CompileOptions& options) = 0;
  // Writes what differs from the last call because of the Services in `dirty` or of the node port addresses. True when
  // there was something to write. After an error, of either call, only full() may follow.
  virtual Awaitable<Result<bool>> partial(const Model& model, const CompileOptions& options,
                                          const std::vector<std::string>& dirty) = 0;
  // False when somebody took our rules away. Cheap: called every syncPeriod.
  virtual Result<bool> still_there() = 0;
  // What the kernel holds when all writes so far went through.
  [[nodiscard]] virtual RuleCounts counts() const = 0;
  // Removes what kube-proxy, or we, left in the other mode. Called after the first full(), so that no packet finds
  // neither kind of rules.
  virtual Awaitable<Result<void>> remove_other_mode() = 0;
};

}  // namespace keelson::proxy
