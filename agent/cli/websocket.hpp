// The client's side of WebSocket framing (RFC 6455), as far as `exec` needs it: an upgrade request, masked frames out,
// messages in. Pure: bytes in, bytes out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

// 16 random bytes in base64, for Sec-WebSocket-Key; and the Sec-WebSocket-Accept that answers a key.
[[nodiscard]] std::string make_websocket_key();
[[nodiscard]] std::string websocket_accept(const std::string& key);
[[nodiscard]] std::string websocket_request(const std::string& target, const std::string& key,
                                            const std::string& protocol);

enum class WebSocketOpcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// One whole message as a masked frame.
[[nodiscard]] std::string websocket_frame(WebSocketOpcode opcode, std::string_view payload, std::uint32_t mask);

struct WebSocketMessage {
  WebSocketOpcode opcode = WebSocketOpcode::binary;
  std::string payload;
};

// Collects messages from the server's bytes, however they are cut. Fragments are joined; control frames come as they
// are.
class WebSocketReader {
 public:
  // The messages completed by `bytes`. Errors: a frame against the protocol, or one too large.
  [[nodiscard]] Result<std::vector<WebSocketMessage>> feed(std::string_view bytes);

 private:
  Result<std::optional<WebSocketMessage>> take_frame();
  static constexpr std::uint64_t kMaxMessage = 16u << 20;
  std::string buffer_;
  std::optional<WebSocketMessage> fragments_;
};

}  // namespace keelson::agent
