// What shim and agent say to each other: one request and one reply on a connection of the agent's unix socket, each a
// 4-byte big-endian length and that many bytes of JSON. The request's `version` is checked, so that a shim and an agent
// of different releases fail with a clear message instead of misreading each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::cni {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxMessage = 4u << 20;
inline constexpr std::size_t kLengthBytes = 4;

struct ShimRequest {
  int version = kProtocolVersion;
  std::map<std::string, std::string> env;  // the CNI_* variables
  std::string stdin_data;
};

struct ShimReply {
  int version = kProtocolVersion;
  int exit_code = 0;
  std::string stdout_data;
};

// The frame's payload. Bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string encode(const ShimRequest& request);
[[nodiscard]] std::string encode(const ShimReply& reply);
Result<ShimRequest> decode_request(std::string_view payload);
Result<ShimReply> decode_reply(std::string_view payload);

// `payload` with its length before it.
[[nodiscard]] std::string frame(std::string_view payload);
// The length that 4 bytes say; over kMaxMessage is an error.
Result<std::size_t> frame_length(std::string_view header);

}  // namespace keelson::cni
