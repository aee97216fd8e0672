// A time limit on a socket: closes it when time runs out, which ends whatever waits for it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "base/async.hpp"

namespace keelson::probes {

class Deadline {
 public:
  Deadline(asio::ip::tcp::socket& socket, SteadyTime at)
      : timer_(socket.get_executor(), at), state_(std::make_shared<State>(State{&socket, false})) {
    // The handler may run after this object is gone: it shares the state, and the socket is taken out in time.
    timer_.async_wait([state = state_](const boost::system::error_code& error) {
      if (error || !state->socket) return;
      state->expired = true;
      boost::system::error_code ignored;
      state->socket->close(ignored);
    });
  }
  ~Deadline() { state_->socket = nullptr; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  [[nodiscard]] bool expired() const { return state_->expired; }

 private:
  struct State {
    asio::ip::tcp::socket* socket;
    bool expired;
  };
  asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::probes
