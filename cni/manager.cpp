#include "cni/manager.hpp"

#include <sys/vfs.h>

#include <algorithm>

#include "base/log.hpp"
#include "cni/operation.hpp"

namespace keelson::cni {
namespace {

constexpr std::size_t kRememberedDeletes = 1024;

// True for the path of a network namespace; a bind-mounted one whose mount is gone is a plain file.
bool is_netns(const std::string& path) {
  constexpr unsigned long kNsfs = 0x6e736673;
  struct statfs fs {};
  return !path.empty() && ::statfs(path.c_str(), &fs) == 0 && static_cast<unsigned long>(fs.f_type) == kNsfs;
}

RecordSummary summarize(const AttachmentRecord& record) {
  return {record.state, record.network_name, record.attachment.netns, record.pod_uid, record.created};
}

// Taken on the pool: whatever shim is at work without us is waited for.
Result<std::optional<StateLock>> open_state(const AttachmentStore& store, const std::filesystem::path& state_dir) {
  TRY(auto lock, StateLock::acquire(state_dir, StateLock::Mode::agent, true));
  CHECK_OK(store.open());
  return lock;
}

CniResult<void> validate(const Attachment& attachment) {
  if (auto good = validate_container_id(attachment.container_id); !good) {
    return CniError(code::kInvalidEnvironment, "CNI_CONTAINERID: " + good.error().message);
  }
  if (auto good = validate_interface_name(attachment.ifname); !good) {
    return CniError(code::kInvalidEnvironment, "CNI_IFNAME: " + good.error().message);
  }
  return {};
}

// Puts what the agent knows about the pod over what the runtime sent.
Result<void> apply_lookup(const RuntimeConfigLookup& lookup, const std::string& pod_uid, Attachment& attachment) {
  if (!lookup || pod_uid.empty()) return {};
  const auto extra = lookup(pod_uid);
  if (!extra) return {};
  TRY(attachment.runtime_config, merge_runtime_config(attachment.runtime_config, render_runtime_config(*extra)));
  return {};
}

}  // namespace

bool decide_reconcile(const RecordSummary& record, bool live, bool netns_exists, std::int64_t now, Seconds orphan_age) {
  if (record.state != AttachmentState::added) return true;
  if (live) return false;
  return !netns_exists || now - record.created >= orphan_age.count();
}

Manager::Manager(const Executor& executor, BlockingPool& pool, PluginExec& exec, ManagerOptions options,
                 RuntimeConfigLookup lookup)
    : executor_(executor),
      pool_(pool),
      options_(std::move(options)),
      lookup_(std::move(lookup)),
      chain_(exec, options_.bin_dirs, options_.timing),
      store_(options_.state_dir / "attachments", options_.durability),
      spool_(options_.state_dir / "spool"),
      gate_(executor),
      reconcile_lock_(executor),
      cleanups_(executor),
      tasks_(executor) {
  if (!options_.netns_exists) options_.netns_exists = is_netns;
}

Manager::~Manager() = default;

Awaitable<Result<void>> Manager::start() {
  auto job = [store = store_, dir = options_.state_dir] { return open_state(store, dir); };
  auto opened = co_await pool_.run(std::move(job));
  if (!opened) co_return opened.error().context("CNI state");
  state_lock_ = std::move(*opened);
  auto load = [store = store_] { return store.load(); };
  auto loaded = co_await pool_.run(std::move(load));
  if (!loaded) co_return loaded.error().context("CNI state");
  for (const auto& record : *loaded) records_[record.id()] = summarize(record);
  co_await load_networks();
  tasks_.spawn("CNI conf dir watch", watch_networks());
  co_return Result<void>();
}

Awaitable<void> Manager::stop() {
  const auto running = operations_;
  tasks_.cancel();
  cleanups_.cancel();
  for (const auto& op : running) {
    op->inner.cancel();
    co_await op->inner.join();
  }
  co_await cleanups_.join();
  co_await tasks_.join();
  state_lock_.reset();
}

std::int64_t Manager::now_seconds() const {
  return std::chrono::duration_cast<Seconds>(options_.clock->now().time_since_epoch()).count();
}

const NetworkConfig* Manager::default_network() const {
  return conf_.networks.empty() ? nullptr : &conf_.networks.front();
}

void Manager::remember_deleted(const AttachmentId& id) {
  if (std::find(deleted_.begin(), deleted_.end(), id) != deleted_.end()) return;
  deleted_.push_back(id);
  if (deleted_.size() > kRememberedDeletes) deleted_.pop_front();
}

Awaitable<Manager::Guards> Manager::lock_container(std::string container_id) {
  auto& slot = containers_[container_id];
  auto lock = slot.lock();
  if (!lock) {
    lock = std::make_shared<SharedLock>(executor_);
    slot = lock;
  }
  Guards guards;
  guards.container_lock = lock;
  // First the container, then the gate: one that queues behind its own predecessor does not keep GC out meanwhile.
  guards.container = co_await lock->exclusive();
  guards.gate = co_await gate_.shared();
  std::erase_if(containers_, [](const auto& entry) { return entry.second.expired(); });
  co_return guards;
}

Awaitable<Result<void>> Manager::write_record(AttachmentRecord record) {
  const RecordSummary summary = summarize(record);
  const AttachmentId id = record.id();
  auto job = [store = store_, record = std::move(record)] { return store.put(record); };
  auto written = co_await pool_.run(std::move(job));
  if (!written) co_return written.error().context("attachment store");
  records_[id] = summary;
  co_return Result<void>();
}

Awaitable<Result<void>> Manager::erase_record(AttachmentId id) {
  auto job = [store = store_, id] { return store.remove(id); };
  auto removed = co_await pool_.run(std::move(job));
  if (!removed) co_return removed.error().context("attachment store");
  records_.erase(id);
  co_return Result<void>();
}

Awaitable<Result<std::optional<AttachmentRecord>>> Manager::read_record(AttachmentId id) {
  if (!records_.contains(id)) co_return std::optional<AttachmentRecord>();
  auto job = [store = store_, id] { return store.get(id); };
  auto record = co_await pool_.run(std::move(job));
  if (record && !*record) records_.erase(id);  // it was set aside
  co_return record;
}

Awaitable<CniResult<AddResult>> Manager::add(Attachment attachment) {
  CO_CHECK_OK(validate(attachment));
  if (attachment.netns.empty()) co_return CniError(code::kInvalidEnvironment, "CNI_NETNS: required for ADD");
  auto op = std::make_shared<Operation>(executor_, std::move(attachment), true);
  const CallerGuard abort_on_exit{op};
  tasks_.spawn("CNI ADD", run_add(op));
  co_await op->done.wait();
  if (!op->added) co_return CniError(code::kTryAgainLater, "the operation was cut short");
  co_return std::move(*op->added);
}

Awaitable<void> Manager::run_add(std::shared_ptr<Operation> op) {
  const Registration registered(operations_, op);
  const auto guards = co_await lock_container(op->attachment.container_id);
  if (!op->abandoned) co_await perform_add(op);
}

Awaitable<void> Manager::perform_add(std::shared_ptr<Operation> op) {
  const AttachmentId id = op->id();
  if (records_.contains(id)) {
    log_info("ADD for an attachment that exists: deleting it first", {{"container", id.container_id}});
    const auto deleted = co_await delete_recorded(id, op->attachment.netns);
    if (!deleted) {
      op->added = deleted.error().context("DEL of the previous attachment");
      co_return;
    }
  }
  const NetworkConfig* network = default_network();
  if (!network) {
    const auto now = co_await status();
    op->added = CniError(code::kTryAgainLater, now.message);
    co_return;
  }
  op->network = *network;
  op->record.pod_uid = find_arg(op->attachment.args, "K8S_POD_UID");
  if (auto merged = apply_lookup(lookup_, op->record.pod_uid, op->attachment); !merged) {
    op->added = CniError(merged.error());
    co_return;
  }
  op->record.attachment = op->attachment;
  op->record.network_name = op->network.name;
  op->record.config = op->network.json;
  op->record.created = now_seconds();
  std::erase(deleted_, id);
  const auto journalled = co_await write_record(op->record);
  if (!journalled) {
    op->added = CniError(journalled.error());
    co_return;
  }
  op->inner.spawn("CNI ADD chain", run_chain_add(op));
  co_await op->inner.join();
  co_await settle_add(op);
}

// The part of an ADD that is killed when the caller goes away; everything around it goes on.
Awaitable<void> Manager::run_chain_add(std::shared_ptr<Operation> op) {
  if (op->abandoned) co_return;
  auto outcome = co_await chain_.add(op->network, op->attachment);
  op->outcome = std::move(outcome);
}

// After the chain: keep the result, or see to it that nothing is left.
Awaitable<void> Manager::settle_add(std::shared_ptr<Operation> op) {
  CniResult<AddResult> result = op->outcome ? std::move(op->outcome->result)
                                            : CniResult<AddResult>(CniError(code::kTryAgainLater, "ADD was aborted"));
  bool clean = op->outcome && op->outcome->rolled_back;
  if (result && !op->abandoned) {
    const auto kept = co_await keep_result(op, *result);
    if (!kept) result = kept.error();
  } else if (result) {
    result = CniError(code::kTryAgainLater, "ADD was aborted");
  }
  if (!result) co_await undo_add(op, clean);
  op->added = std::move(result);
}

// Removes what a failed ADD left: only the record when the chain rolled back (`clean`), else by DEL. A plugin may give up
// at what the ADD was cut before (bridge at its masquerade chain, and keeps the address); a second DEL, which finds
// gone what the first removed, goes on past that. One that fails, too, leaves the record, and with it the debt.
Awaitable<void> Manager::undo_add(std::shared_ptr<Operation> op, bool clean) {
  const AttachmentId id = op->id();
  if (clean) {
    const auto erased = co_await erase_record(id);
    if (!erased) {
      log_error("attachment record not removed", {{"container", id.container_id}, {"error", erased.error()}});
    }
    remember_deleted(id);
    co_return;
  }
  log_warn("ADD was not completed, deleting", {{"container", id.container_id}, {"abandoned", op->abandoned}});
  auto deleted = co_await delete_recorded(id, op->attachment.netns);
  if (!deleted) {
    log_warn("DEL failed, once more", {{"container", id.container_id}, {"error", deleted.error().text()}});
    deleted = co_await delete_recorded(id, op->attachment.netns);
  }
  if (!deleted) {
    log_error("DEL failed and is owed", {{"container", id.container_id}, {"error", deleted.error().text()}});
  }
}

Awaitable<CniResult<void>> Manager::keep_result(std::shared_ptr<Operation> op, const AddResult& result) {
  CO_TRY(op->record.result, render_result(result, op->network.cni_version));
  op->record.state = AttachmentState::added;
  const auto written = co_await write_record(op->record);
  if (!written) co_return CniError(written.error());
  co_return CniResult<void>();
}

Awaitable<CniResult<void>> Manager::del(Attachment attachment) {
  CO_CHECK_OK(validate(attachment));
  auto op = std::make_shared<Operation>(executor_, std::move(attachment), false);
  tasks_.spawn("CNI DEL", run_del(op));
  co_await op->done.wait();
  if (!op->deleted) co_return CniError(code::kTryAgainLater, "the operation was cut short");
  co_return std::move(*op->deleted);
}

Awaitable<void> Manager::run_del(std::shared_ptr<Operation> op) {
  const Registration registered(operations_, op);
  // An ADD of the same container that still runs is not wanted any more: end it, then delete what it left.
  for (const auto& other : operations_) {
    if (other != op && other->id() == op->id() && other->is_add) other->abandon();
  }
  const auto guards = co_await lock_container(op->attachment.container_id);
  const AttachmentId id = op->id();
  if (records_.contains(id)) {
    op->deleted = co_await delete_recorded(id, op->attachment.netns);
  } else if (std::find(deleted_.begin(), deleted_.end(), id) != deleted_.end()) {
    op->deleted = CniResult<void>();
  } else {
    op->deleted = co_await delete_unknown(op->attachment);
  }
}

// DEL with the config, arguments and result of the record. `netns` is what the runtime says now: empty when it is gone.
Awaitable<CniResult<void>> Manager::delete_recorded(AttachmentId id, std::string netns) {
  auto read = co_await read_record(id);
  if (!read) co_return CniError(read.error());
  if (!*read) {
    Attachment attachment{
        .container_id = id.container_id, .netns = netns, .ifname = id.ifname, .args = {}, .runtime_config = {}};
    co_return co_await delete_unknown(std::move(attachment));
  }
  AttachmentRecord record = std::move(**read);
  auto network = parse_network_list(record.config, {});
  if (!network) co_return CniError(network.error());
  if (record.state != AttachmentState::deleting) {
    record.state = AttachmentState::deleting;
    // Not being able to note it (a full disk) is no reason to leave the network up: any record says that a DEL is owed
    // once its sandbox is gone.
    const auto written = co_await write_record(record);
    if (!written) log_warn("intent of DEL not stored", {{"container", id.container_id}, {"error", written.error()}});
  }
  Attachment attachment = record.attachment;
  attachment.netns = netns;
  auto deleted = co_await chain_.del(*network, std::move(attachment), record.result);
  if (!deleted) co_return deleted;
  const auto erased = co_await erase_record(id);
  if (!erased) co_return CniError(erased.error());
  remember_deleted(id);
  co_return CniResult<void>();
}

// DEL of something that is not in the store, with the present config: nothing that we know of is there, so a failure is
// told in the log and not to the runtime, which would keep the pod for ever.
Awaitable<CniResult<void>> Manager::delete_unknown(Attachment attachment) {
  const NetworkConfig* network = default_network();
  if (!network) co_return CniResult<void>();
  const NetworkConfig config = *network;
  const AttachmentId id{attachment.container_id, attachment.ifname};
  const auto deleted = co_await chain_.del(config, std::move(attachment), std::string());
  if (!deleted) {
    log_warn("DEL of an unknown attachment failed",
             {{"container", id.container_id}, {"error", deleted.error().text()}});
  } else {
    remember_deleted(id);
  }
  co_return CniResult<void>();
}

Awaitable<CniResult<void>> Manager::check(Attachment attachment) {
  CO_CHECK_OK(validate(attachment));
  const auto guards = co_await lock_container(attachment.container_id);
  const AttachmentId id{attachment.container_id, attachment.ifname};
  auto read = co_await read_record(id);
  if (!read) co_return CniError(read.error());
  if (!*read || (*read)->state != AttachmentState::added) {
    co_return CniError(code::kContainerUnknown, "container " + id.container_id + " has no attachment " + id.ifname);
  }
  AttachmentRecord record = std::move(**read);
  auto network = parse_network_list(record.config, {});
  if (!network) co_return CniError(network.error());
  if (!attachment.netns.empty()) record.attachment.netns = attachment.netns;
  co_return co_await chain_.check(*network, record.attachment, record.result);
}

}  // namespace keelson::cni
