#include "proxy/iptables_backend.hpp"

#include <utility>

#include "proxy/nft_backend.hpp"

namespace keelson::proxy {
namespace {

constexpr std::size_t kLargeCluster = 1000;  // endpoints; above it endpoint rules go without comments, as upstream
constexpr std::size_t kChainsAtOnce = 500;   // that iptables-nft-restore is given in a full sync
constexpr unsigned kRandomFullySince = 1 * 10000 + 6 * 100 + 2;

class IptablesBackendImpl final : public RuleBackend {
 public:
  IptablesBackendImpl(IptablesRunner& iptables, NftKernel* nft, Family family, const IptablesInfo& info)
      : iptables_(iptables), nft_(nft), family_(family), info_(info) {}

  std::string_view name() const override {
    return info_.backend == IptablesBackend::nft ? "iptables-nft" : "iptables-legacy";
  }
  Awaitable<Result<void>> full(const Model& model, const CompileOptions& options) override {
    CO_TRY(const std::string text, co_await iptables_.save(family_));
    const SavedRules saved = parse_saved(text);
    const std::size_t part = info_.backend == IptablesBackend::nft ? kChainsAtOnce : 0;
    RestoreInput input = rules_.full(model, refined(model, options), saved, part);
    for (std::string& text : input.before) CO_CHECK_OK(co_await iptables_.restore(family_, std::move(text)));
    co_return co_await iptables_.restore(family_, std::move(input.text));
  }
  Awaitable<Result<bool>> partial(const Model& model, const CompileOptions& options,
                                  const std::vector<std::string>& dirty) override {
    RestoreInput input = rules_.partial(model, refined(model, options), dirty);
    if (input.empty()) co_return false;
    CO_CHECK_OK(co_await iptables_.restore(family_, std::move(input.text)));
    co_return true;
  }
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

  IptablesRunner& iptables_;
  NftKernel* nft_;
  Family family_;
  IptablesInfo info_;
  RuleSync rules_;
};

}  // namespace

Awaitable<Result<std::unique_ptr<RuleBackend>>> make_iptables_backend(IptablesRunner& iptables, NftKernel* nft,
                                                                      Family family) {
  CO_TRY(const IptablesInfo info, co_await iptables.probe(family));
  co_return std::unique_ptr<RuleBackend>(std::make_unique<IptablesBackendImpl>(iptables, nft, family, info));
}

}  // namespace keelson::proxy
