#include "agent/spec/env_file.hpp"

#include "base/strings.hpp"

namespace keelson::spec {
namespace {

constexpr std::string_view kBlank = " \t";

std::string_view skip_blank(std::string_view text) {
  const auto at = text.find_first_not_of(kBlank);
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

Error at_line(std::size_t line, std::string_view why) {
  return make_error(Errc::invalid_argument,
                    "invalid environment variable format at line " + std::to_string(line) + ": " + std::string(why));
}

struct QuotedValue {
  std::string value;
  std::size_t last_line;  // index of the line that closes the quote
};

// Reads from behind the opening quote in lines[line] to the closing one.
Result<QuotedValue> read_quoted(const std::vector<std::string>& lines, std::size_t line, std::string_view rest) {
  const std::size_t first = line;
  QuotedValue out;
  for (;;) {
    if (const auto close = rest.find('\''); close != std::string_view::npos) {
      out.value += rest.substr(0, close);
      out.last_line = line;
      const auto after = skip_blank(rest.substr(close + 1));
      if (after.empty() || after.front() == '#') return out;
      return at_line(line + 1, "unexpected content after closing quote");
    }
    out.value.append(rest).append("\n");
    if (++line == lines.size()) {
      return make_error(Errc::invalid_argument, "invalid environment variable format starting at line " +
                                                    std::to_string(first + 1) + ": unclosed single quote");
    }
    rest = lines[line];
  }
}

}  // namespace

Result<std::string> env_file_value(std::string_view text, std::string_view key) {
  auto lines = split(text, '\n');
  if (lines.back().empty()) lines.pop_back();  // what follows the last line break is no line
  for (auto& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto line = skip_blank(lines[i]);
    if (line.empty() || line.front() == '#') continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return at_line(i + 1, "missing '='");
    const auto name = line.substr(0, equals);
    if (name.find_last_not_of(kBlank) == std::string_view::npos) return at_line(i + 1, "empty variable name");
    if (kBlank.find(name.back()) != std::string_view::npos) {
      return at_line(i + 1, "whitespace before '=' is not allowed");
    }
    const auto value = line.substr(equals + 1);
    if (!value.empty() && kBlank.find(value.front()) != std::string_view::npos) {
      if (name == key) return std::string();
      continue;
    }
    if (value.empty() || value.front() != '\'') return at_line(i + 1, "value must be enclosed in single quotes");
    TRY(auto quoted, read_quoted(lines, i, value.substr(1)));
    if (name == key) return std::move(quoted.value);
    i = quoted.last_line;
  }
  return std::string();
}

}  // namespace keelson::spec
