// What the runtime says of one pod, as plain values: the input of every decision about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"

namespace keelson::agent {

enum class RunState { created, running, exited, unknown };

struct ContainerUser {
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::vector<std::int64_t> supplemental_groups;
};

struct ContainerObservation {
  std::string id;
  std::string name;
  std::string sandbox_id;
  std::uint32_t attempt = 0;  // the pod API's restartCount
  RunState state = RunState::unknown;
  SystemTime created_at{}, started_at{}, finished_at{};
  int exit_code = 0;
  std::string reason;   // of the exit: Completed, Error, OOMKilled, ...
  std::string message;  // of the exit, termination message included
  std::string image;    // as the runtime names it
  std::string image_id;
  std::optional<std::uint64_t> hash;  // of the spec it was made from; unknown for a container of others
  std::string log_path;
  std::optional<ContainerUser> user;
};

struct SandboxObservation {
  std::string id;
  std::uint32_t attempt = 0;
  bool ready = false;
  bool host_network = false;
  SystemTime created_at{};
  std::vector<std::string> ips;
  bool released = false;  // the worker stopped it: its network is gone
};

struct PodObservation {
  std::vector<SandboxObservation> sandboxes;     // newest (highest attempt) first
  std::vector<ContainerObservation> containers;  // newest (highest attempt, then creation) first within a name

  // The n-th newest container of that name, or nullptr.
  [[nodiscard]] const ContainerObservation* find(const std::string& name, std::size_t nth = 0) const;
  // The newest container of that name in the newest sandbox, or nullptr: what an earlier sandbox ran does not count
  // for the order of init containers.
  [[nodiscard]] const ContainerObservation* find_current(const std::string& name) const;
  [[nodiscard]] const ContainerObservation* find_id(const std::string& id) const;
  [[nodiscard]] bool any_running() const;
};

// Sorts both lists into the order promised above.
void sort_newest_first(PodObservation& observation);

}  // namespace keelson::agent
