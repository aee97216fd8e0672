// What follows from observations over time: which thresholds count, which conditions the node has, and what to do next.
// Pure: the shell asks step() after each observation. After upstream's pkg/kubelet/eviction/eviction_manager.go.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/eviction/thresholds.hpp"

namespace keelson::agent {

class EvictionState {
 public:
  // `transition`: evictionPressureTransitionPeriod.
  EvictionState(std::vector<Threshold> thresholds, Nanoseconds transition)
      : thresholds_(std::move(thresholds)), transition_(transition) {}

  // Takes what is seen at `now`. The thresholds that call for something to be reclaimed, in the order in which they are
  // to be dealt with: memory before the others, hard before soft; a threshold that was met stays until its minimum
  // reclaim is free as well, a soft one counts after its grace period.
  std::vector<Threshold> step(const Observations& observations, SystemTime now);

  // MemoryPressure, DiskPressure, PIDPressure: those that hold now. One holds on for the transition period.
  [[nodiscard]] std::set<std::string> conditions(SystemTime now) const;
  // When time alone changes something: a grace period or a transition period ends.
  [[nodiscard]] std::optional<SystemTime> wake_at(SystemTime now) const;
  [[nodiscard]] const std::vector<Threshold>& thresholds() const { return thresholds_; }

 private:
  std::vector<Threshold> thresholds_;
  Nanoseconds transition_;
  std::vector<Threshold> met_;
  std::vector<SystemTime> since_;                             // as met_
  std::map<std::string, SystemTime, std::less<>> last_seen_;  // by condition
};

}  // namespace keelson::agent
