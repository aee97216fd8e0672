#include "agent/standalone/carry_over.hpp"

#include <catch2/catch.hpp>

using namespace keelson::agent;

namespace {

const char* const kTwo = "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n---\n"
                         "kind: ConfigMap\napiVersion: v1\nmetadata: {name: m}\ndata: {k: v}\n";
const char* const kOne = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: m}\ndata: {k: v}\n";

ManifestSet after(const char* text) {
  const auto before = load_manifests({{"f.yaml", kTwo}});
  REQUIRE(before.problems.empty());
  REQUIRE(before.files.size() == 2);
  auto now = load_manifests({{"f.yaml", text}});
  carry_over(before, now);
  return now;
}

}  // namespace

TEST_CASE("a file that can no longer be read keeps what it held") {
  const auto now = after("kind: Pod\nmetadata: {name: a\n");
  CHECK(now.pods.count("default/a") == 1);
  CHECK(now.config_maps.count("default/m") == 1);
  CHECK(now.files.size() == 2);
  CHECK(now.problems.size() == 1);
}

TEST_CASE("an object with a mistake keeps what it was; the others of its file follow the file") {
  const auto now = after(
      "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i, ports: [{containerPort: x}]}]}\n");
  CHECK(now.pods.count("default/a") == 1);
  CHECK(now.config_maps.empty());
}

TEST_CASE("what is not in its file any more is gone") {
  const auto now = after(kOne);
  CHECK(now.pods.empty());
  CHECK(now.config_maps.size() == 1);
}
