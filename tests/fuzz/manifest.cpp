// A manifest file: YAML or JSON to objects, defaults and validation. What is accepted must be the same object again
// after it was written and read.
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"
#include "kube/object.hpp"
#include "kube/yaml.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson;

void round_trip(const kube::Object& object) {
  const auto written = kube::encode_object(object);
  kube::Warnings warnings;
  const auto read = kube::decode_object(written, &warnings);
  const auto shown = written.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  fuzz::claim(read.has_value(), "what was written is read again", shown);
  fuzz::claim(kube::encode_object(*read) == written, "an object stays the same when it is written and read", shown);
  fuzz::claim(warnings.empty(), "nothing is written that is not known", shown);
}

// The same rules wherever an object came from: a PodSpec alone, as the API server sends it inside of others.
void decode_parts(const nlohmann::json& json) {
  kube::Warnings warnings;
  static_cast<void>(kube::decode<kube::Pod>(json, &warnings));
  static_cast<void>(kube::decode<kube::PodSpec>(json, &warnings));
  static_cast<void>(kube::decode<kube::PodStatus>(json, &warnings));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kube::YamlLimits limits{.max_bytes = 1U << 16U, .max_depth = 50, .max_nodes = 10'000};
  const auto file = kube::parse_yaml(fuzz::text(data, size), "fuzz.yaml", limits);
  for (const auto& error : file.errors) {
    fuzz::claim(error.message.starts_with("fuzz.yaml"), "an error names its file", error.message);
  }
  for (const auto& document : file.documents) {
    decode_parts(*document.json);
    kube::Warnings warnings;
    const auto object = kube::load_object(*document.json, &warnings);
    if (object) round_trip(*object);
  }
  return 0;
}
