// libcurl's multi interface on the loop: libcurl says which sockets and which timer it waits for, Asio waits, and only
// then libcurl runs. Sockets stay libcurl's; connections, and the HTTP/2 streams in them, are shared by all transfers
// of one CurlMulti. For http.hpp only.
#pragma once

#include <curl/curl.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>

#include "base/async.hpp"

namespace keelson::kube {

class CurlMulti : public std::enable_shared_from_this<CurlMulti> {
 public:
  using Done = std::function<void(CURLcode)>;

  explicit CurlMulti(const Executor& executor);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Starts the transfer; `done` is called once, from the loop and never from within libcurl, unless remove() comes
  // first. Neither may be called from libcurl's callbacks of a transfer.
  void add(CURL* easy, Done done);
  void remove(CURL* easy);
  // The socket options of all our connections, and where sockets are made.
  void set_socket_options(CURL* easy);

 private:
  struct Socket;
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, struct curl_sockaddr* address);
  static int tune_socket(void* self, curl_socket_t fd, curlsocktype purpose);

  void watch(curl_socket_t fd, int what);
  void forget(curl_socket_t fd);
  void arm(const std::shared_ptr<Socket>& socket);
  void wait(const std::shared_ptr<Socket>& socket, bool for_write);
  void run(curl_socket_t fd, int events);
  void finish_transfers();

  Executor executor_;
  asio::steady_timer timer_;
  CURLM* multi_;
  std::map<curl_socket_t, std::shared_ptr<Socket>> sockets_;
  std::map<CURL*, Done> transfers_;
};

}  // namespace keelson::kube
