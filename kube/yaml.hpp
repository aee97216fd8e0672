// Kubernetes files: YAML with several documents, or JSON, turned into JSON values typed as kubectl types them
// (sigs.k8s.io/yaml, YAML 1.1 scalars: quoted is a string, `yes` a boolean, 0777 octal).
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::kube {

// Bounds against hostile or broken files. Aliases count at their expanded size.
struct YamlLimits {
  std::size_t max_bytes = 16U << 20U;
  std::size_t max_depth = 100;
  std::size_t max_nodes = 1'000'000;  // values per document
};

struct YamlDocument {
  std::shared_ptr<const nlohmann::json> json;
  std::size_t line = 1;   // where the document starts in the file, from 1
  std::size_t index = 0;  // of the document in the file, from 0; the items of a List share their document's
};

struct YamlFile {
  std::vector<YamlDocument> documents;  // empty documents are left out, the items of `List` kinds stand by themselves
  std::vector<Error> errors;  // one per broken document: "web.yaml: document 2, line 17: duplicate key \"name\""
};

// Reads all documents of `text`. A broken document is reported and does not hide the others. `name` is the file's name
// in messages.
[[nodiscard]] YamlFile parse_yaml(std::string_view text, std::string_view name, const YamlLimits& limits = {});

}  // namespace keelson::kube
