// A node without a runtime: pods come and go as expand() says, and the test says what becomes of them.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/standalone/workload_common.hpp"
#include "agent/standalone/workloads.hpp"

namespace keelson::agent::test {

inline constexpr SystemTime kStart = SystemTime(std::chrono::seconds(1'700'000'000));

// The objects of one manifest, which must be good.
inline ManifestSet load(const std::string& yaml) {
  auto set = load_manifests({{"app.yaml", yaml}});
  for (const auto& p : set.problems) FAIL(p.object << ": " << p.message);
  return set;
}

// A workload with a template of one container; `spec` and `pod` are further lines, indented by two spaces each level.
inline std::string workload(const std::string& kind, const std::string& name, const std::string& image,
                            const std::string& spec = "", const std::string& pod = "") {
  const bool job = kind == "Job";
  std::string out = std::string("apiVersion: ") + (job ? "batch/v1" : "apps/v1") + "\nkind: " + kind +
                    "\nmetadata: {name: " + name + "}\nspec:\n";
  if (!job) out += "  selector: {matchLabels: {app: " + name + "}}\n";
  return out + spec + "  template:\n    metadata: {labels: {app: " + name + "}}\n    spec:\n" + pod +
         "      containers: [{name: main, image: \"" + image + "\"}]\n";
}

inline kube::PodStatus status(const char* phase, bool ready, SystemTime since = kStart) {
  kube::PodStatus out;
  out.phase = phase;
  kube::PodCondition c;
  c.type = "Ready";
  c.status = ready ? "True" : "False";
  c.last_transition_time = since;
  out.conditions.push_back(std::move(c));
  return out;
}

inline std::string image_of(const kube::Pod& pod) { return pod.spec.containers.at(0).image; }

class FakeNode {
 public:
  ManifestSet set;
  SystemTime now = kStart;
  std::vector<ExistingPod> pods;
  JobRecords jobs;
  Expansion last;

  void apply(const std::string& yaml) { set = load(yaml); }

  // One look of the source: unwanted pods begin to stop, new ones are there unless their name is still in use.
  const Expansion& look() {
    last = expand(set, pods, "node1", now, jobs);
    jobs = last.jobs;
    std::set<std::string> wanted;
    for (const auto& p : last.pods) wanted.insert(p->metadata.uid);
    for (auto& p : pods) p.stopping = p.stopping || wanted.count(p.pod->metadata.uid) == 0;
    for (const auto& p : last.pods) {
      if (find(p->metadata.name) == nullptr) {
        pods.push_back({p, std::make_shared<const kube::PodStatus>(status("Pending", false, now)), false});
      }
    }
    return last;
  }

  void remove_stopped() {
    std::erase_if(pods, [](const auto& p) { return p.stopping; });
  }

  ExistingPod* find(const std::string& name) {
    const auto it = std::find_if(pods.begin(), pods.end(), [&](const auto& p) { return p.pod->metadata.name == name; });
    return it == pods.end() ? nullptr : &*it;
  }
  ExistingPod& at(const std::string& name) {
    auto* p = find(name);
    if (p == nullptr) FAIL("no pod " << name);
    return *p;
  }

  void set_status(ExistingPod& p, const char* phase, bool ready) const {
    p.status = std::make_shared<const kube::PodStatus>(status(phase, ready, now));
  }
  // The pods that run become ready, all or those of one image.
  void make_ready(const std::string& image = "") {
    for (auto& p : pods) {
      if (!p.stopping && !ready(p) && p.status->phase != "Failed" && (image.empty() || image_of(*p.pod) == image)) {
        set_status(p, "Running", true);
      }
    }
  }
  // The container of a Job's pod ended.
  void finish(ExistingPod& p, int exit_code) const {
    auto s = status(exit_code == 0 ? "Succeeded" : "Failed", false, now);
    kube::ContainerStatus c;
    c.name = "main";
    c.state.terminated.emplace().exit_code = exit_code;
    c.state.terminated->finished_at = now;
    s.container_statuses.push_back(std::move(c));
    p.status = std::make_shared<const kube::PodStatus>(std::move(s));
  }

  // Until nothing changes any more, with every pod becoming ready.
  void settle() {
    for (int i = 0; i < 50; ++i) {
      look();
      remove_stopped();
      make_ready();
    }
  }

  [[nodiscard]] int count(const std::function<bool(const ExistingPod&)>& which) const {
    return static_cast<int>(std::count_if(pods.begin(), pods.end(), which));
  }
  [[nodiscard]] int running() const {
    return count([](const auto& p) { return !p.stopping; });
  }
  [[nodiscard]] int running(const std::string& image) const {
    return count([&](const auto& p) { return !p.stopping && image_of(*p.pod) == image; });
  }
  [[nodiscard]] int ready_pods() const {
    return count([](const auto& p) { return ready(p); });
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& p : pods) {
      if (!p.stopping) out.insert(p.pod->metadata.name);
    }
    return out;
  }
  [[nodiscard]] std::set<std::string> uids() const {
    std::set<std::string> out;
    for (const auto& p : pods) {
      if (!p.stopping) out.insert(p.pod->metadata.uid);
    }
    return out;
  }
  [[nodiscard]] const WorkloadStatus& workload_status() const { return last.workloads.at(0); }
};

}  // namespace keelson::agent::test
