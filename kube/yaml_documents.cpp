#include "kube/yaml_documents.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/strings.hpp"
#include "kube/text_member.hpp"

namespace keelson::kube {
namespace {

using nlohmann::json;

bool is_separator(std::string_view line) {
  return line.substr(0, 3) == "---" && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r');
}

bool says_something(std::string_view line) {
  std::string_view content = is_separator(line) ? line.substr(3) : line;
  content = trim(content);
  return !content.empty() && content[0] != '#' && line[0] != '%' && content != "...";
}

// "List", or a typed list: the kind of its items, "" for a plain List.
bool is_list(const json& value, std::string& item_kind) {
  constexpr std::string_view kList = "List";
  std::string kind = text_member(value, "kind");
  if (kind.size() < kList.size() || kind.compare(kind.size() - kList.size(), kList.size(), kList) != 0) return false;
  item_kind = kind.substr(0, kind.size() - kList.size());
  auto items = value.find("items");
  return items != value.end() ? items->is_array() || items->is_null() : item_kind.empty();
}

// The number of continuation bytes that must follow this lead byte, with the least code point allowed; -1: none.
int continuation_bytes(unsigned char lead, std::uint32_t& point, std::uint32_t& least) {
  if (lead < 0x80) return point = lead, least = 0, 0;
  if (lead >= 0xC2 && lead < 0xE0) return point = lead & 0x1FU, least = 0x80, 1;
  if (lead >= 0xE0 && lead < 0xF0) return point = lead & 0x0FU, least = 0x800, 2;
  if (lead >= 0xF0 && lead < 0xF5) return point = lead & 0x07U, least = 0x10000, 3;
  return -1;
}

}  // namespace

std::vector<YamlPart> split_documents(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  std::vector<YamlPart> parts;
  std::size_t start = 0;
  std::size_t start_line = 1;
  bool content = false;
  auto close = [&](std::size_t end) {
    if (content) parts.push_back({text.substr(start, end - start), start_line});
    content = false;
  };
  std::size_t line_number = 1;
  for (std::size_t at = 0; at < text.size(); ++line_number) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (is_separator(line)) {
      // Directives belong to the document that their separator opens.
      bool directives = !content && text[start] == '%';
      close(at);
      if (!directives) {
        start = at;
        start_line = line_number;
      }
    }
    content = content || says_something(line);
    at = end + 1;
  }
  close(text.size());
  return parts;
}

void add_document(json value, std::size_t line, std::size_t index, YamlFile& file) {
  std::string item_kind;
  if (!value.is_object() || !is_list(value, item_kind)) {
    if (!value.is_null()) file.documents.push_back({std::make_shared<const json>(std::move(value)), line, index});
    return;
  }
  std::string api_version = text_member(value, "apiVersion");
  auto items = value.find("items");
  if (items == value.end() || items->is_null()) return;
  for (json& item : *items) {
    if (item.is_object() && !item_kind.empty() && !item.contains("kind")) {
      item["kind"] = item_kind;
      item["apiVersion"] = api_version;
    }
    add_document(std::move(item), line, index, file);
  }
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::uint32_t point = 0;
    std::uint32_t least = 0;
    int more = continuation_bytes(static_cast<unsigned char>(text[at++]), point, least);
    if (more < 0) return false;
    for (; more > 0; --more, ++at) {
      if (at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80) return false;
      point = (point << 6U) | (static_cast<unsigned char>(text[at]) & 0x3FU);
    }
    if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  }
  return true;
}

}  // namespace keelson::kube
