// What the manager keeps of one operation while it runs. Internal to manager*.cpp.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "cni/manager.hpp"

namespace keelson::cni {

// Places held by one operation. Released in reverse order of declaration: gate, container, then the lock itself.
struct Manager::Guards {
  std::shared_ptr<SharedLock> container_lock;
  SharedLock::Guard container;
  SharedLock::Guard gate;
};

struct Manager::Operation {
  Operation(const Executor& executor, Attachment a, bool add)
      : attachment(std::move(a)), is_add(add), done(executor), inner(executor) {}
  [[nodiscard]] AttachmentId id() const { return {attachment.container_id, attachment.ifname}; }
  // The caller does not want the ADD any more: its plugins are killed, the DEL follows.
  void abandon() {
    abandoned = true;
    inner.cancel();
  }

  Attachment attachment;
  bool is_add;
  bool abandoned = false;
  NetworkConfig network;                      // the default network when the ADD began
  AttachmentRecord record;                    // what the store has
  std::optional<AddOutcome> outcome;          // the chain's; nothing: it was killed
  std::optional<CniResult<AddResult>> added;  // nothing: the operation was cut short by stop()
  std::optional<CniResult<void>> deleted;
  Notifier done;    // operation -> the one caller
  TaskGroup inner;  // the ADD's chain
};

// Keeps the operation findable while it runs, and wakes its caller at the end however it ends.
class Manager::Registration {
 public:
  Registration(std::set<std::shared_ptr<Operation>>& all, std::shared_ptr<Operation> op)
      : all_(all), op_(std::move(op)) {
    all_.insert(op_);
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration() {
    op_->inner.cancel();
    op_->done.notify();
    all_.erase(op_);
  }

 private:
  std::set<std::shared_ptr<Operation>>& all_;
  std::shared_ptr<Operation> op_;
};

// In add()'s frame: a caller that leaves before the operation is done has gone away.
struct Manager::CallerGuard {
  std::shared_ptr<Operation> op;
  ~CallerGuard() {
    if (!op->added) op->abandon();
  }
};

}  // namespace keelson::cni
