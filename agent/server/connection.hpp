// One client's byte stream, whatever carries it: a unix socket, TCP, TLS. The HTTP session, the handlers and the proxy
// of upgraded connections know only this.
#pragma once

#include <boost/asio/buffer.hpp>
#include <string_view>

#include "base/async.hpp"

namespace keelson::agent {

inline constexpr Nanoseconds kNoLimit{0};

class Connection {
 public:
  virtual ~Connection() = default;
  // The number of bytes read, at least one; 0 at the peer's end of stream. `limit`: how long to wait (kNoLimit: for
  // ever). Errors: deadline_exceeded, cancelled, io.
  virtual Awaitable<Result<std::size_t>> read_some(asio::mutable_buffer buffer, Nanoseconds limit) = 0;
  // Writes all of `data`, which must stay valid; the peer must take it within `limit`.
  virtual Awaitable<Result<void>> write(std::string_view data, Nanoseconds limit) = 0;
  // Tells the peer that no more will come; it may go on sending.
  virtual void shutdown_write() = 0;
  // Returns when the peer has hung up. Only while nobody else reads.
  virtual Awaitable<void> closed() = 0;
  virtual void close() = 0;
};

}  // namespace keelson::agent
