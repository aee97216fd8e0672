// A pod's probes as the manager keeps them, and how what the agent observes moves them. No I/O and no timers here: the
// manager runs what is due.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.hpp"
#include "probes/observed.hpp"
#include "probes/target.hpp"
#include "probes/threshold.hpp"

namespace keelson::probes {

inline constexpr std::array kTypes = {ProbeType::liveness, ProbeType::readiness, ProbeType::startup};

struct Worker;
struct PodEntry;
using Queue = std::set<std::pair<SteadyTime, Worker*>>;

struct ContainerEntry {
  PodEntry* pod = nullptr;
  std::string name;
  std::string id;
  bool running = false;
  SteadyTime started_at{};
  std::array<std::shared_ptr<Worker>, kTypes.size()> workers;  // by ProbeType; null: no such probe

  [[nodiscard]] Worker* worker(ProbeType type) const { return workers[static_cast<std::size_t>(type)].get(); }
};

// One probe of one container of the spec; it outlives the container's instances.
struct Worker {
  explicit Worker(ProbeType type) : threshold(type) {}

  ContainerEntry* container = nullptr;  // null: removed, an attempt under way ends unheard
  Threshold threshold;
  Timing timing;
  Result<Target> target = Error{};
  std::string output;       // of the last failed run that counted
  std::uint32_t epoch = 0;  // counts begin, adopt and halt: a result of an earlier epoch is dropped
  bool busy = false;        // an attempt is under way
  bool blocked = false;     // the pod's IP is needed and not known
  Queue::node_type node;    // its place in the queue while it has none there
  SteadyTime queued = SteadyTime::max();
  std::uint64_t successful = 0, failed = 0, unknown = 0;
  SteadyTime launched{};
  Histogram seconds{kDefaultBounds};  // of runs that succeeded or came to nothing
};

struct PodEntry {
  std::string uid;
  std::shared_ptr<const kube::Pod> pod;
  std::string pod_ip;
  bool terminating = false;
  std::vector<std::unique_ptr<ContainerEntry>> containers;

  [[nodiscard]] ContainerEntry* find(std::string_view name) const {
    for (const auto& container : containers) {
      if (container->name == name) return container.get();
    }
    return nullptr;
  }
};

// The moment at which something was observed.
struct Moment {
  SystemTime wall;
  SteadyTime now;
  SystemTime agent_start;
  std::function<double()> random;  // in [0, 1)
};

// Makes the entries fit pod.pod's spec and pod.pod_ip. Returns the probes that are no more; their `container` is null.
std::vector<std::shared_ptr<Worker>> read_spec(PodEntry& pod, SteadyTime now);

// Moves the container's probes to what was observed of it; null: it was not created.
void observe(ContainerEntry& container, const ObservedContainer* observed, const Moment& moment);

// The startup probe has passed: the other probes begin.
void open_gate(ContainerEntry& container, SteadyTime now);

// The pod is terminating: nobody restarts its containers any more, liveness and startup end as successful.
void end_decisions(ContainerEntry& container, SteadyTime now);

// It runs and has passed its startup probe, if it has one.
[[nodiscard]] bool is_started(const ContainerEntry& container);

}  // namespace keelson::probes
