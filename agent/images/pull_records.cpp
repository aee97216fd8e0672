#include "agent/images/pull_records.hpp"

#include <algorithm>

#include "agent/images/pull_record_files.hpp"
#include "agent/spec/image_ref.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

// More Secrets than this for one image are not written down: another pull is cheaper than a record without end.
constexpr std::size_t kMostSecrets = 100;

bool same_object(const PullSecret& a, const PullSecret& b) {
  return a.uid == b.uid && a.ns == b.ns && a.name == b.name;
}

bool grants(const PullAccess& access, const std::vector<PullSecret>& secrets) {
  if (access.every_pod) return true;
  return std::any_of(secrets.begin(), secrets.end(), [&](const PullSecret& mine) {
    return std::any_of(access.secrets.begin(), access.secrets.end(), [&](const PullSecret& known) {
      return (!known.hash.empty() && known.hash == mine.hash) || same_object(known, mine);
    });
  });
}

bool is_listed(const std::vector<std::string>& allowlist, const std::string& name) {
  return std::any_of(allowlist.begin(), allowlist.end(), [&](const std::string& entry) {
    if (entry.ends_with("/*")) return name.starts_with(entry.substr(0, entry.size() - 1));
    return name == entry || repository_of(name) == entry;
  });
}

bool is_verified(const PullVerification& verification, const std::string& name, bool by_agent) {
  switch (verification.policy) {
    case PullVerification::Policy::never:
      return false;
    case PullVerification::Policy::never_preloaded:
      return by_agent;
    case PullVerification::Policy::never_allowlisted:
      return !is_listed(verification.allowlist, name);
    case PullVerification::Policy::always:
      break;
  }
  return true;
}

}  // namespace

std::string repository_of(const std::string& image) {
  const auto reference = spec::parse_image_reference(image);
  return reference ? reference->domain + "/" + reference->path : std::string();
}

bool grant(PulledRecord& record, const std::string& repository, const PullAccess& access) {
  auto& known = record.by_repository[repository];
  if (known.every_pod) return false;
  if (access.every_pod) {
    known = {.every_pod = true, .secrets = {}};
    return true;
  }
  bool changed = false;
  for (const auto& secret : access.secrets) {
    const auto it = std::find_if(known.secrets.begin(), known.secrets.end(),
                                 [&](const PullSecret& other) { return same_object(other, secret); });
    if (it != known.secrets.end() ? it->hash == secret.hash : known.secrets.size() >= kMostSecrets) continue;
    if (it != known.secrets.end()) {
      it->hash = secret.hash;
    } else {
      known.secrets.push_back(secret);
    }
    changed = true;
  }
  return changed;
}

bool must_pull(const PullVerification& verification, const std::string& name, const PulledRecord* record, bool intended,
               const std::vector<PullSecret>& secrets) {
  if (!is_verified(verification, name, record != nullptr || intended)) return false;
  if (record == nullptr) return true;
  const auto it = record->by_repository.find(repository_of(name));
  return it == record->by_repository.end() || !grants(it->second, secrets);
}

PullRecords::PullRecords(BlockingPool& pool, const Clock& clock, std::filesystem::path dir,
                         PullVerification verification)
    : pool_(pool), clock_(clock), dir_(std::move(dir)), verification_(std::move(verification)) {}

void PullRecords::load() {
  for (const auto& file : record_files(dir_ / "pulled")) {
    const auto text = read_file(file);
    const auto record = text ? decode_pulled(*text) : Result<PulledRecord>(text.error());
    if (!record) {
      log_warn("record of a pulled image not readable", {{"file", file.string()}, {"error", record.error()}});
      continue;
    }
    pulled_[record->ref] = *record;
  }
  for (const auto& file : record_files(dir_ / "pulling")) {
    const auto text = read_file(file);
    if (const auto name = text ? decode_intent(*text) : std::string(); !name.empty()) intended_[name] = 0;
  }
}

Awaitable<void> PullRecords::intend(std::string name) {
  const bool known = intended_.count(name) > 0;
  ++intended_[name];
  if (known) co_return;
  auto path = record_path(dir_ / "pulling", name);
  auto text = encode_intent(name);
  co_await write(std::move(path), std::move(text));
}

Awaitable<void> PullRecords::pulled(std::string name, std::string ref, PullAccess access) {
  PulledRecord fresh;
  fresh.ref = ref;
  auto& record = pulled_.try_emplace(ref, std::move(fresh)).first->second;
  if (grant(record, repository_of(name), access)) {
    record.updated = clock_.now();
    auto path = record_path(dir_ / "pulled", ref);
    auto text = encode_pulled(record);
    co_await write(std::move(path), std::move(text));
  }
  co_await failed(std::move(name));
}

Awaitable<void> PullRecords::failed(std::string name) {
  const auto it = intended_.find(name);
  if (it == intended_.end() || (it->second > 0 && --it->second > 0)) co_return;
  intended_.erase(it);
  remove(record_path(dir_ / "pulling", name));
}

void PullRecords::removed(const std::string& ref) {
  if (pulled_.erase(ref) > 0) remove(record_path(dir_ / "pulled", ref));
}

bool PullRecords::must_pull(const std::string& name, const std::string& ref,
                            const std::vector<PullSecret>& secrets) const {
  const auto it = pulled_.find(ref);
  return agent::must_pull(verification_, name, it == pulled_.end() ? nullptr : &it->second, intended_.count(name) > 0,
                          secrets);
}

Awaitable<void> PullRecords::write(std::filesystem::path path, std::string text) {
  auto work = [path, text = std::move(text)]() -> Result<void> {
    CHECK_OK(make_dirs(path.parent_path(), 0700));
    return write_file_atomic(path, text, 0600);
  };
  const auto written = co_await pool_.run(std::move(work));
  if (!written) log_warn("record of an image not written", {{"file", path.string()}, {"error", written.error()}});
}

void PullRecords::remove(const std::filesystem::path& path) const {
  std::error_code error;
  std::filesystem::remove(path, error);
  if (error) log_warn("record of an image not removed", {{"file", path.string()}, {"error", error.message()}});
}

}  // namespace keelson::agent
