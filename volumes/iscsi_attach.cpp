// What iscsiadm, sysfs and udev have to do for a LUN to be there, and to be gone.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/dir_watcher.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "volumes/iscsi.hpp"

namespace keelson::volumes {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string>;

constexpr Seconds kCommandTimeout{60};
constexpr std::array kDiscoveryKeys = {"discovery.sendtargets.auth.username", "discovery.sendtargets.auth.password",
                                       "discovery.sendtargets.auth.username_in",
                                       "discovery.sendtargets.auth.password_in"};
constexpr std::array kSessionKeys = {"node.session.auth.username", "node.session.auth.password",
                                     "node.session.auth.username_in", "node.session.auth.password_in"};

std::string text_of(const fs::path& path) {
  auto text = read_file(path, 4096);
  return text ? std::string(trim(*text)) : std::string();
}

std::vector<std::string> names_in(const fs::path& path) {
  auto names = list_dir(path);
  return names ? std::move(*names) : std::vector<std::string>();
}

// The SCSI host of the session with that target over that portal; none: not logged in.
std::optional<int> session_host(const IscsiSystem& system, const std::string& iqn, const std::string& portal) {
  const fs::path base = fs::path(system.sys) / "class";
  for (const std::string& connection : names_in(base / "iscsi_connection")) {  // connection3:0, of session3
    const std::string number = connection.substr(0, connection.find(':'));
    if (!number.starts_with("connection")) continue;
    const fs::path session = base / "iscsi_session" / ("session" + number.substr(10));
    if (text_of(session / "targetname") != iqn) continue;
    const fs::path at = base / "iscsi_connection" / connection;
    std::string address = text_of(at / "persistent_address");
    if (address.find(':') != std::string::npos) address = "[" + address + "]";
    if (address + ":" + text_of(at / "persistent_port") != portal) continue;
    std::error_code ec;
    for (const fs::path& part : fs::canonical(session / "device", ec)) {  // .../host4/session3
      const std::string name = part.string();
      int host = -1;
      if (name.starts_with("host") &&
          std::from_chars(name.data() + 4, name.data() + name.size(), host).ec == std::errc())
        return host;
    }
  }
  return std::nullopt;
}

std::string device_link(const IscsiSystem& system, const std::string& portal, const std::string& iqn, int lun) {
  return system.dev + "/disk/by-path/ip-" + portal + "-iscsi-" + iqn + "-lun-" + std::to_string(lun);
}

// "/dev/sdb", or nothing.
std::string resolved(const std::string& link) {
  std::error_code ec;
  const fs::path real = fs::canonical(link, ec);
  return ec ? std::string() : real.string();
}

// Where several paths lead to a LUN and multipathd has put a device over them, that one.
std::string multipath_over(const IscsiSystem& system, const std::string& device) {
  const std::string name = fs::path(device).filename().string();
  for (const std::string& block : names_in(fs::path(system.sys) / "block")) {
    if (block.starts_with("dm-") && fs::exists(fs::path(system.sys) / "block" / block / "slaves" / name)) {
      return system.dev + "/" + block;
    }
  }
  return {};
}

// Writes to a file of sysfs, which must be there.
Result<void> poke(const fs::path& path, const std::string& text) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error(errno, "open " + path.string());
  if (::write(fd.get(), text.data(), text.size()) < 0) return errno_error(errno, "write " + path.string());
  return {};
}

Awaitable<Result<std::string>> run(Runner& runner, Words words, std::string what) {
  words.insert(words.begin(), "iscsiadm");
  Result<CommandResult> result = co_await runner.run(std::move(words), kCommandTimeout);
  if (!result) co_return result.error().context(what);
  if (!result->ok()) co_return command_error(what, *result);
  co_return result->out;
}

class Login {
 public:
  Login(Runner& runner, const IscsiDisk& disk, std::string portal)
      : runner_(runner), disk_(disk), portal_(std::move(portal)) {}

  Awaitable<Result<void>> log_in() {
    Words create = discovery({"-o", "new"});
    static_cast<void>(co_await run(runner_, std::move(create), "make discovery record"));
    if (disk_.chap_discovery) {
      Words method = discovery({"-o", "update", "-n", "discovery.sendtargets.auth.authmethod", "-v", "CHAP"});
      CO_CHECK_OK(co_await update(std::move(method), true, {kDiscoveryKeys.begin(), kDiscoveryKeys.end()}));
    }
    Words discover = discovery({"--discover"});
    auto found = co_await run(runner_, std::move(discover), "failed to sendtargets to portal " + portal_);
    if (!found) {
      Words forget = discovery({"-o", "delete"});
      static_cast<void>(co_await run(runner_, std::move(forget), "delete discovery record"));
      co_return found.error();
    }
    // Else the session would bring up every LUN of the target, not only ours.
    Words scan = node({"-o", "update", "-n", "node.session.scan", "-v", "manual"});
    static_cast<void>(co_await run(runner_, std::move(scan), "set manual scan"));
    if (disk_.chap_session) {
      Words method = node({"-o", "update", "-n", "node.session.auth.authmethod", "-v", "CHAP"});
      CO_CHECK_OK(co_await update(std::move(method), false, {kSessionKeys.begin(), kSessionKeys.end()}));
    }
    Words login = node({"--login"});
    auto in = co_await run(runner_, std::move(login), "failed to log in to " + disk_.iqn + " at portal " + portal_);
    if (!in) {
      Words forget = node({"-o", "delete"});
      static_cast<void>(co_await run(runner_, std::move(forget), "delete node record"));
      co_return in.error();
    }
    // Or the node would log in by itself when it boots, and wait for a target that nobody uses any more.
    Words manual = node({"-o", "update", "-n", "node.startup", "-v", "manual"});
    static_cast<void>(co_await run(runner_, std::move(manual), "set manual startup"));
    co_return Result<void>();
  }

 private:
  [[nodiscard]] Words discovery(Words rest) const {
    Words words = {"-m", "discoverydb", "-t", "sendtargets", "-p", portal_, "-I", disk_.interface};
    words.insert(words.end(), rest.begin(), rest.end());
    return words;
  }
  [[nodiscard]] Words node(Words rest) const {
    Words words = {"-m", "node", "-p", portal_, "-T", disk_.iqn, "-I", disk_.interface};
    words.insert(words.end(), rest.begin(), rest.end());
    return words;
  }

  // The authentication method, then each credential that the Secret has. The error names the key, not the value.
  Awaitable<Result<void>> update(Words method, bool discovery_record, Words keys) {
    const std::string what = "failed to update CHAP of portal " + portal_;
    CO_CHECK_OK(co_await run(runner_, std::move(method), what));
    for (const std::string& key : keys) {
      const auto value = disk_.secret.find(key);
      if (value == disk_.secret.end() || value->second.empty()) continue;
      Words set = {"-o", "update", "-n", key, "-v", value->second};
      Words words = discovery_record ? discovery(std::move(set)) : node(std::move(set));
      words.insert(words.begin(), "iscsiadm");
      Result<CommandResult> result = co_await runner_.run(std::move(words), kCommandTimeout);
      if (!result || !result->ok()) co_return make_error(Errc::unavailable, what + ": " + key + " not accepted");
    }
    co_return Result<void>();
  }

  Runner& runner_;
  const IscsiDisk& disk_;
  std::string portal_;
};

std::string nearest_folder(const std::string& path) {
  fs::path at = fs::path(path).parent_path();
  std::error_code ec;
  while (!fs::is_directory(at, ec) && at.has_relative_path()) at = at.parent_path();
  return at.string();
}

// Until udev has made the link, which the kernel's scan set off; empty when it does not in time.
Awaitable<std::string> wait_for_device(const IscsiSystem& system, std::string link) {
  using boost::asio::experimental::awaitable_operators::operator||;
  const auto executor = co_await asio::this_coro::executor;
  const SteadyTime deadline = std::chrono::steady_clock::now() + system.device_patience;
  while (true) {
    const std::string folder = nearest_folder(link);
    auto watch = DirWatcher::open(executor, folder);  // before the look, so that nothing happens in between
    std::string device = resolved(link);
    const auto left = deadline - std::chrono::steady_clock::now();
    if (!device.empty() || left <= SteadyTime::duration::zero() || !watch) co_return device;
    co_await (watch->changed() || sleep_for(left));
  }
}

// Logs in over one portal if need be, and returns the path of the LUN's device.
Awaitable<Result<std::string>> attach_portal(Runner& runner, const IscsiSystem& system, const IscsiDisk& disk,
                                             std::string portal) {
  auto host = session_host(system, disk.iqn, portal);
  if (!host) {
    Login login(runner, disk, portal);
    CO_CHECK_OK(co_await login.log_in());
    host = session_host(system, disk.iqn, portal);
  }
  if (!host) co_return make_error(Errc::unavailable, "no SCSI host for portal " + portal + " after the login");
  const fs::path scan = fs::path(system.sys) / "class/scsi_host" / ("host" + std::to_string(*host)) / "scan";
  CO_CHECK_OK(poke(scan, "0 0 " + std::to_string(disk.lun)));
  std::string link = device_link(system, portal, disk.iqn, disk.lun);
  std::string device = co_await wait_for_device(system, link);
  if (device.empty()) {
    co_return make_error(Errc::deadline_exceeded, "timed out waiting for device " + link + " (is LUN " +
                                                      std::to_string(disk.lun) +
                                                      " exported to this node, and udev up?)");
  }
  co_return device;
}

}  // namespace

Awaitable<Result<std::string>> attach_iscsi(Runner& runner, IscsiSystem system, IscsiDisk disk) {
  if (!runner.has("iscsiadm")) {
    co_return make_error(Errc::failed_precondition,
                         "an iscsi volume needs the program iscsiadm, which this node has not (package open-iscsi)");
  }
  Words show = {"-m", "iface", "-I", disk.interface, "-o", "show"};
  CO_TRY(const std::string shown, co_await run(runner, std::move(show), "could not read iface " + disk.interface));
  if (shown.find("iface.transport_name = tcp") == std::string::npos) {
    co_return make_error(Errc::unimplemented,
                         "iscsi.iscsiInterface: \"" + disk.interface +
                             "\" has a transport other than tcp, which this node does not support");
  }
  std::vector<std::string> devices;
  std::optional<Error> failure;
  for (const std::string& portal : disk.portals) {
    Result<std::string> device = co_await attach_portal(runner, system, disk, portal);
    if (device) {
      devices.push_back(std::move(*device));
    } else {
      log_warn("iscsi portal not usable", {{"portal", portal}, {"iqn", disk.iqn}, {"error", device.error()}});
      failure = device.error();
    }
  }
  if (devices.empty()) co_return failure->context("failed to get any path for iscsi disk");
  const std::string above = multipath_over(system, devices.front());
  co_return above.empty() ? devices.front() : above;
}

Awaitable<Result<void>> detach_iscsi(Runner& runner, IscsiSystem system, IscsiDisk disk) {
  std::optional<Error> failure;
  const auto keep = [&](const Error& error) {
    if (!failure) failure = error;
  };
  for (const std::string& portal : disk.portals) {
    const std::string link = device_link(system, portal, disk.iqn, disk.lun);
    if (const std::string device = resolved(link); !device.empty()) {
      const fs::path block = fs::path(system.sys) / "block" / fs::path(device).filename() / "device/delete";
      if (auto gone = poke(block, "1"); !gone && gone.error().code != Errc::not_found) keep(gone.error());
    }
    if (!session_host(system, disk.iqn, portal)) continue;
    const std::string others = fs::path(link).filename().string();
    const std::string prefix = others.substr(0, others.rfind("-lun-") + 5);
    const auto links = names_in(fs::path(link).parent_path());
    const bool used = std::any_of(links.begin(), links.end(), [&](const std::string& name) {
      return name.starts_with(prefix) && !name.starts_with(others + "-part") && name != others;
    });
    if (used) continue;
    Words logout = {"-m", "node", "-p", portal, "-T", disk.iqn, "--logout", "-I", disk.interface};
    auto out = co_await run(runner, std::move(logout), "failed to log out of " + disk.iqn + " at portal " + portal);
    if (!out) {
      keep(out.error());
      continue;
    }
    Words forget = {"-m", "node", "-p", portal, "-T", disk.iqn, "-o", "delete", "-I", disk.interface};
    static_cast<void>(co_await run(runner, std::move(forget), "delete node record"));
  }
  if (failure) co_return *failure;
  co_return Result<void>();
}

}  // namespace keelson::volumes
