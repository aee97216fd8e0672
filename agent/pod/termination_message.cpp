#include "agent/pod/termination_message.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/strings.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kMaxFileBytes = 4096;
constexpr std::size_t kMaxLogLines = 80;
constexpr std::size_t kMaxLogBytes = 2048;

// The last `limit` bytes of a regular file; empty when it cannot be read. The container wrote it, so no link is
// followed and nothing but a regular file is opened.
std::string file_tail(const std::string& path, std::size_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  const auto size = static_cast<std::size_t>(st.st_size);
  std::string out(std::min(size, limit), '\0');
  const ssize_t n = ::pread(fd.get(), out.data(), out.size(), static_cast<off_t>(size - out.size()));
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

// The text of one line of a CRI log: "TIME STREAM TAGS TEXT".
std::string line_text(const std::string& line) {
  std::size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    at = line.find(' ', at);
    if (at == std::string::npos) return {};
    ++at;
  }
  const bool partial = line.compare(at - 2, 1, "P") == 0;
  return line.substr(at) + (partial ? "" : "\n");
}

}  // namespace

std::string log_tail(const std::string& path, std::size_t max_lines, std::size_t max_bytes) {
  const std::string raw = file_tail(path, max_bytes * 4 + max_lines * 48);
  auto lines = split(raw, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  const std::size_t first = lines.size() > max_lines ? lines.size() - max_lines : 0;
  std::string out;
  for (std::size_t i = first; i < lines.size(); ++i) out += line_text(lines[i]);
  if (out.size() > max_bytes) out.erase(0, out.size() - max_bytes);
  return out;
}

std::string termination_message(const TerminationMessageInput& in) {
  std::string text = in.file.empty() ? std::string() : file_tail(in.file, kMaxFileBytes);
  const bool failed = in.exit_code != 0 && in.reason != "ContainerCannotRun";
  if (text.empty() && failed && in.policy == "FallbackToLogsOnError") {
    text = log_tail(in.log_file, kMaxLogLines, kMaxLogBytes);
  }
  if (in.runtime_message.empty()) return text;
  return text.empty() ? in.runtime_message : in.runtime_message + ": " + text;
}

}  // namespace keelson::agent
