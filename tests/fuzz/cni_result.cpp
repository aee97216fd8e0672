// What a CNI plugin writes on its stdout, as a result and as an error. A result that was read can be said in every
// version that it does not exceed, and says the same there.
#include "cni/error.hpp"
#include "cni/result.hpp"
#include "cni/version.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson;
  const auto text = fuzz::text(data, size);
  const auto read = cni::parse_result(text, cni::kCurrentVersion);
  if (!read) return 0;
  for (const auto& version : cni::supported_versions()) {
    const auto written = cni::render_result(*read, version);
    if (!written) continue;
    const auto again = cni::parse_result(*written, version);
    fuzz::claim(again.has_value(), "what was written can be read", version + " " + *written);
    const auto twice = cni::render_result(*again, version);
    fuzz::claim(twice.has_value() && *twice == *written, "and is written the same", version + " " + *written);
  }
  return 0;
}
