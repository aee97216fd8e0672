// The client's side of SPDY/3.1 framing, as far as `exec` needs it: streams opened with one header each, data, pings.
// Header blocks are zlib streams by the protocol; ours hold stored blocks only, which every inflater reads, and what
// the server's headers say is of no use here and is not read. Pure: bytes in, bytes out. Spec: SPDY Protocol Draft 3.1,
// sections 2.2, 2.6. The other end: moby/spdystream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

struct SpdyData {
  std::uint32_t stream = 0;
  std::string data;
};

class SpdyClient {
 public:
  // The frame that opens the next stream (1, 3, 5, ...), with the header NAME: VALUE (NAME in lower case).
  [[nodiscard]] std::string open_stream(std::string_view name, std::string_view value);
  // Data for a stream; `last`: nothing more will come on it. At most 16 MiB - 1.
  [[nodiscard]] static std::string data_frame(std::uint32_t stream, std::string_view data, bool last);

  // The data frames completed by `bytes`. Answers to pings are appended to `replies`. Errors: not SPDY, a frame too
  // large.
  [[nodiscard]] Result<std::vector<SpdyData>> feed(std::string_view bytes, std::string& replies);

 private:
  static constexpr std::size_t kMaxFrame = 4u << 20;
  std::uint32_t next_stream_ = 1;
  std::string buffer_;
};

}  // namespace keelson::agent
