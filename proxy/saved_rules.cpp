#include "proxy/saved_rules.hpp"

#include <algorithm>

#include "proxy/chain_names.hpp"

namespace keelson::proxy {
namespace {

std::string_view word_at(std::string_view line, std::size_t at) {
  line.remove_prefix(std::min(at, line.size()));
  return line.substr(0, line.find(' '));
}

// The chain that the rule leads to, by -j or -g, or "". Both come after all matches; a comment may hold anything.
std::string_view target_of(std::string_view line) {
  const std::size_t at = std::max(line.rfind(" -j ") + 1, line.rfind(" -g ") + 1);
  return at == 0 ? std::string_view() : word_at(line, at + 3);
}

void read_line(std::string_view line, SavedTable& table) {
  if (line.starts_with(':')) {
    const std::string_view chain = word_at(line, 1);
    if (is_our_chain(chain)) table.chains.emplace_back(chain);
  } else if (line.starts_with("-A ")) {
    const std::string_view target = target_of(line);
    if (!is_our_chain(target) || is_our_chain(word_at(line, 3))) return;
    table.jumps.emplace_back(line);
    table.referenced.emplace(target);
  }
}

}  // namespace

const SavedTable* SavedRules::table(std::string_view name) const {
  const auto it = std::find_if(tables.begin(), tables.end(), [name](const SavedTable& t) { return t.name == name; });
  return it == tables.end() ? nullptr : &*it;
}

bool SavedRules::has_chain(std::string_view table_name, std::string_view chain) const {
  const SavedTable* found = table(table_name);
  return found != nullptr && std::find(found->chains.begin(), found->chains.end(), chain) != found->chains.end();
}

bool SavedRules::has_jump(std::string_view table_name, std::string_view from, std::string_view rule) const {
  const SavedTable* t = table(table_name);
  if (t == nullptr) return false;
  const std::string line = std::string("-A ").append(from).append(" ").append(rule);
  return std::find(t->jumps.begin(), t->jumps.end(), line) != t->jumps.end();
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

SavedRules parse_saved(std::string_view text) {
  SavedRules saved;
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with('*')) {
      saved.tables.push_back({std::string(line.substr(1)), {}, {}, {}});
    } else if (!saved.tables.empty()) {
      read_line(line, saved.tables.back());
    }
  }
  return saved;
}

SavedRules without_kubelet_chains(SavedRules saved) {
  const auto is_kubelets = [](std::string_view chain) {
    return chain == "KUBE-FIREWALL" || chain == "KUBE-IPTABLES-HINT" || chain == "KUBE-KUBELET-CANARY";
  };
  for (SavedTable& table : saved.tables) {
    std::erase_if(table.chains, is_kubelets);
    std::erase_if(table.jumps, [&](const std::string& jump) { return is_kubelets(target_of(jump)); });
    std::erase_if(table.referenced, is_kubelets);
  }
  return saved;
}

std::string cleanup_input(const SavedRules& saved) {
  std::string input;
  for (const SavedTable& table : saved.tables) {
    if (table.chains.empty()) continue;
    input += '*' + table.name + '\n';
    // Flush all first: chains refer to each other, and only what nothing refers to can be deleted.
    for (const std::string& chain : table.chains) input += ':' + chain + " - [0:0]\n";
    for (const std::string& jump : table.jumps) input += "-D" + jump.substr(2) + '\n';
    for (const std::string& chain : table.chains) input += "-X " + chain + '\n';
    input += "COMMIT\n";
  }
  return input;
}

}  // namespace keelson::proxy
