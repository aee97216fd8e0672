// The seam to the kernel's packet filter: the iptables tools, run as processes, and the cheap look at the canary
// chains.
#pragma once

#include <string>
#include <string_view>

#include "base/async.hpp"
#include "proxy/ip.hpp"

namespace keelson::proxy {

enum class IptablesBackend : std::uint8_t { legacy, nft };

struct IptablesInfo {
  IptablesBackend backend = IptablesBackend::nft;
  unsigned version = 0;  // major * 10000 + minor * 100 + patch
};

class IptablesRunner {
 public:
  virtual ~IptablesRunner() = default;
  // What is installed, when the kernel can do NAT for the family; Errc::failed_precondition otherwise.
  virtual Awaitable<Result<IptablesInfo>> probe(Family family) = 0;
  // The rules of all tables, as iptables-save prints them.
  virtual Awaitable<Result<std::string>> save(Family family) = 0;
  // Applies the input with `iptables-restore --noflush --counters`; each table is one atomic commit. The error names
  // the line that failed and its text. Errc::unavailable: the xtables lock was held too long, or resources ran short.
  virtual Awaitable<Result<void>> restore(Family family, std::string input) = 0;
  // Whether the canary chain of table mangle is there (with nft, those of nat and filter too), asked from the kernel
  // directly: no process, a few microseconds. Valid after probe().
  virtual Result<bool> canaries_present(Family family) = 0;
};

// Pure, for SystemIptables: the version and backend in `iptables --version`, e.g. "iptables v1.8.9 (nf_tables)".
Result<IptablesInfo> parse_iptables_version(std::string_view text);
// Pure: the line of `input` that an error text of iptables-restore speaks of, as `line 7: -A ...`; "" when it names
// none.
[[nodiscard]] std::string failed_line(std::string_view error_text, std::string_view input);

class SystemIptables final : public IptablesRunner {
 public:
  // `variant` picks the tools by name: "" for iptables, "-nft" for iptables-nft, "-legacy" for iptables-legacy.
  explicit SystemIptables(std::string variant = {}) : variant_(std::move(variant)) {}

  Awaitable<Result<IptablesInfo>> probe(Family family) override;
  Awaitable<Result<std::string>> save(Family family) override;
  Awaitable<Result<void>> restore(Family family, std::string input) override;
  Result<bool> canaries_present(Family family) override;

 private:
  [[nodiscard]] std::string program(Family family, std::string_view suffix) const;

  std::string variant_;
  IptablesBackend backend_ = IptablesBackend::nft;
};

// The two ways to look for a canary chain.
Result<bool> nft_chain_exists(Family family, const char* table, const char* chain);
Result<bool> legacy_chain_exists(Family family, const char* table, const char* chain);

}  // namespace keelson::proxy
