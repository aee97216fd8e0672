// Brings pods' statuses to the API server, and ends the deletion of pods whose work here is done. Each pod has at most
// one request under way; what changes meanwhile goes out with the next. Nothing is lost while the API server is away:
// the newest status is kept and written when it is back.
// After upstream's pkg/kubelet/status/status_manager.go.
//
//   worker -> set(), finished();  pod watch -> observed(), forgotten();  this -> PATCH pods/NAME/status, DELETE
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "base/semaphore.hpp"
#include "base/task_group.hpp"
#include "kube/client/api.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

class StatusWriter {
 public:
  // `api` must outlive this.
  StatusWriter(Executor executor, kube::Api& api);

  // `uid` is the pod's on this node. For a static pod the API server knows its mirror, whose UID is another.

  // The API server shows the pod like this.
  void observed(const std::string& uid, std::shared_ptr<const kube::Pod> pod);
  // The API server does not have the pod any more.
  void forgotten(const std::string& uid);
  // This node says that the status is this.
  void set(const std::string& uid, std::shared_ptr<const kube::PodStatus> status);
  // Nothing of the pod is left on this node: once its last status is written, a pod that is being deleted is.
  void finished(const std::string& uid);

  // Until cancelled.
  Awaitable<void> run();
  // Ends what is under way.
  Awaitable<void> stop();
  // Statuses that are not written yet, for `keelson status`.
  [[nodiscard]] std::size_t pending() const;

 private:
  struct Entry {
    std::shared_ptr<const kube::Pod> api;         // null: the API server has not shown it
    std::shared_ptr<const kube::PodStatus> ours;  // null: nothing to say yet
    bool finished = false;
    bool dirty = false;
    bool busy = false;
    Nanoseconds delay{0};  // before the next try, after a failure
    Notifier* news = nullptr;  // set while it is held back for more to follow
  };
  enum class Outcome { done, again, failed };

  void touch(Entry& entry);
  Awaitable<void> write(std::string uid);
  Awaitable<void> hold_back(std::string uid);
  Awaitable<Outcome> step(std::string uid);
  Awaitable<Outcome> patch(std::string uid, std::string body);
  Awaitable<Outcome> remove(std::string uid);
  Outcome failure(const std::string& uid, const char* what, const Error& error);

  Executor executor_;
  kube::Api& api_;
  std::map<std::string, Entry> entries_;  // by UID
  Semaphore places_;
  Notifier wake_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
