// The CRI log format, and the choice and shape of the lines that `logs` shows. Pure.
// Format: RFC3339Nano, stream, tags, text: "2024-05-01T10:00:00.123456789Z stdout F hello". Tag P is a part of a line
// that the next one of the stream continues. After upstream's k8s.io/cri-client pkg/logs/logs.go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/chrono.hpp"

namespace keelson::agent {

struct LogLine {
  std::string_view time;
  std::string_view stream;  // "stdout" or "stderr"
  bool partial = false;
  std::string_view text;  // without the line's end
};

// One line of a log file, without its "\n". Nothing when it is none of the format.
[[nodiscard]] std::optional<LogLine> parse_log_line(std::string_view line);

struct LogSelection {
  std::optional<SystemTime> since;           // lines at or after this time
  std::optional<std::int64_t> tail_lines;    // the last lines of the file
  std::optional<std::uint64_t> limit_bytes;  // of the output
  bool timestamps = false;                   // nine-digit RFC 3339 and a space before each line
  bool operator==(const LogSelection&) const = default;
};

// Turns a file's bytes, in pieces of any size, into what the reader sees. Lines that are not of the format are left
// out.
class LogRenderer {
 public:
  explicit LogRenderer(const LogSelection& selection) : selection_(selection), left_(selection.limit_bytes) {}

  // Appends the output for `bytes` to `out`.
  void feed(std::string_view bytes, std::string& out);
  // The file was replaced by the next one: an unfinished line stays unfinished.
  void next_file() { rest_.clear(); }
  // The byte limit is reached: nothing more will come.
  [[nodiscard]] bool full() const { return left_ == std::uint64_t{0}; }

 private:
  void line(std::string_view raw, std::string& out);
  void emit(std::string_view text, std::string& out);

  static constexpr std::size_t kMaxLine = 1u << 20;  // of the file; the rest of a longer one is dropped
  LogSelection selection_;
  std::optional<std::uint64_t> left_;
  std::string rest_;        // of a line whose end has not come
  bool line_start_ = true;  // the output is at the start of a line
};

// Where the last `lines` lines begin in `block`, the end of a file; `found` counts the line ends seen so far, from the
// end, across calls with earlier and earlier blocks. Nothing: further ahead. A file's unfinished last line counts as
// one.
[[nodiscard]] std::optional<std::size_t> find_tail(std::string_view block, bool at_end, std::int64_t lines,
                                                   std::int64_t& found);

}  // namespace keelson::agent
