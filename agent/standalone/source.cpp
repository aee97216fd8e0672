#include "agent/standalone/source.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/spec/references.hpp"
#include "agent/standalone/carry_over.hpp"
#include "agent/standalone/endpoints.hpp"
#include "agent/standalone/ephemeral_claims.hpp"
#include "agent/standalone/immutable.hpp"
#include "agent/standalone/remembered.hpp"
#include "agent/standalone/room.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

// Status changes come in bursts; one look serves all that come within this time.
constexpr Milliseconds kGather{10};

// Whether an object of that name was added, removed or changed.
template <class T>
bool differs(const kube::ObjectMap<T>& a, const kube::ObjectMap<T>& b, const std::string& key) {
  const auto x = a.find(key), y = b.find(key);
  const bool in_a = x != a.end(), in_b = y != b.end();
  if (in_a != in_b) return true;
  return in_a && x->second != y->second && !(*x->second == *y->second);
}

template <class T>
bool any_differs(const kube::ObjectMap<T>& a, const kube::ObjectMap<T>& b, const std::string& ns,
                 const std::set<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& name) { return differs(a, b, kube::object_key(ns, name)); });
}

template <class T>
bool same(const std::vector<std::shared_ptr<const T>>& a, const std::vector<std::shared_ptr<const T>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x == y || *x == *y; });
}

std::filesystem::path state_file(const ManifestSourceOptions& options) {
  return options.root_dir / "standalone" / "state.json";
}

std::filesystem::path manifests_file(const ManifestSourceOptions& options) {
  return options.root_dir / "standalone" / "manifests.json";
}

}  // namespace

ManifestSource::ManifestSource(Executor executor, BlockingPool& pool, const Clock& clock, PodManager& pods,
                               ManifestSourceOptions options, std::function<void(const ServiceList&)> on_services,
                               std::function<void(const SliceList&)> on_slices)
    : pool_(pool),
      clock_(clock),
      pods_(pods),
      options_(std::move(options)),
      on_services_(std::move(on_services)),
      on_slices_(std::move(on_slices)),
      folder_(executor, pool, options_.dir),
      wake_(executor),
      tasks_(executor) {
  pods_.on_change([this] { wake_.notify(); });
}

Awaitable<void> ManifestSource::run() {
  load_state();
  recall_manifests();
  co_await reload();
  pods_.sources_ready();
  started_ = true;
  tasks_.spawn("manifest folder watch", watch_folder());
  for (;;) {
    co_await save_state();
    std::optional<SteadyTime> deadline;
    if (next_) {
      deadline = clock_.steady_now() +
                 std::chrono::duration_cast<SteadyTime::duration>(std::max(*next_ - clock_.now(), Nanoseconds(0)));
    }
    co_await wake_.wait_until(deadline);
    if (!folder_changed_) co_await sleep_for(kGather);
    if (folder_changed_) {
      co_await reload();
    } else {
      recompute();
    }
  }
}

Awaitable<void> ManifestSource::watch_folder() {
  for (;;) {
    co_await folder_.changed();
    folder_changed_ = true;
    wake_.notify();
  }
}

Awaitable<void> ManifestSource::reload() {
  folder_changed_ = false;
  const auto content = co_await folder_.read();
  folder_problems_ = content.problems;
  // A folder that vanished is not an empty one: what runs goes on.
  const ManifestSet before = content.present ? std::exchange(set_, load_manifests(content.files)) : set_;
  carry_over(before, set_);
  keep_immutable(before, set_);
  const ServiceList services_before = services_;
  recompute();
  tell_changed_objects(before, services_before);
  co_await remember_manifests();
}

void ManifestSource::recall_manifests() {
  const auto text = read_file(manifests_file(options_));
  if (!text) return;
  auto set = decode_manifests(*text, options_.dir.string());
  if (!set) {
    log_warn("manifests of an earlier agent not readable", {{"error", set.error()}});
    return;
  }
  set_ = std::move(*set);
  remembered_hash_ = fnv64a(*text);
}

Awaitable<void> ManifestSource::remember_manifests() {
  auto work = [path = manifests_file(options_), folder = options_.dir.string(), set = set_,
               known = remembered_hash_]() -> Result<std::uint64_t> {
    const auto text = encode_manifests(set, folder);
    const auto hash = fnv64a(text);
    if (hash == known) return hash;
    CHECK_OK(make_dirs(path.parent_path(), 0700));
    CHECK_OK(write_file_atomic(path, text, 0600));  // there are Secrets in it
    return hash;
  };
  const auto saved = co_await pool_.run(std::move(work));
  if (saved) {
    remembered_hash_ = *saved;
  } else {
    log_warn("manifests not remembered", {{"error", saved.error()}});
  }
}

std::vector<ExistingPod> ManifestSource::existing_pods() const {
  std::vector<ExistingPod> out;
  for (const auto& view : started_ ? pods_.pods() : pods_.remembered()) {
    out.push_back({view.pod, view.status, view.stopping});
  }
  return out;
}

void ManifestSource::recompute() {
  const auto existing = existing_pods();
  auto expansion = expand(set_, existing, options_.node_name, clock_.now(), jobs_);
  auto claims = set_.claims;
  for (const auto& claim : expansion.claims) claims.emplace(kube::object_key(claim->metadata), claim);
  for (const auto& claim : retained_claims(set_, bindings_.bound))
    claims.emplace(kube::object_key(claim->metadata), claim);
  const auto bring_claims = [&](const kube::Pod& pod) {
    for (const auto& claim : ephemeral_claims(pod)) claims.emplace(kube::object_key(claim->metadata), claim);
  };
  for (const auto& pod : expansion.pods) bring_claims(*pod);
  for (const auto& pod : existing) bring_claims(*pod.pod);  // one that still stops keeps its volume from others
  bindings_ = bind_claims(claims, set_.volumes, bindings_.bound);

  auto allocated = allocate_services(set_.services, table_, options_.service_cidr);
  std::vector<SourceProblem> problems = folder_problems_;
  const auto add = [&](const std::vector<SourceProblem>& more) {
    for (auto p : more) {
      if (const auto it = set_.files.find(p.object); p.file.empty() && it != set_.files.end()) p.file = it->second;
      problems.push_back(std::move(p));
    }
  };
  add(set_.problems);
  add(expansion.problems);
  add(bindings_.problems);
  if (allocated) {
    add(allocated->problems);
    table_ = std::move(allocated->table);
    if (!started_ || !same(services_, allocated->services)) {
      services_ = std::move(allocated->services);
      on_services_(services_);
    }
  } else {
    add({{"", "", "--service-cidr: " + allocated.error().message}});
  }
  std::set<std::string> begun;
  for (const auto& [uid, pod] : wanted_) begun.insert(uid);
  const auto pressure = options_.pressure();
  const auto room = find_room({expansion.pods, existing, begun, options_.node, options_.allowed_sysctls, options_.facts,
                               std::vector<std::string>(pressure.begin(), pressure.end())});
  add(room.problems);
  workloads_ = std::move(expansion.workloads);
  jobs_ = std::move(expansion.jobs);
  next_ = expansion.wake_at;
  pass_pods(room.fitting);
  pass_slices(existing);
  report_problems(std::move(problems));
}

void ManifestSource::pass_pods(const std::vector<std::shared_ptr<const kube::Pod>>& wanted) {
  std::map<std::string, std::shared_ptr<const kube::Pod>> now;
  for (const auto& pod : wanted) now[pod->metadata.uid] = pod;
  for (const auto& [uid, pod] : wanted_) {
    if (now.count(uid) > 0) continue;
    log_info("pod is not wanted any more", {{"pod", kube::object_key(pod->metadata)}, {"uid", uid}});
    pods_.remove(uid);
  }
  for (const auto& pod : wanted) {
    if (wanted_.count(pod->metadata.uid) > 0) continue;
    log_info("pod wanted", {{"pod", kube::object_key(pod->metadata)}, {"uid", pod->metadata.uid}});
    pods_.upsert(pod);
  }
  wanted_ = std::move(now);
}

void ManifestSource::pass_slices(const std::vector<ExistingPod>& existing) {
  auto slices = make_slices(services_, existing, set_.slices, options_.node_name);
  if (started_ && same(slices_, slices)) return;
  slices_ = std::move(slices);
  on_slices_(slices_);
}

// Pods learn of changed ConfigMaps, Secrets, claims and volumes that they refer to; Services concern them all.
void ManifestSource::tell_changed_objects(const ManifestSet& before, const ServiceList& services_before) {
  if (!same(services_before, services_)) {
    pods_.objects_changed({});
    return;
  }
  const bool volumes_changed = before.volumes.size() != set_.volumes.size() ||
                               std::any_of(set_.volumes.begin(), set_.volumes.end(), [&](const auto& entry) {
                                 return differs(before.volumes, set_.volumes, entry.first);
                               });
  std::vector<std::string> uids;
  for (const auto& [uid, pod] : wanted_) {
    const auto refs = spec::references(*pod);
    const auto& ns = pod->metadata.ns;
    if (any_differs(before.config_maps, set_.config_maps, ns, refs.config_maps) ||
        any_differs(before.secrets, set_.secrets, ns, refs.secrets) ||
        any_differs(before.secrets, set_.secrets, ns, refs.image_pull_secrets) ||
        any_differs(before.claims, set_.claims, ns, refs.claims) || (volumes_changed && !refs.claims.empty())) {
      uids.push_back(uid);
    }
  }
  if (!uids.empty()) pods_.objects_changed(uids);
}

void ManifestSource::report_problems(std::vector<SourceProblem> now) {
  std::sort(now.begin(), now.end());
  now.erase(std::unique(now.begin(), now.end()), now.end());
  for (const auto& p : now) {
    if (std::binary_search(problems_.begin(), problems_.end(), p)) continue;
    log_error("manifest not usable", {{"file", p.file}, {"object", p.object}, {"reason", p.message}});
  }
  for (const auto& p : problems_) {
    if (std::binary_search(now.begin(), now.end(), p)) continue;
    log_info("manifest problem is gone", {{"file", p.file}, {"object", p.object}, {"reason", p.message}});
  }
  problems_ = std::move(now);
}

Awaitable<Result<kube::ObjectSet>> ManifestSource::gather(std::shared_ptr<const kube::Pod> pod) {
  kube::ObjectSet out;
  const auto refs = spec::references(*pod);
  const auto& ns = pod->metadata.ns;
  const auto take = [&](const auto& from, auto& to, const std::set<std::string>& names) {
    for (const auto& name : names) {
      if (const auto it = from.find(kube::object_key(ns, name)); it != from.end()) to.insert(*it);
    }
  };
  take(set_.config_maps, out.config_maps, refs.config_maps);
  take(set_.secrets, out.secrets, refs.secrets);
  take(set_.secrets, out.secrets, refs.image_pull_secrets);
  take(bindings_.claims, out.claims, refs.claims);
  if (!refs.claims.empty()) out.volumes = bindings_.volumes;
  for (const auto& [name, volume] : out.volumes) {  // CHAP of iscsi
    const auto* secret =
        volume->spec.iscsi && volume->spec.iscsi->secret_ref ? &*volume->spec.iscsi->secret_ref : nullptr;
    if (secret == nullptr) continue;
    const auto it = set_.secrets.find(kube::object_key(secret->ns.empty() ? ns : secret->ns, secret->name));
    if (it != set_.secrets.end()) out.secrets.insert(*it);
  }
  out.services = services_;
  co_return out;
}

void ManifestSource::load_state() {
  const auto text = read_file(state_file(options_));
  if (!text) return;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  const auto table = json.is_object() && json.contains("services")
                         ? decode_table(json["services"].dump())
                         : Result<ServiceTable>(make_error(Errc::invalid_argument, "no services"));
  if (!table) {
    log_warn("standalone state not readable; addresses are given out anew", {{"error", table.error()}});
    return;
  }
  table_ = *table;
  if (const auto claims = json.find("claims"); claims != json.end() && claims->is_object()) {
    for (const auto& [claim, volume] : claims->items()) {
      if (volume.is_string()) bindings_.bound[claim] = volume.get<std::string>();
    }
  }
  if (const auto jobs = json.find("jobs"); jobs != json.end()) jobs_ = decode_jobs(jobs->dump());
  saved_state_ = *text;
}

// Addresses, bindings and what became of Jobs outlive the agent.
Awaitable<void> ManifestSource::save_state() {
  const nlohmann::json json = {{"services", nlohmann::json::parse(encode_table(table_), nullptr, false)},
                               {"claims", bindings_.bound},
                               {"jobs", nlohmann::json::parse(encode_jobs(jobs_), nullptr, false)}};
  auto text = json.dump();
  if (text == saved_state_) co_return;
  auto work = [path = state_file(options_), text]() -> Result<void> {
    CHECK_OK(make_dirs(path.parent_path(), 0750));
    return write_file_atomic(path, text, 0600);
  };
  const auto saved = co_await pool_.run(std::move(work));
  if (!saved) {
    log_warn("standalone state not saved", {{"error", saved.error()}});
    co_return;
  }
  saved_state_ = std::move(text);
}

}  // namespace keelson::agent
