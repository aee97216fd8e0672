#include "kube/yaml.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace keelson::kube;
using nlohmann::json;

namespace {

json one(std::string_view text) {
  YamlFile file = parse_yaml(text, "f.yaml");
  for (const auto& error : file.errors) UNSCOPED_INFO(error.message);
  REQUIRE(file.errors.empty());
  REQUIRE(file.documents.size() == 1);
  return *file.documents[0].json;
}

std::string error_of(std::string_view text, const YamlLimits& limits = {}) {
  YamlFile file = parse_yaml(text, "f.yaml", limits);
  REQUIRE(file.errors.size() == 1);
  CHECK(file.documents.empty());
  return file.errors[0].message;
}

}  // namespace

TEST_CASE("scalars are typed as kubectl types them") {
  auto [text, value] = GENERATE(table<std::string, json>({
      {"text", "text"},
      {"\"5\"", "5"},
      {"'true'", "true"},
      {"5", 5},
      {"-5", -5},
      {"+5", 5},
      {"0x1F", 31},
      {"0644", 420},
      {"0o644", 420},
      {"0b101", 5},
      {"0800", 800},
      {"1_000", 1000},
      {"9223372036854775807", 9223372036854775807},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"18446744073709551615", 18446744073709551615U},
      {"1.5", 1.5},
      {"1.0", 1},
      {"1e3", 1000},
      {".5", 0.5},
      {"5.", 5},
      {"true", true},
      {"yes", true},
      {"On", true},
      {"y", true},
      {"no", false},
      {"off", false},
      {"N", false},
      {"yEs", "yEs"},
      {"~", nullptr},
      {"null", nullptr},
      {"", nullptr},
      {"2024-01-01", "2024-01-01"},
      {"12:30:45", "12:30:45"},
      {"1.2.3", "1.2.3"},
      {"100m", "100m"},
      {"-", json::array({nullptr})},
      {"1e999", "1e999"},
      {"_1", "_1"},
      {"0x", "0x"},
      {"0xZZ", "0xZZ"},
      {"!!str 5", "5"},
      {"!!int \"5\"", 5},
      {"!!binary aGk=", "hi"},
      {"|\n  a\n  b\n", "a\nb\n"},
  }));
  CAPTURE(text);
  std::string separator = text == "-" ? "\n  " : " ";
  CHECK(one("key:" + separator + text + "\n")["key"] == value);
}

TEST_CASE("keys become strings") {
  CHECK(one("1: a\ntrue: b\n1.5: c\n") == json{{"1", "a"}, {"true", "b"}, {"1.5", "c"}});
}

TEST_CASE("documents are told apart, with line and index") {
  YamlFile file = parse_yaml("# comment\n---\na: 1\n---\n\n---  # more\nb: 2\n...\n---\n# nothing\n", "f");
  CHECK(file.errors.empty());
  REQUIRE(file.documents.size() == 2);
  CHECK(*file.documents[0].json == json{{"a", 1}});
  CHECK(file.documents[0].line == 2);
  CHECK(file.documents[0].index == 0);
  CHECK(*file.documents[1].json == json{{"b", 2}});
  CHECK(file.documents[1].line == 6);
  CHECK(file.documents[1].index == 1);
}

TEST_CASE("byte order marks, directives and line ends of any system are fine") {
  CHECK(one("\xEF\xBB\xBF"
            "a: 1\n") == json{{"a", 1}});
  CHECK(one("%YAML 1.1\n---\na: 1\n") == json{{"a", 1}});
  CHECK(one("---\r\na: 1\r\nb: x\r\n") == json{{"a", 1}, {"b", "x"}});
}

TEST_CASE("one broken document does not hide the others") {
  YamlFile file = parse_yaml("a: 1\n---\nb: [\n---\nc: 3\n---\nd: 1\nd: 2\n", "web.yaml");
  REQUIRE(file.documents.size() == 2);
  CHECK(*file.documents[1].json == json{{"c", 3}});
  CHECK(file.documents[1].index == 2);
  REQUIRE(file.errors.size() == 2);
  CHECK(file.errors[0].message.find("web.yaml: document 2, line ") == 0);
  CHECK(file.errors[1].message == "web.yaml: document 4, line 8: duplicate key \"d\"");
}

TEST_CASE("JSON is read as JSON") {
  CHECK(one(R"({"a": "\ud83d\ude00", "b": [1, 2.0, 2.5], "yes": "no"})") ==
        json{{"a", "\xF0\x9F\x98\x80"}, {"b", {1, 2, 2.5}}, {"yes", "no"}});
  CHECK(error_of("{\"a\": 1,\n \"a\": 2}") == "f.yaml: document 1, line 2: duplicate key \"a\"");
  CHECK(one("{a: 1, b: yes}") == json{{"a", 1}, {"b", true}});
}

TEST_CASE("anchors and merge keys") {
  CHECK(one("a: &x {k: 1}\nb: *x\n") == json{{"a", {{"k", 1}}}, {"b", {{"k", 1}}}});
  CHECK(one("base: &b {x: 1, z: 2}\nuse:\n  <<: *b\n  z: 3\n")["use"] == json{{"x", 1}, {"z", 3}});
  CHECK(one("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc:\n  <<: [*a, *b]\n")["c"] == json{{"x", 1}, {"z", 2}});
  CHECK(one("a: &n 5\nb: *n\n*n : c\n")["5"] == "c");
  CHECK(error_of("a:\n  <<: 1\n").find("\"<<\" needs a map") != std::string::npos);
  CHECK(error_of("a: &a\n  b: *a\n").find("line 2: an alias stands inside the value it names") != std::string::npos);
}

TEST_CASE("lists are taken apart") {
  YamlFile file = parse_yaml(
      "kind: List\napiVersion: v1\nitems:\n- kind: Pod\n- kind: List\n  items: [{kind: Service}]\n---\n"
      "kind: PodList\napiVersion: v1\nitems: [{metadata: {name: a}}]\n---\nkind: List\n",
      "f");
  REQUIRE(file.documents.size() == 3);
  CHECK((*file.documents[0].json)["kind"] == "Pod");
  CHECK((*file.documents[1].json)["kind"] == "Service");
  CHECK(file.documents[1].index == 0);
  CHECK(*file.documents[2].json == json{{"kind", "Pod"}, {"apiVersion", "v1"}, {"metadata", {{"name", "a"}}}});
}

TEST_CASE("bad text is an error with its place") {
  CHECK(error_of("a: b\n  c: d\n").find("f.yaml: document 1, line 2: ") == 0);
  CHECK(error_of("a: \"b\nc: d\n") == "f.yaml: document 1, line 3: a quoted text is not closed");
  CHECK(error_of("a: 'b") == "f.yaml: document 1, line 2: a quoted text is not closed");
  CHECK(error_of("a: .inf\n") == "f.yaml: document 1, line 1: \".inf\" is not a number that JSON has");
  CHECK(error_of("\n\na: \xff\n") == "f.yaml: document 1, line 1: not UTF-8 text");
  CHECK(error_of("? [a]\n: b\n") == "f.yaml: document 1, line 1: a key must be a scalar");
  CHECK(error_of("~: b\n") == "f.yaml: document 1, line 1: a key must not be null");
  CHECK(error_of("a: *none\n").find("line 1") != std::string::npos);
  CHECK(error_of("{\"a\": 1}}\n") == "f.yaml: document 1, line 1: illegal flow end");
  CHECK(error_of("{\"a\": 1},\n") == "f.yaml: document 1, line 1: unexpected text after the end of the document");
  CHECK(error_of("[1],\n[2]\n") == "f.yaml: document 1, line 1: unexpected text after the end of the document");
  CHECK(error_of("a: !!binary /w==\n").find("does not hold text") != std::string::npos);
}

TEST_CASE("hostile text stays within bounds") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string previous = "*a" + std::to_string(i - 1);
    std::string line = previous;
    for (int k = 1; k < 10; ++k) line += ", " + previous;
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + line + "]\n";
  }
  CHECK(error_of(bomb).find("more than 1000000 values (aliases expanded)") != std::string::npos);
  CHECK(error_of(std::string(200, '[') + std::string(200, ']')).find("nested deeper than 100") != std::string::npos);
  CHECK(error_of(std::string(100000, '[')).find("f.yaml: document 1") == 0);
  CHECK(error_of(std::string(100000, '{')).find("f.yaml: document 1") == 0);
  CHECK(error_of("a: 1\n", {4, 10, 10}) == "f.yaml: larger than 4 bytes");
  std::string text = "s: &s " + std::string(6400, 'x') + "\nl: [*s, *s, *s]\n";
  CHECK(error_of(text, {1 << 20, 10, 300}).find("more than 300 values") != std::string::npos);
}

TEST_CASE("an empty file holds nothing") {
  auto text = GENERATE("", "\n\n", "# only a comment\n", "---\n", "---\n---\n", "null\n");
  YamlFile file = parse_yaml(text, "f");
  CHECK(file.documents.empty());
  CHECK(file.errors.empty());
}
