// grpc.health.v1.Health/Check over cleartext HTTP/2, by hand: every request is answered with one HealthCheckResponse.
// Requests are not decoded beyond their frames; only this service is ever asked for by a probe. RFC 9113, RFC
// 7541 6.2.2.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "server.hpp"

namespace image {

inline std::string h2_frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string frame;
  for (int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  return frame + payload;
}

// Literal header field without indexing, new name, no Huffman coding.
inline std::string h2_header(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

inline bool read_exactly(int fd, std::string& into, size_t size) {
  into.resize(size);
  for (size_t have = 0; have < size;) {
    ssize_t n = recv(fd, into.data() + have, size - have, 0);
    if (n <= 0) return false;
    have += n;
  }
  return true;
}

inline std::string health_answer(uint32_t stream, bool serving) {
  constexpr uint8_t kData = 0, kHeaders = 1, kEndStream = 1, kEndHeaders = 4;
  std::string message("\0\0\0\0\2\x08", 6);       // gRPC length prefix, then field 1 (status) as a varint
  message += static_cast<char>(serving ? 1 : 2);  // SERVING, NOT_SERVING
  return h2_frame(kHeaders, kEndHeaders, stream,
                  h2_header(":status", "200") + h2_header("content-type", "application/grpc")) +
         h2_frame(kData, 0, stream, message) +
         h2_frame(kHeaders, kEndStream | kEndHeaders, stream, h2_header("grpc-status", "0"));
}

inline void serve_grpc_health(int port, const std::function<bool()>& serving) {
  serve_tcp(port, [&serving](int fd) {
    constexpr uint8_t kData = 0, kHeaders = 1, kSettings = 4, kPing = 6, kAck = 1, kEndStream = 1;
    std::string buffer, payload;
    if (!read_exactly(fd, buffer, 24) || buffer.compare(0, 3, "PRI") != 0) return;
    send_all(fd, h2_frame(kSettings, 0, 0, ""));
    while (read_exactly(fd, buffer, 9)) {
      auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(buffer[i])); };
      uint32_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      uint32_t type = byte(3), flags = byte(4);
      uint32_t stream = (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
      if (size > 65536 || !read_exactly(fd, payload, size)) return;
      if (type == kSettings && !(flags & kAck)) send_all(fd, h2_frame(kSettings, kAck, 0, ""));
      if (type == kPing && !(flags & kAck)) send_all(fd, h2_frame(kPing, kAck, 0, payload));
      if ((type == kData || type == kHeaders) && (flags & kEndStream)) send_all(fd, health_answer(stream, serving()));
    }
  });
}

}  // namespace image
