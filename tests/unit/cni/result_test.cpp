#include "cni/result.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cni/version.hpp"
#include "fixture.hpp"

namespace keelson::cni {
namespace {

using Json = nlohmann::json;

constexpr const char* kNewest = R"({"cniVersion":"1.1.0",
  "interfaces":[{"name":"eth0","mac":"aa:bb","mtu":1450,"sandbox":"/ns","socketPath":"/s","pciID":"0:1"}],
  "ips":[{"address":"10.0.0.2/24","gateway":"10.0.0.1","interface":0},{"address":"10.0.0.3/24"},
         {"address":"fd00::2/64","interface":0}],
  "routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1","mtu":1400,"table":7},{"dst":"::/0"}],
  "dns":{"nameservers":["10.0.0.10"],"search":["x"]}})";

Json converted(std::string_view version) {
  const auto parsed = parse_result(kNewest, "1.1.0");
  REQUIRE(parsed);
  const auto text = render_result(*parsed, version);
  REQUIRE(text);
  return Json::parse(*text);
}

TEST_CASE("a result of the newest version comes back unchanged", "[cni]") {
  CHECK(converted("1.1.0") == Json::parse(kNewest));
}

TEST_CASE("older versions get what they can say", "[cni]") {
  const Json v100 = converted("1.0.0");
  CHECK_FALSE(v100["interfaces"][0].contains("mtu"));
  CHECK_FALSE(v100["routes"][0].contains("table"));
  CHECK_FALSE(v100["ips"][0].contains("version"));
  const Json v031 = converted("0.3.1");
  CHECK(v031["ips"][0]["version"] == "4");
  CHECK(v031["ips"][2]["version"] == "6");
  const Json v020 = converted("0.2.0");
  CHECK(v020["ip4"] == Json::parse(R"({"ip":"10.0.0.2/24","gateway":"10.0.0.1",
                                       "routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]})"));
  CHECK(v020["ip6"]["ip"] == "fd00::2/64");
  CHECK(v020["dns"]["nameservers"][0] == "10.0.0.10");
  CHECK_FALSE(v020.contains("interfaces"));
}

TEST_CASE("every version's result is read back with the same addresses", "[cni]") {
  for (const auto& version : supported_versions()) {
    CAPTURE(version);
    const auto back = parse_result(converted(version).dump(), "1.1.0");
    REQUIRE(back);
    CHECK(back->cni_version == version);
    CHECK(back->ips.front().address == "10.0.0.2/24");
    CHECK(back->ips.back().address == "fd00::2/64");
    CHECK(back->routes.size() == 2);
  }
}

TEST_CASE("what a plugin must not print is an error with the place", "[cni]") {
  CHECK(parse_result("null", "1.0.0").value().ips.empty());
  CHECK(parse_result("{}", "0.4.0").value().cni_version == "0.4.0");
  CHECK(parse_result("hello", "1.0.0").error().code == code::kDecode);
  CHECK(parse_result(R"({"cniVersion":"3.0.0"})", "1.0.0").error().code == code::kIncompatibleVersion);
  const auto bad = parse_result(R"({"ips":[{"address":"1.2.3.4/8"},{"address":5}]})", "1.0.0");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().msg == "result: ips[1].address: expected string, got number");
  CHECK_FALSE(render_result(AddResult{}, "0.2.0"));
  CHECK(render_result(AddResult{}, "0.3.0"));
}

TEST_CASE("a plugin's failure is its error object, else the words of stderr", "[cni]") {
  const auto own = parse_plugin_failure(R"({"cniVersion":"1.0.0","code":11,"msg":"busy","details":"d"})", "", "");
  CHECK(own.code == code::kTryAgainLater);
  CHECK(own.text() == "busy: d (code 11)");
  const auto words = parse_plugin_failure("Segmentation fault", "bad things\n", "exit code 139");
  CHECK(words.code == code::kUnknown);
  CHECK(words.details == "bad things");
  CHECK(parse_plugin_failure("", "", "killed by signal 9").msg.find("signal 9") != std::string::npos);
  const Json rendered = Json::parse(render_error(own, "0.4.0"));
  CHECK(rendered == Json::parse(R"({"cniVersion":"0.4.0","code":11,"msg":"busy","details":"d"})"));
}

}  // namespace
}  // namespace keelson::cni
