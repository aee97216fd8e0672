// What VolumeManager keeps of calls and operations; included by its sources only.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "volumes/manager.hpp"

namespace keelson::volumes {

// One per pod: how many operations run for it, and the wake-up of its (one) caller.
struct VolumeManager::PodState {
  explicit PodState(const Executor& executor) : changed(executor) {}
  Notifier changed;
  unsigned running = 0;
  std::map<std::string, SystemTime> refresh_at;  // by pod.spec.volumes[].name
};

// What one call has started and what came of it. Operations hold it too, so that they may outlive the call.
struct VolumeManager::Batch {
  std::multiset<std::string> pending;  // names of volumes
  unsigned started = 0;
  unsigned recorded = 0;
  std::vector<Error> errors;
  MountedVolumes mounted;
  SubPathMounts sub_paths;
  bool written = false;
};

// Stands for one running operation; lives in its coroutine's frame.
class VolumeManager::Token {
 public:
  Token(PodStatePtr s, BatchPtr b, std::string what) : state(std::move(s)), batch(std::move(b)), name(std::move(what)) {
    ++state->running;
    ++batch->started;
    batch->pending.insert(name);
  }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  ~Token() {
    --state->running;
    if (const auto found = batch->pending.find(name); found != batch->pending.end()) batch->pending.erase(found);
    state->changed.notify();
  }
  void record() { ++batch->recorded; }
  void fail(Error error) {
    record();
    batch->errors.push_back(std::move(error));
  }

  PodStatePtr state;
  BatchPtr batch;
  std::string name;
};

inline SteadyTime deadline_after(Nanoseconds timeout) {
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<SteadyTime::duration>(timeout);
}

}  // namespace keelson::volumes
