#include "agent/cluster/preemption.hpp"

#include <algorithm>
#include <array>

#include "agent/spec/qos.hpp"

namespace keelson::agent {
namespace {

using Pods = std::vector<const kube::Pod*>;
struct Requirement {
  std::string resource;
  std::int64_t amount = 0;
};
using Requirements = std::vector<Requirement>;

bool matters_less(const kube::Pod& other, const kube::Pod& critical) {
  if (!spec::is_critical_pod(other)) return true;
  return other.spec.priority && critical.spec.priority && *other.spec.priority < *critical.spec.priority;
}

// What is still missing once `gone` have ended.
Requirements without(Requirements missing, const Pods& gone) {
  for (auto& r : missing) {
    for (const auto* pod : gone) r.amount -= request_of(*pod, r.resource);
  }
  missing.erase(std::remove_if(missing.begin(), missing.end(), [](const auto& r) { return r.amount <= 0; }),
                missing.end());
  return missing;
}

// How far the pod alone is from giving what is missing: 0 where it gives all of it.
double distance(const kube::Pod& pod, const Requirements& missing) {
  double out = 0;
  for (const auto& r : missing) {
    const double share = static_cast<double>(request_of(pod, r.resource)) / static_cast<double>(r.amount);
    if (share < 1) out += (1 - share) * (1 - share);
  }
  return out;
}

bool takes_less(const kube::Pod& a, const kube::Pod& b) {
  for (const auto* resource : {"memory", "cpu", "ephemeral-storage"}) {
    const auto of_a = request_of(a, resource), of_b = request_of(b, resource);
    if (of_a != of_b) return of_a < of_b;
  }
  return false;
}

// Takes the pods that come nearest until nothing is missing; of those that come as near, the smallest.
Pods nearest(Pods candidates, Requirements missing) {
  Pods out;
  while (!missing.empty() && !candidates.empty()) {
    const auto best = std::min_element(candidates.begin(), candidates.end(), [&](const auto* a, const auto* b) {
      const double of_a = distance(*a, missing), of_b = distance(*b, missing);
      return of_a != of_b ? of_a < of_b : takes_less(*a, *b);
    });
    out.push_back(*best);
    missing = without(std::move(missing), {*best});
    candidates.erase(best);
  }
  return out;
}

Pods joined(Pods a, const Pods& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

Pods choose_preempted(const AdmissionInput& in) {
  if (!spec::is_critical_pod(in.pod)) return {};
  Pods best_effort, burstable, guaranteed, kept;
  for (const auto* other : in.others) {
    if (!matters_less(*other, in.pod)) {
      kept.push_back(other);
      continue;
    }
    const auto qos = spec::qos_class(*other);
    (qos == spec::Qos::best_effort ? best_effort
     : qos == spec::Qos::burstable ? burstable
                                   : guaranteed)
        .push_back(other);
  }
  // Nothing but resources may stand in the way, and ending all of them must be enough.
  AdmissionInput alone{in.pod,      in.node,          kept,    in.allowed_sysctls, in.from_folder,
                       in.pressure, in.shutting_down, in.facts};
  if (admit(alone)) return {};

  Requirements missing;
  for (const auto& s : shortages(in)) missing.push_back({s.resource, s.missing()});
  const auto third = nearest(guaranteed, without(missing, joined(best_effort, burstable)));
  const auto second = nearest(burstable, without(missing, joined(best_effort, third)));
  const auto first = nearest(best_effort, without(missing, joined(second, third)));
  return joined(joined(first, second), third);
}

}  // namespace keelson::agent
