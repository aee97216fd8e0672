#include "agent/cli/websocket.hpp"

#include <openssl/evp.h>
#include <sys/random.h>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (const char c : bytes) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

}  // namespace

std::string make_websocket_key() {
  std::string bytes(16, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes.assign(16, 'k');
  return base64_encode(bytes);
}

std::string websocket_accept(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha1(), nullptr);
  digest.resize(size);
  return base64_encode(digest);
}

std::string websocket_request(const std::string& target, const std::string& key, const std::string& protocol) {
  return "GET " + target + " HTTP/1.1\r\nHost: keelson\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Protocol: " + protocol +
         "\r\n\r\n";
}

std::string websocket_frame(WebSocketOpcode opcode, std::string_view payload, std::uint32_t mask) {
  std::string out;
  out.reserve(payload.size() + 14);
  out += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() <= 0xffff) {
    out += static_cast<char>(0x80 | 126);
    append_big_endian(out, payload.size(), 2);
  } else {
    out += static_cast<char>(0x80 | 127);
    append_big_endian(out, payload.size(), 8);
  }
  std::string key;
  append_big_endian(key, mask, 4);
  out += key;
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ key[i % 4]);
  return out;
}

Result<std::vector<WebSocketMessage>> WebSocketReader::feed(std::string_view bytes) {
  buffer_.append(bytes);
  std::vector<WebSocketMessage> out;
  for (;;) {
    const auto before = buffer_.size();
    TRY(auto message, take_frame());
    if (message) out.push_back(std::move(*message));
    if (buffer_.size() == before) return out;
  }
}

// Takes one frame off the buffer, if it is there as a whole; a message, if that frame completes one.
Result<std::optional<WebSocketMessage>> WebSocketReader::take_frame() {
  std::optional<WebSocketMessage> none;
  if (buffer_.size() < 2) return none;
  const auto first = static_cast<unsigned char>(buffer_[0]), second = static_cast<unsigned char>(buffer_[1]);
  if ((first & 0x70) != 0 || (second & 0x80) != 0)
    return make_error(Errc::internal, "bad WebSocket frame from the runtime");
  std::size_t header = 2;
  std::uint64_t size = second & 0x7f;
  if (size >= 126) {
    const std::size_t length_bytes = size == 126 ? 2 : 8;
    header += length_bytes;
    if (buffer_.size() < header) return none;
    size = big_endian(std::string_view(buffer_).substr(2, length_bytes));
  }
  if (size > kMaxMessage) return make_error(Errc::resource_exhausted, "WebSocket frame too large");
  if (buffer_.size() < header + size) return none;
  const auto opcode = static_cast<WebSocketOpcode>(first & 0x0f);
  WebSocketMessage frame{opcode, buffer_.substr(header, size)};
  buffer_.erase(0, header + size);
  const bool final = (first & 0x80) != 0;
  if (opcode >= WebSocketOpcode::close) return std::optional(std::move(frame));
  if (opcode == WebSocketOpcode::continuation) {
    if (!fragments_) return make_error(Errc::internal, "WebSocket continuation of nothing");
    fragments_->payload += frame.payload;
    if (fragments_->payload.size() > kMaxMessage)
      return make_error(Errc::resource_exhausted, "WebSocket message too large");
  } else {
    fragments_ = std::move(frame);
  }
  if (!final) return none;
  return std::exchange(fragments_, std::nullopt);
}

}  // namespace keelson::agent
