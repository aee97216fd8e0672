#include "kube/labels.hpp"

#include <catch2/catch.hpp>

using namespace keelson::kube;

TEST_CASE("selectors in text form") {
  auto [text, canonical] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"a=b", "a=b"},
      {" a == b ", "a=b"},
      {"a!=b", "a notin (b)"},
      {"a=b,c in (d, e),!f", "a=b,c in (d,e),!f"},
      {"x notin (y),z", "x notin (y),z"},
      {"example.com/app=web", "example.com/app=web"},
      {"a=b,a=c", "a=b,a in (c)"},
      {"a=", "a="},
  }));
  CAPTURE(text);
  CHECK(format_label_selector(parse_label_selector(text).value()) == canonical);
}

TEST_CASE("broken selectors are refused") {
  auto text =
      GENERATE("a=b,", ",", "a in", "a in (b", "a of (b)", "in (b)", "=b", "!", "a b", "a=b c", "-a=b", "a in (b!)");
  CAPTURE(text);
  auto result = parse_label_selector(text);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().message.find("label selector") == 0);
}

TEST_CASE("selectors match labels") {
  StringMap labels{{"app", "web"}, {"tier", "front"}};
  auto [text, expected] = GENERATE(table<std::string, bool>({
      {"", true},
      {"app=web", true},
      {"app=db", false},
      {"app=web,tier=front", true},
      {"app!=db", true},
      {"none!=x", true},
      {"app in (web,db)", true},
      {"none in (x)", false},
      {"app notin (web)", false},
      {"app", true},
      {"!app", false},
      {"!none", true},
      {"app=web,app=db", false},
  }));
  CAPTURE(text);
  CHECK(matches(parse_label_selector(text).value(), labels) == expected);
}

TEST_CASE("an operator that does not exist matches nothing") {
  LabelSelector selector;
  selector.match_expressions.push_back({"app", "Like", {"web"}});
  CHECK_FALSE(matches(selector, {{"app", "web"}}));
}

TEST_CASE("node selectors") {
  StringMap labels{{"zone", "a"}, {"cores", "8"}};
  auto selects = [&](NodeSelectorTerm term) { return matches(NodeSelector{{std::move(term)}}, labels, "node-1"); };
  CHECK(selects({{{"zone", "In", {"a", "b"}}}, {}}));
  CHECK_FALSE(selects({{{"zone", "NotIn", {"a"}}}, {}}));
  CHECK(selects({{{"cores", "Gt", {"4"}}}, {}}));
  CHECK_FALSE(selects({{{"cores", "Lt", {"4"}}}, {}}));
  CHECK_FALSE(selects({{{"zone", "Gt", {"4"}}}, {}}));
  CHECK(selects({{}, {{"metadata.name", "In", {"node-1"}}}}));
  CHECK_FALSE(selects({{}, {{"metadata.name", "In", {"node-2"}}}}));
  CHECK_FALSE(selects({}));
  CHECK_FALSE(matches(NodeSelector{}, labels, "node-1"));
}
