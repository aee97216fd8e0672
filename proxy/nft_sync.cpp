#include "proxy/nft_sync.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/strings.hpp"
#include "proxy/nft_compile.hpp"
#include "proxy/nft_rules.hpp"

namespace keelson::proxy {
namespace {

// These hold the service's id in their keys, so that no two Services have the same.
bool is_exclusive(NftSet set) {
  return set == NftSet::service_endpoints || set == NftSet::sticky_choices || set == NftSet::sticky_endpoints ||
         set == NftSet::sticky_local;
}

// Handlers that Services are likely to need as their endpoints come and go. A chain and its verdict cost a look through
// the whole table and, after the transaction, a wait for packets in flight; made ahead they cost neither when the first
// Service with so many endpoints comes.
std::vector<NftHandler> usual_handlers() {
  constexpr std::uint16_t kInternal = 32, kOthers = 8;
  std::vector<NftHandler> out;
  for (std::uint16_t n = 1; n <= kInternal; ++n) out.push_back({NftHandler::Kind::internal, 0, n, 0});
  for (const auto kind : {NftHandler::Kind::external, NftHandler::Kind::nodeport}) {
    for (std::uint16_t n = 1; n <= kOthers; ++n) out.push_back({kind, 0, n, 0});
  }
  return out;
}

struct Record {
  NftSet set;
  std::string at;  // set and key
  std::string_view data;
};

Record read_record(std::string_view record, Family family) {
  const std::string_view whole = record;
  const NftElement e = take_element(record, family);
  return {e.set, std::string(whole.substr(0, 1 + e.key.size())), e.data};
}

std::vector<std::string_view> each_record(std::string_view records, Family family) {
  std::vector<std::string_view> out;
  while (!records.empty()) {
    const char* start = records.data();
    (void)take_element(records, family);
    out.emplace_back(start, static_cast<std::size_t>(records.data() - start));
  }
  return out;
}

}  // namespace

const std::string& NftSync::table_mark() {
  // As the nft tool keeps a comment: type 0, length, text, NUL.
  static const std::string kMark = [] {
    const std::string text = "rules of the Keelson proxy, layout 1";
    return std::string(1, '\0') + static_cast<char>(text.size() + 1) + text + '\0';
  }();
  return kMark;
}

void NftSync::need(std::string_view records, Needs& needs) {
  while (!records.empty()) {
    const NftElement e = take_element(records, family_);
    std::uint32_t number = 0;
    if (e.set == NftSet::service_frontends || e.set == NftSet::nodeport_frontends) {
      std::memcpy(&number, e.data.data() + sizeof number, sizeof number);
      if (handlers_.insert(number).second) needs.handlers.insert(number);
    } else if (e.set == NftSet::firewall_sources) {
      std::memcpy(&number, e.key.data() + e.key.size() - sizeof number, sizeof number);
      if (prefixes_.insert(number).second) needs.prefixes.insert(number);
    }
  }
}

void NftSync::write_chains(const Needs& needs, const CompileOptions& options, NftWriter& writer) {
  for (const std::uint32_t number : needs.handlers) write_handler_rules(writer, numbers_.at(number), options);
  for (const std::uint32_t bits : needs.prefixes) write_firewall_rule(writer, bits, family_);
  for (const std::uint32_t number : needs.handlers) writer.add_handler(number, numbers_.at(number).chain());
}

NftBatch NftSync::full(const Model& model, const CompileOptions& options, bool replace,
                       const std::vector<std::string>& present) {
  written_.clear();
  claims_.clear();
  numbers_.clear();
  handlers_.clear();
  prefixes_.clear();
  counts_ = {};
  std::array<std::string, kNftSets> elements;
  Needs needs;
  const auto put_all = [&](const std::string& key, std::string records) {
    if (records.empty()) return;
    for (const std::string_view record : each_record(records, family_)) {
      Record r = read_record(record, family_);
      if (!is_exclusive(r.set)) {
        Claim& claim = claims_[std::move(r.at)];
        if (claim.holders++ > 0) continue;
        claim.value = fnv64a(r.data);
      }
      elements[static_cast<std::size_t>(r.set)] += record;
      ++counts_.elements;
    }
    need(records, needs);
    written_.emplace(key, std::move(records));
  };
  put_all("", compile_nodeport_ips(options));
  for (const auto& [key, entry] : model.services())
    put_all(entry->key, compile_elements(*entry, model, options, numbers_));
  for (const NftHandler& handler : usual_handlers()) {
    const std::uint32_t number = numbers_.number(handler);
    if (handlers_.insert(number).second) needs.handlers.insert(number);
  }

  NftWriter writer(family_);
  writer.add_table(table_mark());
  if (replace) {
    writer.delete_table();
    writer.add_table(table_mark());
  }
  std::set<std::string, std::less<>> chains;
  for (const NftBaseChain& chain : nft_base_chains()) {
    writer.add_chain(chain);
    chains.insert(chain.name);
  }
  for (const char* chain : nft_chains()) chains.insert(chain);
  for (const std::uint32_t number : handlers_) chains.insert(numbers_.at(number).chain());
  for (const std::string& chain : chains) {
    const auto& base = nft_base_chains();
    const bool made =
        std::any_of(base.begin(), base.end(), [&chain](const NftBaseChain& b) { return chain == b.name; });
    if (!made) writer.add_chain(chain);
  }
  std::vector<std::string> stale;
  for (const std::string& chain : present) {
    if (!replace && !chains.contains(chain)) stale.push_back(chain);
  }
  if (!replace) {
    for (const std::string& chain : chains) writer.flush_chain(chain);
    for (const std::string& chain : stale) writer.flush_chain(chain);
  }
  for (std::size_t i = 0; i < kNftSets; ++i) {
    const auto set = static_cast<NftSet>(i);
    writer.add_set(set);
    if (!replace && set != NftSet::affinity) writer.flush_set(set);
  }
  for (const std::string& chain : stale) writer.delete_chain(chain);
  write_fixed_rules(writer, options);
  write_chains(needs, options, writer);  // ahead of elements: for each rule the kernel walks the set that it looks into
  for (std::size_t i = 0; i < kNftSets; ++i) {
    writer.add_elements(static_cast<NftSet>(i), elements[i]);
    std::string().swap(elements[i]);  // a large one, while the batch grows
  }
  NftBatch batch = writer.take();
  counts_.filter = batch.filter_rules;
  counts_.nat = batch.nat_rules;
  return batch;
}

NftSync::Change& NftSync::touch(const std::string& at, bool was, std::uint64_t value, Staged& staged) {
  const auto [it, made] = staged.try_emplace(at);
  Change& change = it->second;
  if (made) {
    change.was = change.is = was;
    change.was_value = change.is_value = value;
  }
  return change;
}

// Of several Services that want a frontend the one that had it has gone: another's value takes its place.
void NftSync::hand_over(const std::string& at, Change& change) {
  for (const auto& [key, records] : written_) {
    for (const std::string_view record : each_record(records, family_)) {
      if (!record.starts_with(at)) continue;
      change.data = std::string(record.substr(at.size()));
      change.is_value = claims_[at].value = fnv64a(change.data);
      return;
    }
  }
}

void NftSync::drop(std::string_view record, Staged& staged) {
  const Record r = read_record(record, family_);
  const std::uint64_t value = fnv64a(r.data);
  if (is_exclusive(r.set)) {
    touch(r.at, true, value, staged).is = false;
    return;
  }
  const auto claim = claims_.find(r.at);
  if (claim == claims_.end()) return;
  Change& change = touch(r.at, true, claim->second.value, staged);
  if (--claim->second.holders == 0) {
    claims_.erase(claim);
    change.is = false;
  } else if (claim->second.value == value && !r.data.empty()) {
    hand_over(r.at, change);
  }
}

void NftSync::put(std::string_view record, Staged& staged) {
  const Record r = read_record(record, family_);
  const std::uint64_t value = fnv64a(r.data);
  if (!is_exclusive(r.set)) {
    const auto [claim, first] = claims_.try_emplace(r.at);
    if (claim->second.holders++ > 0) return;
    claim->second.value = value;
  }
  Change& change = touch(r.at, false, 0, staged);
  change.is = true;
  change.is_value = value;
  change.data = std::string(r.data);
}

void NftSync::write_changes(const Staged& staged, const CompileOptions& options, NftWriter& writer) {
  std::array<std::string, kNftSets> gone, come;
  Needs needs;
  for (const auto& [at, change] : staged) {
    if (change.was == change.is && (!change.is || change.was_value == change.is_value)) continue;
    const auto set = static_cast<std::size_t>(at.front());
    if (change.was) {
      gone[set] += at;
      gone[set].append(data_size(static_cast<NftSet>(set), family_), '\0');
      --counts_.elements;
    }
    if (change.is) {
      come[set] += at + change.data;
      ++counts_.elements;
    }
  }
  for (std::size_t i = 0; i < kNftSets; ++i) writer.delete_elements(static_cast<NftSet>(i), gone[i]);
  for (const std::string& records : come) need(records, needs);
  for (const std::uint32_t number : needs.handlers) writer.add_chain(numbers_.at(number).chain());
  write_chains(needs, options, writer);
  for (std::size_t i = 0; i < kNftSets; ++i) writer.add_elements(static_cast<NftSet>(i), come[i]);
}

NftBatch NftSync::partial(const Model& model, const CompileOptions& options, const std::vector<std::string>& dirty) {
  Staged staged;
  std::vector<std::string> added;  // records, one by one
  const auto update = [&](const std::string& key, std::string now) {
    const auto at = written_.find(key);
    const std::string before = at == written_.end() ? std::string() : std::exchange(at->second, {});
    if (before == now) {
      if (at != written_.end()) at->second = std::move(now);
      return;
    }
    const auto old = each_record(before, family_), fresh = each_record(now, family_);
    std::vector<std::string_view> gone, come;
    std::set_difference(old.begin(), old.end(), fresh.begin(), fresh.end(), std::back_inserter(gone));
    std::set_difference(fresh.begin(), fresh.end(), old.begin(), old.end(), std::back_inserter(come));
    added.insert(added.end(), come.begin(), come.end());
    if (now.empty()) {
      written_.erase(key);
    } else {
      now.shrink_to_fit();
      written_[key] = std::move(now);
    }
    // All that goes before anything that comes: what moves between Services is nobody's in between, and staged as one.
    for (const std::string_view record : gone) drop(record, staged);
  };
  update("", compile_nodeport_ips(options));
  for (const std::string& key : dirty) {
    const ServiceEntry* entry = model.find(key);
    update(key, entry == nullptr ? std::string() : compile_elements(*entry, model, options, numbers_));
  }
  for (const std::string& record : added) put(record, staged);
  NftWriter writer(family_);
  write_changes(staged, options, writer);
  NftBatch batch = writer.take();
  counts_.filter += batch.filter_rules;
  counts_.nat += batch.nat_rules;
  return batch;
}

}  // namespace keelson::proxy
