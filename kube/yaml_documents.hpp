// The parts of a YAML file and what comes out of them: splitting at "---", Lists taken apart. Internal to parse_yaml().
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "kube/yaml.hpp"

namespace keelson::kube {

struct YamlPart {
  std::string_view text;
  std::size_t line;  // of its first line in the file, from 1
};

// The text between separator lines. A part that holds only blanks, comments and directives is left out. Splitting
// before parsing is what keeps a broken document from hiding the next.
[[nodiscard]] std::vector<YamlPart> split_documents(std::string_view text);

// Adds the value, or the items where it is a List; items of a typed list ("PodList") take their kind from it.
void add_document(nlohmann::json value, std::size_t line, std::size_t index, YamlFile& file);

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace keelson::kube
