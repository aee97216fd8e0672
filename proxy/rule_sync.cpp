#include "proxy/rule_sync.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/strings.hpp"

namespace keelson::proxy {
namespace {

// The parts of one table's input; they stand in this order, but for what is gone, which comes last.
struct TableText : ChainInput {
  std::string removed;  // "-D" from shared chains
  std::string added;    // "-I" into shared chains; in a full sync "-A"
  std::string tail;     // what has to stand last

  [[nodiscard]] bool only_chains() const { return removed.empty() && added.empty() && tail.empty(); }
  [[nodiscard]] bool empty() const { return ChainInput::empty() && only_chains(); }
  void remove_chain(std::string_view chain) {
    declare(chain);
    gone.append("-X ").append(chain).append("\n");
  }
};

std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

constexpr char tag(SharedChain chain) { return static_cast<char>('a' + static_cast<int>(chain)); }
SharedChain tagged(char c) { return static_cast<SharedChain>(c - 'a'); }

// The lines in descending order of the chains that they jump to; those of one chain stay in theirs.
std::string by_target(const std::string& text) {
  const auto target = [](std::string_view line) { return line.substr(line.rfind(" -j ") + 1); };
  std::vector<std::string_view> lines = lines_of(text);
  std::stable_sort(lines.begin(), lines.end(),
                   [&target](std::string_view a, std::string_view b) { return target(a) > target(b); });
  std::string out;
  out.reserve(text.size());
  for (const std::string_view line : lines) out.append(line).append("\n");
  return out;
}

bool contains(const std::vector<std::string_view>& lines, std::string_view line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

struct RuleSync::Tables {
  TableText filter, nat, mangle;
  bool full = false;

  TableText& of(SharedChain chain) { return is_nat(chain) ? nat : filter; }
  TableText& of(std::string_view table) { return table == "nat" ? nat : table == "filter" ? filter : mangle; }
  // filter goes first, as upstream commits it: a packet is rejected rather than sent nowhere.
  std::string text() const {
    std::string out;
    const std::array<std::pair<const char*, const TableText*>, 3> all{
        {{"filter", &filter}, {"nat", &nat}, {"mangle", &mangle}}};
    for (const auto& [name, t] : all) {
      if (t->empty()) continue;
      out.append("*").append(name).append("\n");
      for (const auto* part : {&t->chains, &t->rules, &t->removed, &t->added, &t->tail, &t->gone}) out.append(*part);
      out.append("COMMIT\n");
    }
    return out;
  }
};

void RuleSync::write_chains(WrittenService& before, const ServiceRules& rules, Tables& tables) {
  std::vector<WrittenChain> now;
  now.reserve(rules.chains.size());
  for (const ChainRules& chain : rules.chains) {
    const WrittenChain made{chain.id, chain.count, fnv64a(chain.rules)};
    now.push_back(made);
    service_counts_.nat += chain.count;
    const auto old = std::find_if(before.chains.begin(), before.chains.end(),
                                  [&made](const WrittenChain& c) { return c.id == made.id; });
    if (old != before.chains.end() && old->hash == made.hash) continue;
    tables.nat.declare(chain.id.name());
    tables.nat.rules += chain.rules;
  }
  for (const WrittenChain& old : before.chains) {
    service_counts_.nat -= old.count;
    const bool stays = std::any_of(now.begin(), now.end(), [&old](const WrittenChain& c) { return c.id == old.id; });
    if (!stays) tables.nat.remove_chain(old.id.name());
  }
  chain_count_ += now.size() - before.chains.size();
  before.chains = std::move(now);
}

void RuleSync::write_shared(WrittenService& before, const ServiceRules& rules, Tables& tables) {
  std::string now;
  for (const SharedRule& rule : rules.shared) now.append(1, tag(rule.chain)).append(rule.rule).append("\n");
  const auto old_lines = lines_of(before.shared), new_lines = lines_of(now);
  const auto counter = [this](char c) -> std::size_t& {
    return is_nat(tagged(c)) ? service_counts_.nat : service_counts_.filter;
  };
  for (const std::string_view line : old_lines) {
    --counter(line.front());
    if (contains(new_lines, line)) continue;
    const SharedChain chain = tagged(line.front());
    tables.of(chain).removed.append("-D ").append(chain_name(chain)).append(" ").append(line.substr(1)).append("\n");
  }
  // Prepended one by one, the last comes to stand first; a full sync appends to empty chains.
  const auto add = [&](std::string_view line) {
    ++counter(line.front());
    if (contains(old_lines, line)) return;
    const SharedChain chain = tagged(line.front());
    tables.of(chain).added.append(tables.full ? "-A " : "-I ").append(chain_name(chain)).append(" ");
    tables.of(chain).added.append(line.substr(1)).append("\n");
  };
  if (tables.full) {
    std::for_each(new_lines.begin(), new_lines.end(), add);
  } else {
    std::for_each(new_lines.rbegin(), new_lines.rend(), add);
  }
  before.shared = std::move(now);
  before.shared.shrink_to_fit();
}

void RuleSync::write_service(const std::string& key, const ServiceEntry* entry, const Model& model,
                             const CompileOptions& options, Tables& tables) {
  const ServiceRules rules = entry == nullptr ? ServiceRules{} : compile_service(*entry, model, options);
  const auto at = written_.find(key);
  if (rules.chains.empty() && rules.shared.empty() && at == written_.end()) return;
  WrittenService& written = at == written_.end() ? written_[key] : at->second;
  write_chains(written, rules, tables);
  write_shared(written, rules, tables);
  if (written.chains.empty() && written.shared.empty()) written_.erase(key);
}

// These stand last in nat/KUBE-SERVICES: new ones are appended, and all other rules of that chain are prepended.
void RuleSync::write_node_port_jumps(const CompileOptions& options, Tables& tables) {
  std::vector<std::string> now = compile_node_port_jumps(options);
  if (!tables.full && now == node_port_jumps_) return;
  const auto write = [](std::string& part, const char* op, const std::string& rule) {
    part.append(op).append(" ").append(kServices).append(" ").append(rule).append("\n");
  };
  if (!tables.full) {
    for (const std::string& rule : node_port_jumps_) write(tables.nat.removed, "-D", rule);
  }
  for (const std::string& rule : now) write(tables.nat.tail, "-A", rule);
  node_port_jumps_ = std::move(now);
}

void RuleSync::write_fixed(const CompileOptions& options, Tables& tables) {
  for (const FixedChain& chain : compile_fixed(options)) {
    tables.of(chain.table).declare(chain.name);
    tables.of(chain.table).rules += chain.rules;
    const std::size_t lines = count_lines(chain.rules);
    (std::string_view(chain.table) == "nat" ? fixed_counts_.nat : fixed_counts_.filter) += lines;
  }
}

// What a full sync has got to.
struct RuleSync::FullPass {
  ChainParts sizes;
  std::vector<std::string> keys;  // of the Services
  std::size_t next = 0;           // of them
  bool any_part = false;
  Tables services;  // their rules in shared chains, and chains that have not gone ahead
};

RuleSync::RuleSync() = default;
RuleSync::~RuleSync() = default;

void RuleSync::begin_full(const Model& model, ChainParts sizes) {
  written_.clear();
  fixed_counts_ = service_counts_ = {};
  chain_count_ = 0;
  pass_ = std::make_unique<FullPass>();
  pass_->sizes = sizes;
  pass_->services.full = true;
  pass_->keys.reserve(model.services().size());
  for (const auto& [key, entry] : model.services()) pass_->keys.push_back(entry->key);
}

ChainInput RuleSync::next_part(const Model& model, const CompileOptions& options) {
  FullPass& pass = *pass_;
  const std::size_t most = pass.sizes.most, before = chain_count_;
  while (pass.next < pass.keys.size() && (most == 0 || chain_count_ - before < most)) {
    const std::string& key = pass.keys[pass.next++];
    write_service(key, model.find(key), model, options, pass.services);
  }
  const std::size_t made = chain_count_ - before;
  if (most == 0 || (made < most && made <= pass.sizes.rest)) return {};
  TableText& nat = pass.services.nat;
  ChainInput part{std::exchange(nat.chains, {}), std::exchange(nat.rules, {}), {}};
  if (!std::exchange(pass.any_part, true)) {  // the chain that they jump to comes with the first
    for (const FixedChain& fixed : compile_fixed(options)) {
      if (std::string_view(fixed.name) != kMarkMasq) continue;
      part.declare(fixed.name);
      part.rules += fixed.rules;
    }
  }
  return part;
}

RestoreInput RuleSync::finish_full(const CompileOptions& options, const SavedRules& saved) {
  const auto pass = std::move(pass_);
  const bool shared_follow = pass->sizes.shared_follow && pass->any_part;
  TableText& nat = pass->services.nat;
  Tables tables;
  tables.full = true;
  write_fixed(options, tables);
  tables.nat.chains += nat.chains;
  tables.nat.rules += nat.rules;
  tables.filter.added += pass->services.filter.added;
  write_node_port_jumps(options, tables);
  TableText shared;  // what leads to Services' chains in nat, and those that nothing leads to any more
  shared.rules = shared_follow ? std::move(nat.added) : by_target(nat.added);
  shared.rules += std::exchange(tables.nat.tail, {});
  for (std::size_t i = 0; i < kSharedChains; ++i) {
    const auto chain = static_cast<SharedChain>(i);
    (is_nat(chain) ? shared : tables.filter).declare(chain_name(chain));
  }
  for (const std::string& chain : stale_chains(saved)) shared.remove_chain(chain);
  for (const Jump& jump : compile_jumps(options)) {
    if (saved.has_jump(jump.table, jump.from, jump.rule)) continue;
    tables.of(jump.table).tail.append("-I ").append(jump.from).append(" ").append(jump.rule).append("\n");
  }
  RestoreInput out;
  if (shared_follow) {
    for (const char* chain : {kServices, kNodePorts}) {  // as new jumps lead to
      if (!saved.has_chain("nat", chain)) tables.nat.declare(chain);
    }
    out.after = std::move(shared);
  } else {
    tables.nat.chains += shared.chains;
    tables.nat.rules += shared.rules;
    tables.nat.gone += shared.gone;
  }
  out.text = tables.text();
  return out;
}

// The chains of Services that exist and no Service needs.
std::vector<std::string> RuleSync::stale_chains(const SavedRules& saved) const {
  std::vector<std::string> out;
  const SavedTable* nat = saved.table("nat");
  if (nat == nullptr) return out;
  std::unordered_set<std::string> active;
  for (const auto& [key, written] : written_) {
    for (const WrittenChain& chain : written.chains) active.insert(chain.id.name());
  }
  for (const std::string& chain : nat->chains) {
    // A chain that somebody else's rule leads to cannot be deleted, and trying would fail the whole table.
    if (is_service_chain(chain) && !active.contains(chain) && !nat->referenced.contains(chain)) out.push_back(chain);
  }
  return out;
}

RestoreInput RuleSync::partial(const Model& model, const CompileOptions& options,
                               const std::vector<std::string>& dirty) {
  Tables tables;
  for (const std::string& key : dirty) write_service(key, model.find(key), model, options, tables);
  write_node_port_jumps(options, tables);
  RestoreInput out;
  if (!tables.nat.ChainInput::empty() && tables.nat.only_chains() && tables.filter.empty()) {
    out.chains = std::move(tables.nat);
  } else {
    out.text = tables.text();
  }
  return out;
}

RuleCounts RuleSync::counts() const {
  return {fixed_counts_.filter + service_counts_.filter,
          fixed_counts_.nat + service_counts_.nat + node_port_jumps_.size()};
}

}  // namespace keelson::proxy
