// Lines of a stream that arrives in pieces.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::kube {

class LineSplitter {
 public:
  // Far above the largest object that etcd takes (1.5 MiB, a few times that in JSON).
  static constexpr std::size_t kMaxLine = 32U << 20U;

  using Handler = std::function<void(std::string_view line)>;

  // Hands on every line that `piece` completes, without its newline; empty ones are left out. resource_exhausted for a
  // line over kMaxLine.
  Result<void> feed(std::string piece, const Handler& on_line) {
    std::string_view left = piece;
    for (auto end = left.find('\n'); end != std::string_view::npos; end = left.find('\n')) {
      if (open_.empty()) {
        hand_on(left.substr(0, end), on_line);
      } else {
        open_.append(left.substr(0, end));
        const std::string line = std::exchange(open_, std::string());
        hand_on(line, on_line);
      }
      left.remove_prefix(end + 1);
    }
    open_.append(left);
    if (open_.size() > kMaxLine) return make_error(Errc::resource_exhausted, "a line is too long");
    return {};
  }

  // The last line, where the stream ended without a newline.
  void finish(const Handler& on_line) {
    const std::string line = std::exchange(open_, std::string());
    hand_on(line, on_line);
  }

 private:
  static void hand_on(std::string_view line, const Handler& on_line) {
    if (!line.empty()) on_line(line);
  }
  std::string open_;
};

}  // namespace keelson::kube
