// TreeBuilder: a JSON value put together from parser events, bounded, with anchors, merge keys and an eye on duplicate
// keys. YAML and JSON parsers both feed it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "kube/yaml.hpp"

namespace keelson::kube {

// Thrown through the parser when the document is refused; it stops at parse_yaml().
struct BrokenDocument : std::runtime_error {
  BrokenDocument(std::size_t at, const std::string& what) : std::runtime_error(what), line(at) {}
  std::size_t line;  // in the parsed text, from 0
};

class TreeBuilder {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  // `anchor` 0: none. A scalar where a map wants a key becomes that key.
  void scalar(nlohmann::json value, std::size_t anchor, std::size_t line);
  void merge_key();  // "<<": the next value's entries are put under the map's own
  void begin(bool map, std::size_t anchor, std::size_t line);
  void end();
  void alias(std::size_t anchor, std::size_t line);

  [[nodiscard]] bool wants_key() const { return !open_.empty() && open_.back().map && !open_.back().has_key; }
  [[nodiscard]] bool has_value() const { return done_; }
  [[nodiscard]] nlohmann::json take() { return std::move(root_); }

 private:
  struct Anchored {
    nlohmann::json value;
    std::size_t cost;
  };
  struct Open {
    nlohmann::json value;
    bool map;
    std::size_t anchor;
    std::size_t line;
    std::size_t cost_before;
    bool has_key = false;
    bool merging = false;
    std::string key{};
    std::vector<nlohmann::json> merges{};
  };

  void spend(std::size_t cost, std::size_t line);
  void set_key(const nlohmann::json& value, std::size_t line);
  void place(nlohmann::json value, std::size_t line);
  static void merge_into(nlohmann::json& target, const nlohmann::json& source, std::size_t line);

  YamlLimits limits_;
  std::size_t cost_ = 0;  // values so far, long strings counting for more
  std::vector<Open> open_;
  std::map<std::size_t, Anchored> anchors_;
  nlohmann::json root_;
  bool done_ = false;
};

}  // namespace keelson::kube
