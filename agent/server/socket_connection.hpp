// Connection over a plain socket (unix or TCP), with a limit on the time of each read and write.
#pragma once

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>

#include "agent/server/connection.hpp"

namespace keelson::agent {

template <class Socket>
class SocketConnection final : public Connection {
 public:
  explicit SocketConnection(Socket socket)
      : socket_(std::move(socket)),
        reading_(std::make_shared<Alarm>(socket_)),
        writing_(std::make_shared<Alarm>(socket_)) {}
  ~SocketConnection() override {
    reading_->disarm();
    writing_->disarm();
  }

  Awaitable<Result<std::size_t>> read_some(asio::mutable_buffer buffer, Nanoseconds limit) override {
    arm(reading_, limit);
    for (;;) {
      const auto [ec, n] = co_await socket_.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
      if (ec == asio::error::operation_aborted) {
        const bool meant = co_await meant_for(*reading_);
        if (!meant) continue;
      }
      reading_->disarm();
      if (ec == asio::error::eof || ec == asio::error::connection_reset) co_return std::size_t{0};
      if (ec) co_return failure(*reading_, ec, "read");
      co_return n;
    }
  }

  Awaitable<Result<void>> write(std::string_view data, Nanoseconds limit) override {
    arm(writing_, limit);
    for (;;) {
      const auto [ec, n] = co_await asio::async_write(socket_, asio::buffer(data.data(), data.size()),
                                                      asio::as_tuple(asio::use_awaitable));
      if (ec == asio::error::operation_aborted) {
        const bool meant = co_await meant_for(*writing_);
        data.remove_prefix(n);
        if (!meant) continue;
      }
      writing_->disarm();
      if (ec) co_return failure(*writing_, ec, "write");
      co_return Result<void>();
    }
  }

  void shutdown_write() override {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }

  Awaitable<void> closed() override {
    for (;;) {
      const auto [ec] = co_await socket_.async_wait(Socket::wait_read, asio::as_tuple(asio::use_awaitable));
      char byte = 0;
      if (ec || ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) co_return;
      // The peer sends what nobody will read: it waits in the kernel, and a hang-up shows with the next write.
      asio::steady_timer for_ever(socket_.get_executor(), SteadyTime::max());
      co_await for_ever.async_wait(asio::as_tuple(asio::use_awaitable));
      co_return;
    }
  }

  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  struct Alarm {
    explicit Alarm(Socket& s) : socket(&s), timer(s.get_executor()) {}
    void disarm() {
      ++turn;
      timer.cancel();
    }
    Socket* socket;
    asio::steady_timer timer;
    std::uint64_t turn = 0;  // an alarm of an earlier turn does nothing
    bool fired = false;
  };

  static void arm(const std::shared_ptr<Alarm>& alarm, Nanoseconds limit) {
    alarm->fired = false;
    if (limit == kNoLimit) return;
    alarm->timer.expires_after(std::chrono::duration_cast<SteadyTime::duration>(limit));
    alarm->timer.async_wait([alarm, turn = ++alarm->turn](const boost::system::error_code& ec) {
      if (ec || turn != alarm->turn) return;
      alarm->fired = true;
      boost::system::error_code ignored;
      alarm->socket->cancel(ignored);
    });
  }

  // Whether an aborted operation was to be aborted: the alarm of one direction aborts the other one's as well.
  Awaitable<bool> meant_for(const Alarm& alarm) {
    if (alarm.fired || !socket_.is_open()) co_return true;
    const auto state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() != asio::cancellation_type::none;
  }

  static Error failure(const Alarm& alarm, const boost::system::error_code& ec, const char* what) {
    if (alarm.fired) return make_error(Errc::deadline_exceeded, std::string(what) + ": the peer was too slow");
    if (ec == asio::error::operation_aborted) return make_error(Errc::cancelled, what);
    return system_error(ec, what);
  }

  Socket socket_;
  std::shared_ptr<Alarm> reading_, writing_;
};

}  // namespace keelson::agent
