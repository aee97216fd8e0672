// Real servers on the loopback for the attempts to meet, and a loop to run an attempt on.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/async.hpp"

namespace keelson::probes::test {

// Runs one coroutine to its end on a loop of its own and returns its value.
template <class T>
T run(Awaitable<T> task) {
  asio::io_context loop;
  std::exception_ptr error;
  std::optional<T> value;
  asio::co_spawn(loop, std::move(task), [&](std::exception_ptr e, T v) {
    error = e;
    value = std::move(v);
  });
  loop.run();
  if (error) std::rethrow_exception(error);
  return std::move(*value);
}

// Accepts connections on a thread of its own and hands each request's header to `answer`, whose text it sends before it
// closes. With `tls`, behind a self-signed certificate made on the spot.
class RawServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  explicit RawServer(Answer answer, bool tls = false);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Held back by the server after the answer and before closing.
  void linger(Milliseconds time) { linger_ = time; }
  // The last request header received.
  [[nodiscard]] std::string last_request() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  [[nodiscard]] int served() const { return served_; }

 private:
  void serve();
  Answer answer_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> served_{0};
  std::atomic<Milliseconds> linger_{Milliseconds(0)};
  mutable std::mutex mutex_;  // of last_
  std::string last_;
  std::thread thread_;
};

// "HTTP/1.1 STATUS x" with the header lines given and a body of known length.
std::string reply(int status, const std::string& body, const std::string& headers = {});

}  // namespace keelson::probes::test
