#include "kube/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "base/strings.hpp"
#include "kube/tree_builder.hpp"
#include "kube/yaml_documents.hpp"
#include "kube/yaml_scalar.hpp"

namespace keelson::kube {
namespace {

using nlohmann::json;

std::size_t line_of(const YAML::Mark& mark) { return mark.line < 0 ? 0 : static_cast<std::size_t>(mark.line); }

// yaml-cpp's events, with scalars resolved on the way to the tree.
class YamlEvents final : public YAML::EventHandler {
 public:
  explicit YamlEvents(const YamlLimits& limits) : tree(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override { start = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { tree.scalar(nullptr, anchor, line_of(mark)); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { tree.alias(anchor, line_of(mark)); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag == "?" && value == "<<" && tree.wants_key()) return tree.merge_key();
    tree.scalar(resolve(tag, value, line_of(mark)), anchor, line_of(mark));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    tree.begin(false, anchor, line_of(mark));
  }
  void OnSequenceEnd() override { tree.end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    tree.begin(true, anchor, line_of(mark));
  }
  void OnMapEnd() override { tree.end(); }

  TreeBuilder tree;
  YAML::Mark start = YAML::Mark::null_mark();

 private:
  // "?" marks a plain scalar, "!" a quoted one; else the text's explicit tag decides.
  static json resolve(const std::string& tag, const std::string& value, std::size_t line) {
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    std::string_view type = tag;
    if (type.substr(0, kStandard.size()) == kStandard) type.remove_prefix(kStandard.size());
    if (type == "binary") {
      std::string bytes;
      if (!base64_decode(value, bytes)) throw BrokenDocument(line, "!!binary is not base64");
      return checked_utf8(std::move(bytes), line);
    }
    if (type != "?" && type != "int" && type != "float" && type != "bool" && type != "null") return value;
    bool finite = true;
    json resolved = resolve_plain_scalar(value, finite);
    if (!finite) throw BrokenDocument(line, "\"" + value + "\" is not a number that JSON has");
    return resolved;
  }
  static json checked_utf8(std::string bytes, std::size_t line) {
    if (!is_utf8(bytes)) throw BrokenDocument(line, "!!binary does not hold text");
    return bytes;
  }
};

// nlohmann's events. Any failure, duplicates too, makes the text go to the YAML parser, which knows the line.
class JsonEvents final : public nlohmann::json_sax<json> {
 public:
  explicit JsonEvents(const YamlLimits& limits) : tree(limits) {}

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t, const string_t& text) override {
    bool finite = true;
    return scalar(resolve_plain_scalar(text, finite));
  }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& value) override { return scalar(std::move(value)); }
  bool start_object(std::size_t) override { return tree.begin(true, 0, 0), true; }
  bool start_array(std::size_t) override { return tree.begin(false, 0, 0), true; }
  bool end_object() override { return tree.end(), true; }
  bool end_array() override { return tree.end(), true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  TreeBuilder tree;

 private:
  bool scalar(json value) { return tree.scalar(std::move(value), 0, 0), true; }
};

bool parse_json(std::string_view text, const YamlLimits& limits, json& out) {
  if (trim(text).substr(0, 1) != "{") return false;
  JsonEvents events(limits);
  try {
    if (!json::sax_parse(text.begin(), text.end(), &events)) return false;
  } catch (const BrokenDocument&) {
    return false;
  }
  out = events.tree.take();
  return true;
}

// All documents of one part of the file (usually one; "..." may end several).
void parse_part(const YamlPart& part, const YamlLimits& limits, std::size_t& index, YamlFile& file) {
  json value;
  if (parse_json(part.text, limits, value)) {
    add_document(std::move(value), part.line, index++, file);
    return;
  }
  // yaml-cpp takes the end of the text for the end of an open quote; an explicit end of the document it does not.
  std::istringstream stream{std::string(part.text) + (part.text.back() == '\n' ? "...\n" : "\n...\n")};
  YAML::Parser parser(stream);
  int previous = -1;
  std::size_t before = file.documents.size(), last = index;  // of the last document that held anything
  while (true) {
    YamlEvents events(limits);
    if (!parser.HandleNextDocument(events)) return;
    // What cannot begin a document, such as a comma after a map in braces, it takes for an empty one, for ever. It is
    // a part of the document that it follows.
    if (events.start.pos == previous) {
      file.documents.erase(file.documents.begin() + static_cast<std::ptrdiff_t>(before), file.documents.end());
      index = last;
      throw BrokenDocument(line_of(events.start), "unexpected text after the end of the document");
    }
    previous = events.start.pos;
    const std::size_t size = file.documents.size();
    if (events.tree.has_value()) add_document(events.tree.take(), part.line, index, file);
    if (file.documents.size() > size) before = size, last = index;
    ++index;
  }
}

}  // namespace

YamlFile parse_yaml(std::string_view text, std::string_view name, const YamlLimits& limits) {
  YamlFile file;
  auto refuse = [&](const std::string& where, const std::string& why) {
    file.errors.push_back(make_error(Errc::invalid_argument, std::string(name) + ": " + where + why));
  };
  if (text.size() > limits.max_bytes) {
    refuse("", "larger than " + std::to_string(limits.max_bytes) + " bytes");
    return file;
  }
  std::size_t index = 0;
  for (const YamlPart& part : split_documents(text)) {
    std::size_t first = index;
    auto place = [&](std::size_t line) {
      return "document " + std::to_string(index + 1) + ", line " + std::to_string(part.line + line) + ": ";
    };
    try {
      if (!is_utf8(part.text)) throw BrokenDocument(0, "not UTF-8 text");
      parse_part(part, limits, index, file);
    } catch (const BrokenDocument& broken) {
      refuse(place(broken.line), broken.what());
    } catch (const YAML::Exception& broken) {
      bool open_quote = broken.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
      refuse(place(line_of(broken.mark)), open_quote ? "a quoted text is not closed" : broken.msg);
    }
    if (index == first) ++index;
  }
  return file;
}

}  // namespace keelson::kube
