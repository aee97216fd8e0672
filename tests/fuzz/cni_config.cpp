// A network configuration, as a list and as a single plugin. What the attachment store keeps of one must be one.
#include "cni/config.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson;

void check(const Result<cni::NetworkConfig>& read) {
  if (!read) return;
  fuzz::claim(!read->plugins.empty(), "a network has plugins");
  const auto again = cni::parse_network_list(read->json, "");
  fuzz::claim(again.has_value(), "what is kept of a network can be read", read->json);
  fuzz::claim(again->name == read->name && again->cni_version == read->cni_version &&
                  again->plugins.size() == read->plugins.size(),
              "and is the same network", read->json);
  for (std::size_t i = 0; i < read->plugins.size(); ++i) {
    fuzz::claim(again->plugins[i].json == read->plugins[i].json, "with the same plugins", read->json);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text(data, size);
  check(cni::parse_network_list(text, ""));
  check(cni::parse_single_plugin(text, ""));
  return 0;
}
