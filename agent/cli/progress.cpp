#include "agent/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

namespace keelson::agent {

std::string progress_text(const ProgressCounts& c) {
  if (c.pods == 0 || c.ready >= c.pods) return {};
  std::string out = std::to_string(c.ready) + " of " + std::to_string(c.pods) + " pods ready";
  if (c.pulling > 0) out += ", pulling " + std::to_string(c.pulling) + (c.pulling == 1 ? " image" : " images");
  if (c.starting > 0) out += ", starting " + std::to_string(c.starting);
  if (c.waiting > 0) out += ", " + std::to_string(c.waiting) + " waiting (keelson explain POD says for what)";
  return out;
}

ProgressLine::ProgressLine(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {}

void ProgressLine::update(const ProgressCounts& counts) {
  if (!terminal_) return;
  auto text = progress_text(counts);
  // A line that wraps could not be drawn over.
  winsize size{};
  if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && text.size() >= size.ws_col)
    text.resize(size.ws_col - 1);
  if (text == shown_) return;
  shown_ = std::move(text);
  // The cursor goes back to the start, so that a log line that comes in between begins there.
  write("\r\x1b[K" + shown_ + "\r");
}

void ProgressLine::clear() {
  if (shown_.empty()) return;
  shown_.clear();
  write("\r\x1b[K");
}

void ProgressLine::write(const std::string& text) const {
  // A terminal that takes nothing just does not show it.
  [[maybe_unused]] const auto ignored = ::write(fd_, text.data(), text.size());
}

}  // namespace keelson::agent
