// The seam to the kernel's nf_tables: transactions, and what tells whether somebody else changed our tables.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "proxy/nft_message.hpp"
#include "proxy/nft_watch.hpp"

namespace keelson {
class BlockingPool;
}

namespace keelson::proxy {

// What the kernel has of a family's table kube-proxy, elements left out.
struct NftTable {
  bool exists = false;
  std::string user_data;
  std::vector<std::string> chains;
  // Of the handles of table, chains, rules and sets: the kernel gives none twice, so that whatever is removed or added
  // changes it.
  std::uint64_t fingerprint = 0;
};

class NftKernel {
 public:
  virtual ~NftKernel() = default;
  // Errc::failed_precondition where nf_tables is missing, too old, or has nothing of the family.
  virtual Result<void> probe(Family family) = 0;
  // Applies the batch as one transaction: all or nothing, and no packet sees a part of it. The error names the message
  // and the element that were refused. Errc::unavailable: memory ran short, or others change rules without a pause.
  virtual Awaitable<Result<void>> commit(NftBatch batch) = 0;
  // Reads the family's table; a hundred messages or so, without the elements.
  virtual Result<NftTable> look(Family family) = 0;
  // A number that grows when anybody but us changed any nf_tables rule of this network namespace. One message.
  virtual Result<std::uint64_t> foreign_changes() = 0;
  // Waits until somebody but us has changed a table kube-proxy, its elements included. Errors: this cannot be known.
  virtual Awaitable<Result<NftForeignChanges>> next_foreign_change() = 0;
};

// Over a netlink socket of the network namespace in which each call is made. Transactions are written on a thread of
// the pool: a first one of many Services takes the kernel a while, and any has to wait for others' to end.
class NetlinkNft final : public NftKernel {
 public:
  explicit NetlinkNft(BlockingPool& pool) : pool_(pool), shared_(std::make_shared<Shared>()) {}

  Result<void> probe(Family family) override;
  Awaitable<Result<void>> commit(NftBatch batch) override;
  Result<NftTable> look(Family family) override;
  Result<std::uint64_t> foreign_changes() override;
  Awaitable<Result<NftForeignChanges>> next_foreign_change() override;

  // The blocking call behind commit().
  struct Shared {
    std::mutex mutex;
    std::uint32_t generation = 0;  // of the rule set after our last transaction, or as last seen
    std::uint64_t foreign = 0;
    std::optional<NftWatch> watch;  // once somebody has asked for foreign changes
    // Takes a generation just read into account.
    void saw(std::uint32_t now);
  };
  static Result<void> commit_now(Shared& shared, const NftBatch& batch);

 private:
  BlockingPool& pool_;
  std::shared_ptr<Shared> shared_;  // outlives a caller that was cancelled while the pool works
};

// "5.13" and later, of uname(2)'s release: pure.
[[nodiscard]] bool nft_kernel_suffices(std::string_view release);

}  // namespace keelson::proxy
