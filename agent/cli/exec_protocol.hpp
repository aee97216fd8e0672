// The two ways to carry the streams of an `exec`: the channels of v4.channel.k8s.io over WebSocket, or over SPDY/3.1.
// Pure. After upstream's k8s.io/kubelet pkg/cri/streaming/remotecommand.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

enum class ExecChannel : unsigned char { in = 0, out = 1, err = 2, status = 3, resize = 4 };

struct ExecChunk {
  ExecChannel channel = ExecChannel::out;
  std::string data;
};

struct ExecStreams {
  bool in = false, err = false, tty = false;
};

class ExecProtocol {
 public:
  virtual ~ExecProtocol() = default;
  // The upgrade request, and what follows it once `accepts` liked the answer's header.
  virtual std::string request(const std::string& target) = 0;
  [[nodiscard]] virtual bool accepts(std::string_view answer_header) const = 0;
  virtual std::string opening(const ExecStreams& streams) = 0;
  // Bytes to send for input data; for its end (empty where the protocol cannot say it); for a window's size (JSON).
  virtual std::string input(std::string_view data) = 0;
  virtual std::string input_end() = 0;
  virtual std::string resize(std::string_view size) = 0;
  // What came; what has to be answered at once is appended to `replies`. `closed`: the server says good-bye.
  virtual Result<std::vector<ExecChunk>> feed(std::string_view bytes, std::string& replies, bool& closed) = 0;
};

// WebSocket cannot say that the input is at its end (v4 has no message for it), so a pipe goes over SPDY.
[[nodiscard]] std::unique_ptr<ExecProtocol> make_websocket_protocol();
[[nodiscard]] std::unique_ptr<ExecProtocol> make_spdy_protocol();

}  // namespace keelson::agent
