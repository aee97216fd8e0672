// The values with a grammar of their own: quantities, times, IntOrString, selectors, names. The first byte chooses.
#include <nlohmann/json.hpp>

#include "base/strings.hpp"
#include "kube/codec.hpp"
#include "kube/labels.hpp"
#include "kube/names.hpp"
#include "kube/quantity.hpp"
#include "kube/service.hpp"
#include "kube/time.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson;

void quantity(std::string_view text) {
  const auto read = kube::Quantity::parse(text);
  if (!read) return;
  const std::string canonical = read->to_string();
  const auto again = kube::Quantity::parse(canonical);
  fuzz::claim(again.has_value(), "the canonical text of a quantity is a quantity", canonical);
  fuzz::claim(*again == *read, "the canonical text of a quantity is its amount", canonical);
  fuzz::claim(again->to_string() == canonical, "canonical text is canonical", canonical);
  fuzz::claim((read->value() < 0) == (read->sign() < 0), "rounding keeps the sign", canonical);
  fuzz::claim((read->milli_value() < 0) == (read->sign() < 0), "rounding keeps the sign", canonical);
  fuzz::claim((*read - *read).is_zero(), "a - a = 0", canonical);
  static_cast<void>(*read + *read);
}

void time(std::string_view text) {
  const auto read = kube::parse_time(text);
  if (!read) return;
  const std::string nano = kube::format_nano_time(*read);
  const auto again = kube::parse_time(nano);
  fuzz::claim(again.has_value() && *again == *read, "a time is itself again to the nanosecond", nano);
  fuzz::claim(kube::parse_time(kube::format_time(*read)).has_value(), "a written time can be read");
  fuzz::claim(kube::parse_time(kube::format_micro_time(*read)).has_value(), "a written time can be read");
}

void int_or_string(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return;
  const nlohmann::json service = {{"spec", {{"ports", {{{"port", 1}, {"targetPort", json}}}}}}};
  const auto read = kube::decode<kube::Service>(service);
  if (!read) return;
  const auto again = kube::decode<kube::Service>(kube::encode(*read));
  fuzz::claim(again.has_value() && kube::encode(*again) == kube::encode(*read), "a port is itself again");
}

void selector(std::string_view text) {
  const auto read = kube::parse_label_selector(text);
  if (!read) return;
  const std::string written = kube::format_label_selector(*read);
  const auto again = kube::parse_label_selector(written);
  fuzz::claim(again.has_value(), "a written selector can be read", written);
  fuzz::claim(kube::format_label_selector(*again) == written, "and is written the same", written);
  static_cast<void>(kube::matches(*read, kube::StringMap{{"a", "b"}}));
}

void names(std::string_view text) {
  const bool label = kube::check_dns_label(text).empty();
  fuzz::claim(!label || kube::check_dns_subdomain(text).empty(), "every label is a subdomain", std::string(text));
  static_cast<void>(kube::check_qualified_name(text));
  static_cast<void>(kube::check_config_key(text));
  static_cast<void>(kube::check_ip(text));
  std::string bytes;
  if (base64_decode(text, bytes)) {
    std::string again;
    fuzz::claim(base64_decode(base64_encode(bytes), again) && again == bytes, "base64 both ways", std::string(text));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto text = fuzz::text(data + 1, size - 1);
  switch (data[0]) {
    case 'q':
      quantity(text);
      break;
    case 't':
      time(text);
      break;
    case 'i':
      int_or_string(text);
      break;
    case 's':
      selector(text);
      break;
    case 'n':
      names(text);
      break;
    default:
      break;
  }
  return 0;
}
