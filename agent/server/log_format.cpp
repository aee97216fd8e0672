#include "agent/server/log_format.hpp"

#include "kube/time.hpp"

namespace keelson::agent {
namespace {

// Takes the part up to the next space off the front; false when there is none.
bool take_word(std::string_view& text, std::string_view& word) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return false;
  word = text.substr(0, space);
  text.remove_prefix(space + 1);
  return true;
}

}  // namespace

std::optional<LogLine> parse_log_line(std::string_view line) {
  LogLine out;
  std::string_view tags;
  if (!take_word(line, out.time) || !take_word(line, out.stream) || !take_word(line, tags)) return std::nullopt;
  if (out.stream != "stdout" && out.stream != "stderr") return std::nullopt;
  // Tags are separated by colons; the first tells full from partial.
  const auto first = tags.substr(0, tags.find(':'));
  if (first != "F" && first != "P") return std::nullopt;
  out.partial = first == "P";
  out.text = line;
  return out;
}

void LogRenderer::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty() && !full()) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) {
      rest_.append(bytes.substr(0, kMaxLine - std::min(kMaxLine, rest_.size())));
      return;
    }
    if (rest_.empty()) {
      line(bytes.substr(0, end), out);
    } else {
      rest_.append(bytes.substr(0, std::min(end, kMaxLine - std::min(kMaxLine, rest_.size()))));
      const auto whole = std::move(rest_);
      rest_.clear();
      line(whole, out);
    }
    bytes.remove_prefix(end + 1);
  }
}

void LogRenderer::line(std::string_view raw, std::string& out) {
  const auto parsed = parse_log_line(raw);
  if (!parsed) return;
  const bool prefix = selection_.timestamps && line_start_;
  if (prefix || selection_.since) {
    const auto time = kube::parse_time(parsed->time);
    if (!time || (selection_.since && *time < *selection_.since)) return;
    if (prefix) emit(kube::format_nano_time(*time) + " ", out);
  }
  emit(parsed->text, out);
  if (!parsed->partial) emit("\n", out);
  line_start_ = !parsed->partial;
}

void LogRenderer::emit(std::string_view text, std::string& out) {
  if (left_) {
    text = text.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(*left_, text.size())));
    *left_ -= text.size();
  }
  out.append(text);
}

std::optional<std::size_t> find_tail(std::string_view block, bool at_end, std::int64_t lines, std::int64_t& found) {
  if (lines <= 0) return block.size();
  // The file's last "\n" ends the last line; every one before it ends the line ahead of a wanted one.
  if (at_end && !block.empty() && block.back() != '\n') ++found;
  for (std::size_t i = block.size(); i > 0; --i) {
    if (block[i - 1] == '\n' && ++found > lines) return i;
  }
  return std::nullopt;
}

}  // namespace keelson::agent
