// Short ways to make the pods and observations of the tables.
#pragma once

#include <string>
#include <vector>

#include "agent/pod/plan.hpp"
#include "agent/spec/names.hpp"

namespace keelson::agent::test {

inline constexpr SystemTime kNow = SystemTime(std::chrono::seconds(1'700'000'000));

inline kube::Container container(std::string name) {
  kube::Container c;
  c.name = std::move(name);
  c.image = "app:1";
  return c;
}

inline kube::Container sidecar(std::string name) {
  auto c = container(std::move(name));
  c.restart_policy = "Always";
  return c;
}

inline kube::Pod pod(std::vector<kube::Container> containers, std::vector<kube::Container> init = {},
                     std::string restart_policy = "Always") {
  kube::Pod p;
  p.metadata.name = "web";
  p.metadata.ns = "default";
  p.metadata.uid = "u1";
  p.spec.containers = std::move(containers);
  p.spec.init_containers = std::move(init);
  p.spec.restart_policy = std::move(restart_policy);
  p.spec.termination_grace_period_seconds = 30;
  return p;
}

inline SandboxObservation sandbox(std::string id = "s0", std::uint32_t attempt = 0, bool ready = true) {
  SandboxObservation s;
  s.id = std::move(id);
  s.attempt = attempt;
  s.ready = ready;
  s.ips = {"10.0.0.7"};
  return s;
}

inline ContainerObservation seen(const kube::Container& c, RunState state, std::uint32_t attempt = 0,
                                 int exit_code = 0) {
  ContainerObservation o;
  o.id = c.name + "-" + std::to_string(attempt);
  o.name = c.name;
  o.sandbox_id = "s0";
  o.attempt = attempt;
  o.state = state;
  o.exit_code = exit_code;
  o.hash = spec::container_hash(c);
  o.created_at = kNow - std::chrono::seconds(60) + std::chrono::seconds(attempt);
  o.started_at = o.created_at;
  if (state == RunState::exited) {
    o.finished_at = kNow - std::chrono::seconds(1);
    o.reason = exit_code == 0 ? "Completed" : "Error";
  }
  return o;
}

inline PodObservation observed(std::vector<ContainerObservation> containers,
                               std::vector<SandboxObservation> sandboxes = {sandbox()}) {
  PodObservation o;
  o.containers = std::move(containers);
  o.sandboxes = std::move(sandboxes);
  sort_newest_first(o);
  return o;
}

}  // namespace keelson::agent::test
