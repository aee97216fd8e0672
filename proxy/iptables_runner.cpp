#include "proxy/iptables_runner.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/strings.hpp"
#include "base/subprocess.hpp"
#include "proxy/chain_names.hpp"
#include "proxy/kernel_family.hpp"

namespace keelson::proxy {
namespace {

constexpr int kResourceProblem = 4;  // iptables' exit code when it could not get the lock, or memory
constexpr auto kTimeout = std::chrono::minutes(2);
constexpr std::size_t kMaxSaved = std::size_t{1} << 30;

// A write that hangs holds up all that follow, so it is given what a slow machine needs for so many rules, and no more.
Milliseconds write_timeout(std::size_t bytes) {
  constexpr std::size_t kBytesPerSecond = 200'000;
  return Seconds(30 + static_cast<std::int64_t>(bytes / kBytesPerSecond));
}

Command command(std::vector<std::string> argv) {
  Command c;
  c.argv = std::move(argv);
  c.timeout = kTimeout;
  return c;
}

Error failure(const std::string& program, const CommandResult& result, const std::string& line) {
  const bool retryable = result.timed_out || result.exit_code == kResourceProblem;
  std::string text = program + ": " + result.describe();
  if (!line.empty()) text += " (" + line + ')';
  return make_error(retryable ? Errc::unavailable : Errc::io, text);
}

}  // namespace

Result<IptablesInfo> parse_iptables_version(std::string_view text) {
  const std::size_t v = text.find(" v");
  unsigned major = 0, minor = 0, patch = 0;
  if (v == std::string_view::npos ||
      std::sscanf(std::string(text.substr(v + 2)).c_str(), "%u.%u.%u", &major, &minor, &patch) < 2) {
    return make_error(Errc::failed_precondition, "unknown iptables version: \"" + std::string(trim(text)) + '"');
  }
  const bool nft = text.find("nf_tables") != std::string_view::npos;
  return IptablesInfo{nft ? IptablesBackend::nft : IptablesBackend::legacy, major * 10000 + minor * 100 + patch};
}

std::string failed_line(std::string_view error_text, std::string_view input) {
  // "line 7 failed", "line 7: CHAIN_DEL failed", "Error occurred at line: 7"
  for (std::size_t at = error_text.find("line"); at != std::string_view::npos; at = error_text.find("line", at + 1)) {
    std::string_view rest = error_text.substr(at + 4);
    rest.remove_prefix(std::min(rest.find_first_not_of(": "), rest.size()));
    std::size_t number = 0;
    if (std::from_chars(rest.data(), rest.data() + rest.size(), number).ec != std::errc{} || number == 0) continue;
    for (std::size_t skip = 1; skip < number && !input.empty(); ++skip) {
      const std::size_t end = input.find('\n');
      input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    }
    return "line " + std::to_string(number) + ": " + std::string(input.substr(0, input.find('\n')));
  }
  return {};
}

std::string SystemIptables::program(Family family, std::string_view suffix) const {
  return (family == Family::ipv4 ? "iptables" : "ip6tables") + variant_ + std::string(suffix);
}

Awaitable<Result<IptablesInfo>> SystemIptables::probe(Family family) {
  if (!kernel_has(family)) {
    co_return make_error(Errc::failed_precondition, "the kernel has no IPv6");
  }
  const std::string name = program(family, "");
  Command ask_version = command({name, "--version"});
  CO_TRY(const CommandResult version, co_await run_command(std::move(ask_version)));
  if (!version.ok()) co_return failure(name, version, "");
  CO_TRY(const IptablesInfo info, parse_iptables_version(version.out));
  Command list = command({name, "-w", "5", "-S", "POSTROUTING", "-t", "nat"});
  CO_TRY(const CommandResult listed, co_await run_command(std::move(list)));
  if (!listed.ok()) {
    Error error = failure(name, listed, "");
    if (error.code != Errc::unavailable) error.code = Errc::failed_precondition;
    co_return error;
  }
  backend_ = info.backend;
  co_return info;
}

Awaitable<Result<std::string>> SystemIptables::save(Family family) {
  const std::string name = program(family, "-save");
  Command list = command({name});
  list.max_output = kMaxSaved;
  CO_TRY(CommandResult result, co_await run_command(std::move(list)));
  if (!result.ok()) co_return failure(name, result, "");
  co_return std::move(result.out);
}

Awaitable<Result<void>> SystemIptables::restore(Family family, std::string input) {
  const std::string name = program(family, "-restore");
  Command write = command({name, "-w", "5", "--noflush", "--counters"});
  write.timeout = write_timeout(input.size());
  write.stdin_data = input;
  CO_TRY(const CommandResult result, co_await run_command(std::move(write)));
  if (!result.ok()) co_return failure(name, result, failed_line(result.err, input));
  co_return Result<void>();
}

Result<bool> SystemIptables::canaries_present(Family family) {
  if (backend_ == IptablesBackend::legacy) return legacy_chain_exists(family, "mangle", kCanary);
  for (const char* table : {"mangle", "nat", "filter"}) {
    TRY(const bool present, nft_chain_exists(family, table, kCanary));
    if (!present) return false;
  }
  return true;
}

}  // namespace keelson::proxy
