#include "agent/standalone/immutable.hpp"

#include <catch2/catch.hpp>

namespace keelson::agent::test {
namespace {

ManifestSet load(const std::string& config_map, const std::string& secret) {
  return load_manifests(
      {{"a.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, " + config_map +
                      "}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, " + secret + "}\n"}});
}

}  // namespace

TEST_CASE("an immutable ConfigMap or Secret stays as it is while it is there", "[immutable]") {
  const auto before = load("data: {a: old}, immutable: true", "stringData: {a: old}, immutable: true");
  struct Row {
    const char* what;
    const char* config_map;
    const char* secret;
    std::vector<std::string> problems;
  };
  const auto row = GENERATE(values<Row>({
      {"the same", "data: {a: old}, immutable: true", "stringData: {a: old}, immutable: true", {}},
      {"in another order", "immutable: true, data: {a: old}", "immutable: true, stringData: {a: old}", {}},
      {"other data",
       "data: {a: new}, immutable: true",
       "stringData: {a: new}, immutable: true",
       {"ConfigMap default/c data", "Secret default/s data"}},
      {"binary data as well",
       "data: {a: old}, binaryData: {b: AAEC}, immutable: true",
       "stringData: {a: old}, immutable: true",
       {"ConfigMap default/c binaryData"}},
      {"mutable again",
       "data: {a: new}",
       "stringData: {a: new}, immutable: false",
       {"ConfigMap default/c immutable", "Secret default/s immutable"}},
  }));
  INFO(row.what);
  auto now = load(row.config_map, row.secret);
  REQUIRE(now.problems.empty());
  keep_immutable(before, now);
  std::vector<std::string> seen;
  for (const auto& p : now.problems) seen.push_back(p.object + " " + p.message.substr(0, p.message.find(':')));
  CHECK(seen == row.problems);
  CHECK(now.config_maps.at("default/c")->data == before.config_maps.at("default/c")->data);
  CHECK(now.secrets.at("default/s")->data == before.secrets.at("default/s")->data);
}

TEST_CASE("what is not immutable yet may change, and what went may come back otherwise", "[immutable]") {
  const auto before = load("data: {a: old}", "stringData: {a: old}");
  auto now = load("data: {a: new}, immutable: true", "stringData: {a: new}, immutable: true");
  keep_immutable(before, now);
  CHECK(now.problems.empty());
  CHECK(now.config_maps.at("default/c")->data.at("a") == "new");
  ManifestSet gone;
  keep_immutable(now, gone);
  CHECK(gone.config_maps.empty());
  CHECK(gone.problems.empty());
}

}  // namespace keelson::agent::test
