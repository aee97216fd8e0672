#include "proxy/iptables_backend.hpp"

#include <optional>
#include <utility>

#include "base/log.hpp"
#include "proxy/nft_backend.hpp"

namespace keelson::proxy {
namespace {

constexpr std::size_t kLargeCluster = 1000;  // endpoints; above it endpoint rules go without comments, as upstream
// In a full sync: what iptables-nft-restore is given at once; and what goes to the kernel in one transaction, each of
// which makes it look through the whole table. A few chains are not worth one.
constexpr ChainParts kRestored{500, 500};
constexpr ChainParts kDirect{6000, 100, true};
constexpr unsigned kRandomFullySince = 1 * 10000 + 6 * 100 + 2;

class IptablesBackendImpl final : public RuleBackend {
 public:
  IptablesBackendImpl(IptablesRunner& iptables, NftKernel* nft, Family family, const IptablesInfo& info)
      : iptables_(iptables), nft_(nft), family_(family), info_(info) {}

  std::string_view name() const override {
    return info_.backend == IptablesBackend::nft ? "iptables-nft" : "iptables-legacy";
  }
  Awaitable<Result<void>> full(const Model& model, const CompileOptions& options) override;
  Awaitable<Result<bool>> partial(const Model& model, const CompileOptions& options,
                                  const std::vector<std::string>& dirty) override;
  Result<bool> still_there() override { return iptables_.canaries_present(family_); }
  RuleCounts counts() const override { return rules_.counts(); }
  Awaitable<Result<void>> remove_other_mode() override {
    if (nft_ == nullptr || !nft_->probe(family_)) co_return Result<void>();
    co_return co_await remove_nft_table(*nft_, family_);
  }

 private:
  [[nodiscard]] CompileOptions refined(const Model& model, CompileOptions options) const {
    options.random_fully = info_.version >= kRandomFullySince;
    options.terse = model.endpoint_count(family_) > kLargeCluster;
    return options;
  }

  // Chains of Services make up most of what is written, and are all that most changes touch. To iptables-nft's tables
  // they go without the tool.
  [[nodiscard]] bool writes_directly() const {
    return info_.backend == IptablesBackend::nft && nft_ != nullptr && !refused_;
  }
  Awaitable<Result<void>> write(RestoreInput input);
  Awaitable<Result<void>> write_chains(ChainInput chains);

  IptablesRunner& iptables_;
  NftKernel* nft_;
  Family family_;
  IptablesInfo info_;
  RuleSync rules_;
  bool refused_ = false;  // the kernel did not take a message that the tool could write
};

Awaitable<Result<void>> IptablesBackendImpl::full(const Model& model, const CompileOptions& options) {
  CO_TRY(const std::string text, co_await iptables_.save(family_));
  const SavedRules saved = parse_saved(text);
  ChainParts parts;
  if (info_.backend == IptablesBackend::nft) parts = writes_directly() ? kDirect : kRestored;
  RestoreInput input = rules_.full(model, refined(model, options), saved, parts);
  co_return co_await write(std::move(input));
}

Awaitable<Result<bool>> IptablesBackendImpl::partial(const Model& model, const CompileOptions& options,
                                                     const std::vector<std::string>& dirty) {
  RestoreInput input = rules_.partial(model, refined(model, options), dirty);
  if (input.empty()) co_return false;
  CO_CHECK_OK(co_await write(std::move(input)));
  co_return true;
}

Awaitable<Result<void>> IptablesBackendImpl::write(RestoreInput input) {
  for (ChainInput& chains : input.before) {
    ChainInput part = std::move(chains);
    CO_CHECK_OK(co_await write_chains(std::move(part)));
  }
  if (!input.text.empty()) CO_CHECK_OK(co_await iptables_.restore(family_, std::move(input.text)));
  if (input.after.empty()) co_return Result<void>();
  co_return co_await write_chains(std::move(input.after));
}

Awaitable<Result<void>> IptablesBackendImpl::write_chains(ChainInput chains) {
  std::optional<NftBatch> batch;
  if (writes_directly()) batch = chain_batch(chains, family_);
  Result<void> direct;
  if (batch) {
    direct = co_await nft_->commit(std::move(*batch));
    if (direct || direct.error().code == Errc::unavailable) co_return direct;
  }
  std::string text = chains.text();
  Result<void> restored = co_await iptables_.restore(family_, std::move(text));
  // Where the tool fails as well, it is what was to be written, or what was there.
  if (batch && restored) {
    refused_ = true;
    log_warn("writing rules by iptables-restore from now on",
             {{"family", to_string(family_)}, {"error", direct.error()}});
  }
  co_return restored;
}

}  // namespace

Awaitable<Result<std::unique_ptr<RuleBackend>>> make_iptables_backend(IptablesRunner& iptables, NftKernel* nft,
                                                                      Family family) {
  CO_TRY(const IptablesInfo info, co_await iptables.probe(family));
  co_return std::unique_ptr<RuleBackend>(std::make_unique<IptablesBackendImpl>(iptables, nft, family, info));
}

}  // namespace keelson::proxy
