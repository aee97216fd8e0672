#include "proxy/nft_backend.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "proxy/nft_rules.hpp"
#include "proxy/nft_sync.hpp"
#include "proxy/saved_rules.hpp"

namespace keelson::proxy {
namespace {

class NftBackend final : public RuleBackend {
 public:
  NftBackend(NftKernel& nft, IptablesRunner& iptables, Family family)
      : nft_(nft), iptables_(iptables), family_(family), rules_(family) {}

  std::string_view name() const override { return "nftables"; }
  Awaitable<Result<void>> full(const Model& model, const CompileOptions& options) override;
  Awaitable<Result<bool>> partial(const Model& model, const CompileOptions& options,
                                  const std::vector<std::string>& dirty) override;
  Result<bool> still_there() override;
  RuleCounts counts() const override { return rules_.counts(); }
  Awaitable<Result<void>> remove_other_mode() override;

 private:
  // Remembers the table as it is after a transaction of ours, to tell others' changes from it.
  Result<void> remember();

  NftKernel& nft_;
  IptablesRunner& iptables_;
  Family family_;
  NftSync rules_;
  std::uint64_t fingerprint_ = 0;
  std::uint64_t foreign_changes_ = 0;  // up to which the table is known to be as remembered
};

// A table of ours is filled anew in place, which keeps clients' affinity; one of upstream's, or one that others have
// put chains into, is exchanged for a new one.
bool is_ours(const NftTable& table) {
  return table.exists && table.user_data == NftSync::table_mark() &&
         std::all_of(table.chains.begin(), table.chains.end(), [](const auto& chain) { return is_nft_chain(chain); });
}

Result<void> NftBackend::remember() {
  TRY(foreign_changes_, nft_.foreign_changes());
  TRY(const NftTable table, nft_.look(family_));
  fingerprint_ = table.fingerprint;
  return {};
}

Awaitable<Result<void>> NftBackend::full(const Model& model, const CompileOptions& options) {
  CO_TRY(const NftTable table, nft_.look(family_));
  const bool keep = is_ours(table);
  NftBatch batch = rules_.full(model, options, !keep, table.chains);
  Result<void> written = co_await nft_.commit(std::move(batch));
  if (!written && written.error().code != Errc::unavailable && keep) {
    log_warn("the table kube-proxy is not as we left it; making a new one",
             {{"family", to_string(family_)}, {"error", written.error()}});
    NftBatch anew = rules_.full(model, options, true, {});
    written = co_await nft_.commit(std::move(anew));
  }
  if (!written) co_return written.error();
  co_return remember();
}

Awaitable<Result<bool>> NftBackend::partial(const Model& model, const CompileOptions& options,
                                            const std::vector<std::string>& dirty) {
  NftBatch batch = rules_.partial(model, options, dirty);
  if (batch.empty()) co_return false;
  const bool rules_too = batch.touches_rules;
  CO_CHECK_OK(co_await nft_.commit(std::move(batch)));
  if (rules_too) CO_CHECK_OK(remember());
  co_return true;
}

Result<bool> NftBackend::still_there() {
  TRY(const std::uint64_t foreign, nft_.foreign_changes());
  if (foreign == foreign_changes_) return true;
  TRY(const NftTable table, nft_.look(family_));
  if (table.fingerprint != fingerprint_) return false;
  foreign_changes_ = foreign;
  return true;
}

Awaitable<Result<void>> NftBackend::remove_other_mode() {
  const auto info = co_await iptables_.probe(family_);
  if (!info && info.error().code == Errc::unavailable) co_return info.error();
  if (!info) co_return Result<void>();  // no iptables, so no rules of it
  CO_TRY(const std::string text, co_await iptables_.save(family_));
  std::string input = cleanup_input(parse_saved(text));
  if (input.empty()) co_return Result<void>();
  log_info("removing iptables rules of the Service proxy", {{"family", to_string(family_)}});
  co_return co_await iptables_.restore(family_, std::move(input));
}

}  // namespace

Result<std::unique_ptr<RuleBackend>> make_nft_backend(NftKernel& nft, IptablesRunner& iptables, Family family) {
  CHECK_OK(nft.probe(family));
  return std::unique_ptr<RuleBackend>(std::make_unique<NftBackend>(nft, iptables, family));
}

Awaitable<Result<void>> remove_nft_table(NftKernel& nft, Family family) {
  CO_TRY(const NftTable table, nft.look(family));
  if (!table.exists) co_return Result<void>();
  NftWriter writer(family);
  writer.delete_table();
  NftBatch batch = writer.take();
  co_return co_await nft.commit(std::move(batch));
}

}  // namespace keelson::proxy
