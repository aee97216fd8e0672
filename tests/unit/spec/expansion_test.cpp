#include "agent/spec/expansion.hpp"

#include <catch2/catch.hpp>

#include "printing.hpp"

namespace keelson::spec {
namespace {

const Variables kVariables = {{"A", "1"}, {"B", "$(A)"}, {"EMPTY", ""}, {"a b", "spaced"}};

TEST_CASE("expand replaces references and leaves everything else") {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"$(A)", "1"},
      {"x$(A)y$(A)z", "x1y1z"},
      {"$(B)", "$(A)"},  // values are not expanded again
      {"[$(EMPTY)]", "[]"},
      {"$(a b)", "spaced"},
      {"$(MISSING)", "$(MISSING)"},
      {"$()", "$()"},
      {"$$", "$"},
      {"$$(A)", "$(A)"},
      {"$$$(A)", "$1"},
      {"$$$$(A)", "$$(A)"},
      {"$A", "$A"},
      {"$", "$"},
      {"cost: 5$", "cost: 5$"},
      {"$(A", "$(A"},          // unclosed
      {"$(A$(A)", "$(A$(A)"},  // the name is "A$(A"
      {"$($$(A)", "$($$(A)"},
      {"$\xc3\xa9$(A)",
       "$\xc3\xa9"
       "1"},
  };
  for (const auto& [text, want] : cases) {
    CAPTURE(text);
    CHECK(expand(text, kVariables) == want);
  }
}

TEST_CASE("expand_all keeps the order and the number of words") {
  CHECK(expand_all({"sh", "-c", "echo $(A) $$A"}, kVariables) == std::vector<std::string>{"sh", "-c", "echo 1 $A"});
  CHECK(expand_all({}, kVariables).empty());
}

TEST_CASE("expand_strict wants a value for every reference") {
  CHECK(expand_strict("logs/$(A)", kVariables).value() == "logs/1");
  const auto failed = expand_strict("$(Z)/$(EMPTY)/$(C)/$(Z)", kVariables);
  REQUIRE(!failed);
  CHECK(failed.error().message == "missing value for C, EMPTY, Z");
  CHECK(failed.error().code == Errc::invalid_argument);
}

}  // namespace
}  // namespace keelson::spec
