#include "agent/daemon/subids.hpp"

#include <pwd.h>

#include <optional>

#include "base/subprocess.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kUser = "kubelet";
constexpr Milliseconds kPatience = Seconds(10);  // the database may be on another machine

// Nothing where the program is not installed.
Awaitable<Result<std::optional<std::string>>> subids(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  command.timeout = kPatience;
  auto done = co_await run_command(std::move(command));
  if (!done && done.error().code == Errc::not_found) co_return std::optional<std::string>();
  if (!done) co_return done.error();
  if (!done->ok()) co_return make_error(Errc::failed_precondition, "getsubids kubelet: " + done->describe());
  co_return std::optional(std::move(done->out));
}

}  // namespace

Awaitable<Result<spec::IdRange>> user_namespace_range() {
  if (::getpwnam(kUser) == nullptr) co_return spec::IdRange{};
  std::vector<std::string> users_of{"getsubids", kUser};
  CO_TRY(const auto users, co_await subids(std::move(users_of)));
  if (!users) co_return spec::IdRange{};
  std::vector<std::string> groups_of{"getsubids", "-g", kUser};
  CO_TRY(const auto groups, co_await subids(std::move(groups_of)));
  if (users != groups) {
    co_return make_error(Errc::failed_precondition, "getsubids: user kubelet has different users and groups");
  }
  co_return spec::parse_subids(*users);
}

}  // namespace keelson::agent
