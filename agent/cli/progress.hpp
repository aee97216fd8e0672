// The line that `keelson run` shows on a terminal while pods start, drawn over itself.
#pragma once

#include <cstddef>
#include <string>

namespace keelson::agent {

struct ProgressCounts {
  std::size_t pods = 0, ready = 0;  // ready counts pods that are done, too
  std::size_t pulling = 0;          // images
  std::size_t starting = 0;         // pods that start now
  std::size_t waiting = 0;          // pods that wait for something to be mended, or for a backoff
  bool operator==(const ProgressCounts&) const = default;
};

// "3 of 12 pods ready, pulling 2 images, starting 4"; empty when every pod is ready.
[[nodiscard]] std::string progress_text(const ProgressCounts& counts);

class ProgressLine {
 public:
  // Silent where `fd` is no terminal.
  explicit ProgressLine(int fd = 2);
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Draws the line again where it differs from what stands there.
  void update(const ProgressCounts& counts);
  // Takes the line away, e.g. before other output to the same terminal; the next update() draws it again.
  void clear();

 private:
  void write(const std::string& text) const;
  int fd_;
  bool terminal_;
  std::string shown_;
};

}  // namespace keelson::agent
