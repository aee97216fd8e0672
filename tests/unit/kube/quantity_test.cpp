#include "kube/quantity.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace keelson::kube;

namespace {
Quantity q(std::string_view text) { return Quantity::parse(text).value(); }
}  // namespace

TEST_CASE("quantities are shown canonically") {
  auto [in, out] = GENERATE(table<std::string, std::string>({
      {"0", "0"},
      {"0Gi", "0"},
      {"0.5", "500m"},
      {"1Gi", "1Gi"},
      {"1024Mi", "1Gi"},
      {"1.5Gi", "1536Mi"},
      {"1000m", "1"},
      {"1500m", "1500m"},
      {"100000", "100k"},
      {"12345", "12345"},
      {"1e3", "1e3"},
      {"1E3", "1e3"},
      {"1E", "1E"},
      {"1e-3", "1e-3"},
      {".5", "500m"},
      {"5.", "5"},
      {"+1", "1"},
      {"-1.5", "-1500m"},
      {"-2Ki", "-2Ki"},
      {"1000Ki", "1000Ki"},
      {"512", "512"},
      {"0.001Ki", "1024m"},
      {"0.5Ki", "512"},
      {"1023", "1023"},
      {"1n", "1n"},
      {"0.1n", "1n"},
      {"-0.1n", "-1n"},
      {"1.0000000001", "1000000001n"},
      {"1u", "1u"},
      {"3M", "3M"},
      {"1.5Ki", "1536"},
      {"1500Mi", "1500Mi"},
      {"10Ei", "9223372036854775807"},
      {"9E", "9E"},
      {"1e2147483647", "9223372036854775807"},
      {"1e-2147483647", "1e-9"},
      {"0e999999999", "0"},
  }));
  CAPTURE(in);
  CHECK(q(in).to_string() == out);
}

TEST_CASE("what is no quantity is refused") {
  auto text = GENERATE("", " ", "x", "1x", "1 Gi", "1gi", "Gi", "--1", "1.2.3", "1e", "1ee3", "1e99999999999", "0x10",
                       ".", "-");
  CAPTURE(text);
  auto result = Quantity::parse(text);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == keelson::Errc::invalid_argument);
  CHECK(result.error().message.find("expected a quantity") == 0);
}

TEST_CASE("values round away from zero") {
  CHECK(q("100m").value() == 1);
  CHECK(q("1100m").value() == 2);
  CHECK(q("-1100m").value() == -2);
  CHECK(q("1u").milli_value() == 1);
  CHECK(q("1500m").milli_value() == 1500);
  CHECK(q("1Gi").value() == 1 << 30);
  CHECK(q("9E").milli_value() == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("quantities compare and add by amount") {
  CHECK(q("1") == q("1000m"));
  CHECK(q("1Ki") > q("1k"));
  CHECK((q("1Gi") + q("512Mi")).to_string() == "1536Mi");
  CHECK((q("1") - q("250m")).to_string() == "750m");
  CHECK((Quantity() + q("2Gi")).to_string() == "2Gi");
  CHECK((q("9E") + q("9E")).value() == std::numeric_limits<std::int64_t>::max());
  CHECK(Quantity::of(2048, Quantity::Format::binary_si).to_string() == "2Ki");
  CHECK(Quantity::of_milli(250).to_string() == "250m");
  CHECK(q("-1").sign() == -1);
  CHECK(Quantity().is_zero());
}
