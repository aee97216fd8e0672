#include "cni/shim/standalone.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "base/log.hpp"
#include "cni/store.hpp"

namespace keelson::cni {
namespace {

// Runs the chain on a loop of its own; the loop ends with it.
CniResult<void> run_chain(const ShimOptions& options, const AttachmentRecord& record, const Attachment& attachment) {
  TRY(NetworkConfig network, parse_network_list(record.config, {}));
  asio::io_context io(1);
  ProcessExec exec(io.get_executor());
  Chain chain(exec, options.bin_dirs);
  std::optional<CniResult<void>> result;
  Attachment merged = record.attachment;
  merged.netns = attachment.netns;
  asio::co_spawn(io, chain.del(network, std::move(merged), record.result),
                 [&result](const std::exception_ptr& failed, CniResult<void> outcome) {
                   if (!failed) result = std::move(outcome);
                 });
  io.run();
  if (!result) return CniError(code::kInternal, "DEL ended without a result");
  return std::move(*result);
}

CniResult<void> delete_record(const ShimOptions& options, const Attachment& attachment) {
  const AttachmentStore store(options.state_dir / "attachments");
  const AttachmentId id{attachment.container_id, attachment.ifname};
  TRY(auto record, store.get(id));
  if (!record) return {};
  record->state = AttachmentState::deleting;
  if (auto noted = store.put(*record); !noted) log_warn("intent of DEL not stored", {{"error", noted.error()}});
  CHECK_OK(run_chain(options, *record, attachment));
  CHECK_OK(store.remove(id));
  return {};
}

}  // namespace

CniResult<StandaloneDel> delete_standalone(const ShimOptions& options, const Attachment& attachment,
                                           const std::string& stdin_data) {
  auto lock = StateLock::acquire(options.state_dir, StateLock::Mode::shim, false);
  if (lock && !*lock) return StandaloneDel::agent_is_up;
  if (lock) {
    const auto deleted = delete_record(options, attachment);
    if (deleted) return StandaloneDel::done;
    log_warn("DEL without the agent failed, leaving it to the agent", {{"error", deleted.error().text()}});
  } else {
    log_warn("state of the agent cannot be locked", {{"error", lock.error()}});
  }
  return write_tombstone(options, attachment, stdin_data);
}

CniResult<StandaloneDel> write_tombstone(const ShimOptions& options, const Attachment& attachment,
                                         const std::string& stdin_data) {
  const Spool spool(options.state_dir / "spool");
  Tombstone tombstone{attachment, stdin_data};
  if (auto written = spool.put(tombstone); !written) return CniError(written.error().context("tombstone"));
  return StandaloneDel::deferred;
}

}  // namespace keelson::cni
