// Runs a network's plugins in order for one operation: builds environment and stdin, threads prevResult, turns failures
// into CniErrors, retries code 11, and rolls a failed ADD back. Keeps no state: the caller journals and serialises.
// CNI spec sections 2 to 4; libcni/api.go.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/async.hpp"
#include "cni/config.hpp"
#include "cni/error.hpp"
#include "cni/exec.hpp"
#include "cni/result.hpp"

namespace keelson::cni {

using Args = std::vector<std::pair<std::string, std::string>>;

// "K=V;K=V" into pairs and back; a part without '=' is an error (code 4 in the protocol).
Result<Args> parse_args(std::string_view text);
[[nodiscard]] std::string render_args(const Args& args);
// The value of `key`, or empty.
[[nodiscard]] std::string find_arg(const Args& args, std::string_view key);

struct Attachment {
  std::string container_id;
  std::string netns;  // may be empty for DEL
  std::string ifname;
  Args args;                   // CNI_ARGS
  std::string runtime_config;  // JSON object {capability: value}; empty: none
};

struct AttachmentId {
  std::string container_id;
  std::string ifname;
  auto operator<=>(const AttachmentId&) const = default;
};

// A plugin that works just now.
struct RunningPlugin {
  std::string command;  // "ADD"
  std::string type;
  std::string container_id, pod_uid;  // pod_uid: empty where the runtime does not tell it
  SteadyTime since, deadline;
};

struct ChainTiming {
  Milliseconds add_budget{120'000};  // all plugins and all retries together
  Milliseconds del_budget{60'000};
  Milliseconds check_budget{30'000};
  Milliseconds gc_budget{30'000};
  Milliseconds status_budget{2'000};
  Milliseconds retry_initial{250};  // pause after the first code 11; doubles
  Milliseconds retry_max{5'000};
};

// The pause before the try after failure number `failures` (1, 2, ...).
[[nodiscard]] Milliseconds retry_pause(const ChainTiming& timing, unsigned failures);

struct AddOutcome {
  CniResult<AddResult> result;
  bool rolled_back = false;  // after a failure: every plugin's DEL succeeded, nothing is left
};

class Chain {
 public:
  // `exec` must outlive the chain and every operation.
  Chain(PluginExec& exec, std::vector<std::filesystem::path> bin_dirs, ChainTiming timing = {});

  // ADD forward through the list. When a plugin fails, the whole list gets a DEL, so that nothing is left; code 11 is
  // then tried again until the budget is spent. When the rollback failed, the caller owes a DEL. When cancelled,
  // plugins are killed and operation_aborted is thrown: DEL is the caller's then, too.
  Awaitable<AddOutcome> add(const NetworkConfig& network, Attachment attachment);

  // DEL backward. `prev_result`: the ADD's result as JSON, empty when there is none. Code 11 is tried again in the
  // budget.
  Awaitable<CniResult<void>> del(const NetworkConfig& network, Attachment attachment, std::string prev_result);

  // CHECK forward; success at once when the list disables it or is older than 0.4.0.
  Awaitable<CniResult<void>> check(const NetworkConfig& network, Attachment attachment, std::string prev_result);

  // GC forward, all plugins even when one fails; success at once when the list disables it or is older than 1.1.0.
  Awaitable<CniResult<void>> gc(const NetworkConfig& network, std::vector<AttachmentId> valid);

  // STATUS forward, the first error; success at once for lists older than 1.1.0.
  Awaitable<CniResult<void>> status(const NetworkConfig& network);

  // The versions that a plugin supports. One that does not know VERSION is taken for 0.1.0.
  Awaitable<CniResult<std::vector<std::string>>> version(std::string type);

  // The first plugin binary of the list that is missing, as an error.
  Result<void> find_all(const NetworkConfig& network) const;

  [[nodiscard]] const ChainTiming& timing() const { return timing_; }
  [[nodiscard]] const std::list<RunningPlugin>& running() const { return *running_; }

 private:
  struct Call;
  class Turn;
  Awaitable<CniResult<std::string>> invoke(Call call);
  Awaitable<CniResult<std::string>> add_once(const NetworkConfig& network, const Attachment& attachment,
                                             SteadyTime deadline);
  Awaitable<CniResult<void>> del_once(const NetworkConfig& network, const Attachment& attachment,
                                      const std::string& prev_result, SteadyTime deadline);

  PluginExec& exec_;
  std::vector<std::filesystem::path> bin_dirs_;
  ChainTiming timing_;
  std::shared_ptr<std::list<RunningPlugin>> running_;  // shared: a call that is cut off may end after the chain
};

}  // namespace keelson::cni
