#include "cni/chain.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "cni/json_util.hpp"
#include "cni/runtime_config.hpp"
#include "cni/version.hpp"

extern char** environ;

namespace keelson::cni {
namespace {

// Our own environment without what describes one operation, as libcni gives it to plugins.
std::vector<std::string> inherited_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry; ++entry) {
    if (std::strncmp(*entry, "CNI_", 4) != 0) out.emplace_back(*entry);
  }
  return out;
}

std::string join_paths(const std::vector<std::filesystem::path>& dirs) {
  std::vector<std::string> names;
  for (const auto& dir : dirs) names.push_back(dir.string());
  return join(names, ":");
}

// One plugin's stdin: its own object and what the runtime puts in (spec, section 4 "Deriving configuration").
Result<Json> plugin_input(const NetworkConfig& network, const PluginConfig& plugin) {
  TRY(Json object, parse_json_object(plugin.json));
  object["name"] = network.name;
  object["cniVersion"] = network.cni_version;
  return json_ok(std::move(object));
}

Result<std::string> attachment_input(const NetworkConfig& network, const PluginConfig& plugin,
                                     const Attachment& attachment, const std::string& prev_result) {
  TRY(Json object, plugin_input(network, plugin));
  if (const auto selected = select_for_plugin(plugin, attachment.runtime_config); !selected.empty()) {
    TRY(object["runtimeConfig"], parse_json_object(selected));
  }
  if (!prev_result.empty()) {
    TRY(object["prevResult"], with_context(parse_json_object(prev_result), "prevResult"));
  }
  return dump(object);
}

Result<std::string> gc_input(const NetworkConfig& network, const PluginConfig& plugin,
                             const std::vector<AttachmentId>& valid) {
  TRY(Json object, plugin_input(network, plugin));
  Json attachments = Json::array();
  for (const auto& id : valid) attachments.push_back({{"containerID", id.container_id}, {"ifname", id.ifname}});
  object["cni.dev/valid-attachments"] = attachments;
  object["cni.dev/attachments"] = attachments;  // the name that the first text of the spec had; libcni sends both
  return dump(object);
}

Milliseconds time_left(SteadyTime deadline) {
  const auto left = std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
  return std::max(left, Milliseconds(0));
}

CniError out_of_time(std::string_view command, const std::string& type) {
  return CniError(code::kInternal, std::string(command) + " of plugin \"" + type + "\": the time allowed ran out");
}

CniResult<std::vector<std::string>> parse_version_info(std::string_view text) {
  auto object = parse_json_object(text);
  if (!object) return CniError(code::kDecode, "VERSION: " + object.error().message);
  auto own = get_string(*object, "cniVersion");
  auto versions = get_strings(*object, "supportedVersions");
  if (!own || !versions) return CniError(code::kDecode, "VERSION: " + (own ? versions.error() : own.error()).message);
  if (!versions->empty()) return *versions;
  if (*own == "0.2.0") return std::vector<std::string>{"0.1.0", "0.2.0"};
  return CniError(code::kDecode, "VERSION: supportedVersions: required");
}

// Sleeps before the next try of a code 11; false when the budget does not reach that far.
Awaitable<bool> pause_for_retry(Milliseconds pause, SteadyTime deadline) {
  if (std::chrono::steady_clock::now() + pause >= deadline) co_return false;
  co_await sleep_for(pause);
  co_return true;
}

}  // namespace

Result<Args> parse_args(std::string_view text) {
  Args args;
  if (text.empty()) return args;
  for (const auto& part : split(text, ';')) {
    const auto at = part.find('=');
    if (at == std::string::npos || at == 0) {
      return make_error(Errc::invalid_argument, "CNI_ARGS: \"" + part + "\" is not KEY=VALUE");
    }
    args.emplace_back(part.substr(0, at), part.substr(at + 1));
  }
  return args;
}

std::string render_args(const Args& args) {
  std::string out;
  for (const auto& [key, value] : args) out += (out.empty() ? "" : ";") + key + "=" + value;
  return out;
}

std::string find_arg(const Args& args, std::string_view key) {
  for (const auto& [name, value] : args) {
    if (name == key) return value;
  }
  return {};
}

Milliseconds retry_pause(const ChainTiming& timing, unsigned failures) {
  Milliseconds pause = timing.retry_initial;
  for (unsigned i = 1; i < failures && pause < timing.retry_max; ++i) pause *= 2;
  return std::min(pause, timing.retry_max);
}

struct Chain::Call {
  std::string_view command;
  std::string type;
  std::string stdin_data;
  std::string container_id, netns, ifname, args;  // those that the command has
  SteadyTime deadline;
};

// The call's place among those that run, as long as this lives.
class Chain::Turn {
 public:
  Turn(std::shared_ptr<std::list<RunningPlugin>> all, const Call& call) : all_(std::move(all)) {
    const auto args = parse_args(call.args);
    all_->push_front({.command = std::string(call.command),
                      .type = call.type,
                      .container_id = call.container_id,
                      .pod_uid = args ? find_arg(*args, "K8S_POD_UID") : std::string(),
                      .since = std::chrono::steady_clock::now(),
                      .deadline = call.deadline});
    at_ = all_->begin();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { all_->erase(at_); }

 private:
  std::shared_ptr<std::list<RunningPlugin>> all_;
  std::list<RunningPlugin>::iterator at_;
};

Chain::Chain(PluginExec& exec, std::vector<std::filesystem::path> bin_dirs, ChainTiming timing)
    : exec_(exec),
      bin_dirs_(std::move(bin_dirs)),
      timing_(timing),
      running_(std::make_shared<std::list<RunningPlugin>>()) {}

Result<void> Chain::find_all(const NetworkConfig& network) const {
  for (const auto& plugin : network.plugins) {
    if (auto path = exec_.find(plugin.type, bin_dirs_); !path) return path.error();
  }
  return {};
}

// Runs one plugin; its stdout when it succeeded.
Awaitable<CniResult<std::string>> Chain::invoke(Call call) {
  auto path = exec_.find(call.type, bin_dirs_);
  if (!path) co_return CniError(path.error());
  Command command;
  command.argv = {path->string()};
  command.env = inherited_environment();
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) command.env->push_back(std::string(name) + "=" + value);
  };
  set("CNI_COMMAND", std::string(call.command));
  set("CNI_CONTAINERID", call.container_id);
  command.env->push_back("CNI_NETNS=" + call.netns);  // present even when empty: old plugins look for it
  set("CNI_IFNAME", call.ifname);
  command.env->push_back("CNI_ARGS=" + call.args);
  command.env->push_back("CNI_PATH=" + join_paths(bin_dirs_));
  command.stdin_data = std::move(call.stdin_data);
  command.timeout = time_left(call.deadline);
  if (command.timeout->count() == 0) co_return out_of_time(call.command, call.type);

  const Turn turn(running_, call);
  auto ran = co_await exec_.run(std::move(command));
  if (!ran) co_return CniError(ran.error());
  if (ran->timed_out) co_return out_of_time(call.command, call.type);
  if (!ran->err.empty()) {
    log_debug("plugin said", {{"plugin", call.type}, {"command", call.command}, {"stderr", trim(ran->err)}});
  }
  if (!ran->ok()) {
    const std::string how =
        ran->signal ? "killed by signal " + std::to_string(ran->signal) : "exit code " + std::to_string(ran->exit_code);
    const CniError error = parse_plugin_failure(ran->out, ran->err, how);
    co_return error.context("plugin \"" + call.type + "\" " + std::string(call.command));
  }
  co_return std::move(ran->out);
}

// One ADD through the list; the last plugin's result as JSON in the network's version.
Awaitable<CniResult<std::string>> Chain::add_once(const NetworkConfig& network, const Attachment& attachment,
                                                  SteadyTime deadline) {
  std::string prev_result;
  for (const auto& plugin : network.plugins) {
    CO_TRY(std::string input, attachment_input(network, plugin, attachment, prev_result));
    Call call{.command = "ADD",
              .type = plugin.type,
              .stdin_data = std::move(input),
              .container_id = attachment.container_id,
              .netns = attachment.netns,
              .ifname = attachment.ifname,
              .args = render_args(attachment.args),
              .deadline = deadline};
    auto out = co_await invoke(std::move(call));
    if (!out) co_return out.error();
    auto result = parse_result(*out, network.cni_version);
    if (!result) co_return result.error().context("plugin \"" + plugin.type + "\" ADD");
    auto text = render_result(*result, network.cni_version);
    if (!text) co_return text.error().context("plugin \"" + plugin.type + "\" ADD");
    prev_result = std::move(*text);
  }
  co_return prev_result;
}

Awaitable<AddOutcome> Chain::add(const NetworkConfig& network, Attachment attachment) {
  // A missing plugin is told before any has run: its DEL, which a rollback would need, could not run either.
  for (const auto& plugin : network.plugins) {
    if (auto path = exec_.find(plugin.type, bin_dirs_); !path) co_return AddOutcome{CniError(path.error()), true};
  }
  const SteadyTime deadline = std::chrono::steady_clock::now() + timing_.add_budget;
  for (unsigned failures = 1;; ++failures) {
    auto added = co_await add_once(network, attachment, deadline);
    if (added) co_return AddOutcome{parse_result(*added, network.cni_version)};
    CniError error = added.error();
    // A plugin that was busy before and is cut off by the end of the budget is still busy.
    if (failures > 1 && std::chrono::steady_clock::now() >= deadline) error.code = code::kTryAgainLater;
    log_warn("ADD failed, rolling back", {{"network", network.name},
                                          {"container", attachment.container_id},
                                          {"try", failures},
                                          {"error", error.text()}});
    // The rollback has a budget of its own: a plugin that used up the ADD's time must not prevent it.
    const SteadyTime rollback_deadline = std::chrono::steady_clock::now() + timing_.del_budget;
    const auto undone = co_await del_once(network, attachment, std::string(), rollback_deadline);
    if (!undone) {
      error.details += (error.details.empty() ? "" : "; ") + std::string("rollback failed: ") + undone.error().text();
      co_return AddOutcome{error, false};
    }
    if (error.code != code::kTryAgainLater) co_return AddOutcome{error, true};
    const bool again = co_await pause_for_retry(retry_pause(timing_, failures), deadline);
    if (!again) co_return AddOutcome{error, true};
  }
}

// One DEL through the list, backward; stops at the first failure, as the spec says.
Awaitable<CniResult<void>> Chain::del_once(const NetworkConfig& network, const Attachment& attachment,
                                           const std::string& prev_result, SteadyTime deadline) {
  const bool takes_result = at_least(network.cni_version, "0.4.0");
  for (auto plugin = network.plugins.rbegin(); plugin != network.plugins.rend(); ++plugin) {
    const std::string& prev = takes_result ? prev_result : std::string();
    CO_TRY(std::string input, attachment_input(network, *plugin, attachment, prev));
    Call call{.command = "DEL",
              .type = plugin->type,
              .stdin_data = std::move(input),
              .container_id = attachment.container_id,
              .netns = attachment.netns,
              .ifname = attachment.ifname,
              .args = render_args(attachment.args),
              .deadline = deadline};
    auto out = co_await invoke(std::move(call));
    if (!out) co_return out.error();
  }
  co_return CniResult<void>();
}

Awaitable<CniResult<void>> Chain::del(const NetworkConfig& network, Attachment attachment, std::string prev_result) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + timing_.del_budget;
  for (unsigned failures = 1;; ++failures) {
    auto done = co_await del_once(network, attachment, prev_result, deadline);
    if (done || done.error().code != code::kTryAgainLater) co_return done;
    const bool again = co_await pause_for_retry(retry_pause(timing_, failures), deadline);
    if (!again) co_return done;
  }
}

Awaitable<CniResult<void>> Chain::check(const NetworkConfig& network, Attachment attachment, std::string prev_result) {
  if (network.disable_check || !at_least(network.cni_version, "0.4.0")) co_return CniResult<void>();
  const SteadyTime deadline = std::chrono::steady_clock::now() + timing_.check_budget;
  for (const auto& plugin : network.plugins) {
    CO_TRY(std::string input, attachment_input(network, plugin, attachment, prev_result));
    Call call{.command = "CHECK",
              .type = plugin.type,
              .stdin_data = std::move(input),
              .container_id = attachment.container_id,
              .netns = attachment.netns,
              .ifname = attachment.ifname,
              .args = render_args(attachment.args),
              .deadline = deadline};
    auto out = co_await invoke(std::move(call));
    if (!out) co_return out.error();
  }
  co_return CniResult<void>();
}

Awaitable<CniResult<void>> Chain::gc(const NetworkConfig& network, std::vector<AttachmentId> valid) {
  if (network.disable_gc || !at_least(network.cni_version, "1.1.0")) co_return CniResult<void>();
  const SteadyTime deadline = std::chrono::steady_clock::now() + timing_.gc_budget;
  CniError failed(code::kUnknown, "");
  for (const auto& plugin : network.plugins) {
    CO_TRY(std::string input, gc_input(network, plugin, valid));
    Call call{.command = "GC",
              .type = plugin.type,
              .stdin_data = std::move(input),
              .container_id = {},
              .netns = {},
              .ifname = {},
              .args = {},
              .deadline = deadline};
    auto out = co_await invoke(std::move(call));
    if (out) continue;
    failed.code = failed.msg.empty() ? out.error().code : failed.code;
    failed.msg += (failed.msg.empty() ? "" : "; ") + out.error().text();
  }
  if (!failed.msg.empty()) co_return failed;
  co_return CniResult<void>();
}

Awaitable<CniResult<void>> Chain::status(const NetworkConfig& network) {
  if (!at_least(network.cni_version, "1.1.0")) co_return CniResult<void>();
  const SteadyTime deadline = std::chrono::steady_clock::now() + timing_.status_budget;
  for (const auto& plugin : network.plugins) {
    CO_TRY(Json input, plugin_input(network, plugin));
    Call call{.command = "STATUS",
              .type = plugin.type,
              .stdin_data = dump(input),
              .container_id = {},
              .netns = {},
              .ifname = {},
              .args = {},
              .deadline = deadline};
    auto out = co_await invoke(std::move(call));
    if (!out) co_return out.error();
  }
  co_return CniResult<void>();
}

Awaitable<CniResult<std::vector<std::string>>> Chain::version(std::string type) {
  const Json input = {{"cniVersion", kCurrentVersion}};
  // Plugins built on old libraries want the other variables even for VERSION.
  Call call{.command = "VERSION",
            .type = std::move(type),
            .stdin_data = dump(input),
            .container_id = "dummy",
            .netns = "dummy",
            .ifname = "dummy",
            .args = {},
            .deadline = std::chrono::steady_clock::now() + timing_.status_budget};
  auto out = co_await invoke(std::move(call));
  if (out) co_return parse_version_info(*out);
  if (out.error().text().find("unknown CNI_COMMAND") != std::string::npos) {
    co_return std::vector<std::string>{std::string(kImplicitVersion)};
  }
  co_return out.error();
}

}  // namespace keelson::cni
