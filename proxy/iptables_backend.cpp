#include "proxy/iptables_backend.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "proxy/nft_backend.hpp"

namespace keelson::proxy {
namespace {

constexpr std::size_t kLargeCluster = 1000;  // endpoints; above it endpoint rules go without comments, as upstream
// In a full sync, what iptables-nft-restore is given at once.
constexpr ChainParts kRestored{500, 500};
// And what goes to the kernel in one transaction. Each makes it look through all rules that packets can come to, which
// the new chains are no part of. A few chains are not worth one.
constexpr ChainParts kIntoFull{6000, 100, true};
constexpr ChainParts kIntoEmpty{1500, 100, true};
constexpr std::size_t kFull = 300;  // chains in table nat, from which it counts

ChainParts direct_parts(const SavedRules& saved) {
  const SavedTable* nat = saved.table("nat");
  return nat != nullptr && nat->chains.size() > kFull ? kIntoFull : kIntoEmpty;
}

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
  // Chains of Services as both the tool and the kernel take them; without `batch` for the tool only.
  struct Chains {
    ChainInput input;
    std::optional<NftBatch> batch;
  };
  // What a full sync writes next: chains that go ahead, or, without any, all else.
  struct Step {
    Chains ahead;
    std::string text;
    Chains after;
  };
  [[nodiscard]] Chains encode(ChainInput input) const;
  Awaitable<Step> next_step(const Model& model, const CompileOptions& options, const SavedRules& saved);
  Awaitable<Result<void>> write(Chains chains);

  IptablesRunner& iptables_;
  NftKernel* nft_;
  Family family_;
  IptablesInfo info_;
  RuleSync rules_;
  bool refused_ = false;  // the kernel did not take a message that the tool could write
};

Awaitable<Result<void>> IptablesBackendImpl::full(const Model& model, const CompileOptions& options) {
  using boost::asio::experimental::awaitable_operators::operator&&;
  CO_TRY(const std::string text, co_await iptables_.save(family_));
  const SavedRules saved = parse_saved(text);
  const CompileOptions here = refined(model, options);
  ChainParts sizes;
  if (info_.backend == IptablesBackend::nft) sizes = writes_directly() ? direct_parts(saved) : kRestored;
  rules_.begin_full(model, sizes);
  Step step = co_await next_step(model, here, saved);
  while (!step.ahead.input.empty()) {
    auto writing = write(std::move(step.ahead));
    auto making = next_step(model, here, saved);  // while the kernel is at it
    auto [written, next] = co_await (std::move(writing) && std::move(making));
    if (!written) co_return written;
    step = std::move(next);
  }
  CO_CHECK_OK(co_await iptables_.restore(family_, std::move(step.text)));
  if (step.after.input.empty()) co_return Result<void>();
  co_return co_await write(std::move(step.after));
}

Awaitable<IptablesBackendImpl::Step> IptablesBackendImpl::next_step(const Model& model, const CompileOptions& options,
                                                                    const SavedRules& saved) {
  Step step;
  step.ahead = encode(rules_.next_part(model, options));
  if (!step.ahead.input.empty()) co_return step;
  RestoreInput rest = rules_.finish_full(options, saved);
  step.text = std::move(rest.text);
  step.after = encode(std::move(rest.after));
  co_return step;
}

Awaitable<Result<bool>> IptablesBackendImpl::partial(const Model& model, const CompileOptions& options,
                                                     const std::vector<std::string>& dirty) {
  RestoreInput input = rules_.partial(model, refined(model, options), dirty);
  if (input.empty()) co_return false;
  if (!input.chains.empty()) {
    Chains chains = encode(std::move(input.chains));
    CO_CHECK_OK(co_await write(std::move(chains)));
  }
  if (!input.text.empty()) CO_CHECK_OK(co_await iptables_.restore(family_, std::move(input.text)));
  co_return true;
}

IptablesBackendImpl::Chains IptablesBackendImpl::encode(ChainInput input) const {
  std::optional<NftBatch> batch;
  if (writes_directly() && !input.empty()) batch = chain_batch(input, family_);
  return {std::move(input), std::move(batch)};
}

Awaitable<Result<void>> IptablesBackendImpl::write(Chains chains) {
  Result<void> direct;
  if (chains.batch && !refused_) {
    direct = co_await nft_->commit(std::move(*chains.batch));
    if (direct || direct.error().code == Errc::unavailable) co_return direct;
  }
  std::string text = chains.input.text();
  Result<void> restored = co_await iptables_.restore(family_, std::move(text));
  // Where the tool fails as well, it is what was to be written, or what was there.
  if (!direct && restored) {
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
