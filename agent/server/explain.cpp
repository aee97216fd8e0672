#include "agent/server/explain.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/journal/journal.hpp"
#include "agent/server/api.hpp"
#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

const char* kind_name(EntryKind kind) {
  switch (kind) {
    case EntryKind::step:
      return "step";
    case EntryKind::normal:
      return "Normal";
    case EntryKind::warning:
      return "Warning";
  }
  return "step";
}

json entry_json(const JournalEntry& e) {
  json out = {{"kind", kind_name(e.kind)},
              {"first", kube::format_nano_time(e.first)},
              {"last", kube::format_nano_time(e.last)},
              {"object", e.object},
              {"reason", e.reason},
              {"message", e.message},
              {"count", e.count}};
  if (e.took) out["tookSeconds"] = std::chrono::duration<double>(*e.took).count();
  return out;
}

json wait_json(const JournalWait& w) {
  json out = {{"object", w.object},
              {"what", w.what},
              {"why", w.why},
              {"since", kube::format_nano_time(w.since)},
              {"hint", w.hint}};
  if (w.until) out["retryAt"] = kube::format_nano_time(*w.until);
  return out;
}

// What a person can do about a step that lasts: who does it, what bounds it, where to look.
std::string_view step_hint(std::string_view what) {
  static constexpr std::pair<std::string_view, std::string_view> kHints[] = {
      {"look",
       "the container runtime does not answer: is it running, or overloaded? Given up after 2m, then tried again"},
      {"wait for its turn", "other pods are being started; parallelPodStarts says how many at a time"},
      {"inspect image",
       "the runtime's image service does not answer: see its log. Given up after 2m, then tried again"},
      {"set up", "somebody else's storage or a large copy; see the mounts of the pod's folder"},
      {"create sandbox",
       "the runtime and the CNI plugins do this: see their logs. Given up after 4m, then tried again"},
      {"create", "the runtime prepares the container: see its log. Given up after 2m, then tried again"},
      {"start", "the runtime starts the process: see its log. Given up after 2m, then tried again"},
      {"postStart", "a hook has no time limit: see what it does with `keelson exec`, or correct it"},
      {"preStop", "the hook may use up the pod's terminationGracePeriodSeconds, not more"},
      {"stop", "its process may take terminationGracePeriodSeconds to end, then it is killed"},
      {"stop sandbox", "the runtime and the CNI plugins do this: see their logs. Given up after 2m, then tried again"},
      {"remove", "the runtime removes what is left: see its log. Given up after 2m, then tried again"},
  };
  for (const auto& [step, hint] : kHints) {
    if (step == what) return hint;
  }
  return {};
}

json open_step_json(const JournalOpenStep& step, const std::string& network) {
  const bool of_network = step.what == "create sandbox" || step.what == "stop sandbox" || step.what == "remove";
  return {{"object", step.object},
          {"what", step.what},
          {"since", kube::format_nano_time(step.since)},
          {"why", of_network ? network : std::string()},
          {"hint", step_hint(step.what)}};
}

void add_journal(json& out, const PodJournal* journal, const std::string& network) {
  out["entries"] = json::array();
  out["waits"] = json::array();
  out["underWay"] = json::array();
  if (!journal) return;
  for (const auto& e : journal->entries()) out["entries"].push_back(entry_json(e));
  for (const auto& [object, w] : journal->waits()) out["waits"].push_back(wait_json(w));
  for (const auto& step : journal->under_way()) out["underWay"].push_back(open_step_json(step, network));
}

// What keeps a running container from being started or ready: its probe's last failure as a wait.
json probe_wait(const kube::ContainerStatus& c, const PodJournal& journal) {
  const bool startup = !c.started.value_or(false);
  const std::string_view begins = startup ? "Startup probe" : "Readiness probe";
  const SystemTime started = c.state.running->started_at.value_or(SystemTime{});
  const auto& all = journal.entries();
  const auto it = std::find_if(all.rbegin(), all.rend(), [&](const JournalEntry& e) {
    return e.object == "container " + c.name && e.message.starts_with(begins) && e.last >= started;
  });
  if (it == all.rend()) return nullptr;
  return {{"object", it->object},
          {"what", startup ? "its startup probe" : "its readiness probe"},
          {"why", it->message},
          {"since", kube::format_nano_time(std::max(it->first, started))},
          {"hint",
           startup ? "it is restarted when failureThreshold * periodSeconds are over; see `keelson logs`"
                   : "it gets no traffic until the probe succeeds; see `keelson logs`, ask it with `keelson exec`"}};
}

void add_probe_waits(json& out, const PodEntry& entry, const PodJournal* journal) {
  if (!journal || !entry.status || entry.stopping_since) return;
  for (const auto* list : {&entry.status->init_container_statuses, &entry.status->container_statuses}) {
    for (const auto& c : *list) {
      if (!c.state.running || c.ready) continue;
      if (auto wait = probe_wait(c, *journal); !wait.is_null()) out["waits"].push_back(std::move(wait));
    }
  }
}

json pod_part(ServerData& data, const PodEntry& entry) {
  json out = {{"pod", pod_json(entry)}};
  add_journal(out, data.journal(kube::object_key(entry.pod->metadata)), data.network_activity(entry.pod->metadata.uid));
  add_probe_waits(out, entry, data.journal(kube::object_key(entry.pod->metadata)));
  return out;
}

// Whether a workload of that name made the pod: a Deployment's pods belong to its ReplicaSet "NAME-HASH".
bool made_by(const kube::Pod& pod, const std::string& workload) {
  return std::any_of(
      pod.metadata.owner_references.begin(), pod.metadata.owner_references.end(), [&](const auto& owner) {
        const auto dash = owner.name.rfind('-');
        return owner.name == workload || (owner.kind == "ReplicaSet" && owner.name.substr(0, dash) == workload);
      });
}

// "Pod default/web" is about default/web; a message about it counts only as a whole word.
bool mentions(const json& problem, const std::string& ns, const std::string& name) {
  const auto object = problem.value("object", "");
  const auto target = object.substr(object.find(' ') + 1);
  const auto slash = target.find('/');
  const auto target_name = slash == std::string::npos ? target : target.substr(slash + 1);
  const bool same_ns = ns.empty() || slash == std::string::npos || target.substr(0, slash) == ns;
  return problem.value("file", "") == name || (same_ns && target_name == name);
}

std::vector<std::string> similar_names(const std::set<std::string>& known, const std::string& name) {
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& candidate : known) {
    const auto distance = edit_distance(candidate, name);
    const bool part = candidate.find(name) != std::string::npos;
    if (part || distance <= std::max<std::size_t>(2, name.size() / 3))
      ranked.emplace_back(part ? 0 : distance, candidate);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> out;
  for (auto& [distance, candidate] : ranked) {
    if (out.size() < 5) out.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

json explain_json(ServerData& data, const std::string& given_ns, const std::string& given_name) {
  const auto slash = given_name.find('/');
  const auto ns = slash == std::string::npos ? given_ns : given_name.substr(0, slash);
  const auto name = slash == std::string::npos ? given_name : given_name.substr(slash + 1);
  json out = {{"subject", given_name},      {"pods", json::array()},     {"retired", json::array()},
              {"workloads", json::array()}, {"problems", json::array()}, {"similar", json::array()}};
  std::set<std::string> known;
  for (const auto& w : data.workloads()) {
    known.insert(w.value("name", ""));
    if (w.value("name", "") == name && (ns.empty() || w.value("namespace", "") == ns)) out["workloads"].push_back(w);
  }
  bool found = false;
  for (const auto& entry : data.pods()) {
    const auto& meta = entry.pod->metadata;
    known.insert(meta.name);
    if (!ns.empty() && meta.ns != ns) continue;
    if (meta.name == name) found = true;
    if (meta.name == name || (!out["workloads"].empty() && made_by(*entry.pod, name))) {
      out["pods"].push_back(pod_part(data, entry));
    }
  }
  if (!found) {
    const auto key = kube::object_key(ns.empty() ? "default" : ns, name);
    if (const auto* journal = data.journal(key)) {
      json part = {{"key", key}};
      add_journal(part, journal, {});
      out["retired"].push_back(std::move(part));
    }
  }
  for (const auto& p : data.problems()) {
    if (mentions(p, ns, name)) out["problems"].push_back(p);
    known.insert(p.value("file", ""));
  }
  const bool nothing =
      out["pods"].empty() && out["workloads"].empty() && out["problems"].empty() && out["retired"].empty();
  known.erase("");
  if (nothing) out["similar"] = similar_names(known, name);
  return out;
}

}  // namespace keelson::agent
