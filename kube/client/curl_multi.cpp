#include "kube/client/curl_multi.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace keelson::kube {
namespace {

// A server that is gone without a word (packets dropped) is noticed within 30 s, idle watches or not: the kernel probes
// after 15 s of silence, and gives up on what was sent and not acknowledged for 30 s.
constexpr int kKeepaliveIdleSeconds = 15;
constexpr int kKeepaliveIntervalSeconds = 5;
constexpr int kKeepaliveProbes = 3;
constexpr unsigned kUserTimeoutMilliseconds = 30'000;

// The server's own limit (100 or so per connection) decides; libcurl opens another connection beyond it.
constexpr long kMaxStreamsPerConnection = 1000;
constexpr long kMaxIdleConnections = 4;

void global_init() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(done);
}

}  // namespace

struct CurlMulti::Socket {
  Socket(const Executor& executor, curl_socket_t number) : fd(executor, number), id(number) {}
  asio::posix::stream_descriptor fd;
  curl_socket_t id;
  int wanted = CURL_POLL_NONE;
  bool reading = false;
  bool writing = false;
  bool removed = false;
};

CurlMulti::CurlMulti(const Executor& executor) : executor_(executor), timer_(executor), multi_(nullptr) {
  global_init();
  multi_ = curl_multi_init();
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  curl_multi_setopt(multi_, CURLMOPT_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
}

CurlMulti::~CurlMulti() {
  for (const auto& [easy, done] : transfers_) curl_multi_remove_handle(multi_, easy);
  curl_multi_cleanup(multi_);  // closes the connections, which takes their sockets from us
  while (!sockets_.empty()) forget(sockets_.begin()->first);
}

void CurlMulti::add(CURL* easy, Done done) {
  transfers_[easy] = std::move(done);
  curl_multi_add_handle(multi_, easy);  // sets the timer to now: what is to be done begins from the loop
}

void CurlMulti::remove(CURL* easy) {
  if (transfers_.erase(easy) > 0) curl_multi_remove_handle(multi_, easy);
}

void CurlMulti::set_socket_options(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlMulti::open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &CurlMulti::tune_socket);
}

curl_socket_t CurlMulti::open_socket(void* self, curlsocktype, struct curl_sockaddr* address) {
  const curl_socket_t fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  // libcurl 7.88 closes a socket that failed to connect without a word, and its successor has the same number: to
  // libcurl nothing changed then, while the kernel has forgotten what we waited for.
  auto* multi = static_cast<CurlMulti*>(self);
  const auto stale = multi->sockets_.find(fd);
  if (fd >= 0 && stale != multi->sockets_.end()) {
    const int wanted = stale->second->wanted;
    multi->forget(fd);
    multi->watch(fd, wanted);
  }
  return fd;
}

int CurlMulti::tune_socket(void*, curl_socket_t fd, curlsocktype) {
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveIdleSeconds, sizeof(int));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepaliveIntervalSeconds, sizeof(int));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kKeepaliveProbes, sizeof(int));
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMilliseconds, sizeof(unsigned));
  return CURL_SOCKOPT_OK;
}

int CurlMulti::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto* multi = static_cast<CurlMulti*>(self);
  if (what == CURL_POLL_REMOVE)
    multi->forget(fd);
  else
    multi->watch(fd, what);
  return 0;
}

int CurlMulti::on_timer(CURLM*, long timeout_ms, void* self) {
  auto* multi = static_cast<CurlMulti*>(self);
  if (timeout_ms < 0) {
    multi->timer_.cancel();
    return 0;
  }
  multi->timer_.expires_after(Milliseconds(timeout_ms));
  multi->timer_.async_wait([weak = multi->weak_from_this()](const boost::system::error_code& ec) {
    if (ec) return;
    if (const auto alive = weak.lock()) alive->run(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void CurlMulti::watch(curl_socket_t fd, int what) {
  auto& socket = sockets_[fd];
  if (!socket) socket = std::make_shared<Socket>(executor_, fd);
  socket->wanted = what;
  arm(socket);
}

void CurlMulti::forget(curl_socket_t fd) {
  const auto it = sockets_.find(fd);
  if (it == sockets_.end()) return;
  it->second->removed = true;
  it->second->fd.release();  // the socket itself is libcurl's to close
  sockets_.erase(it);
}

void CurlMulti::arm(const std::shared_ptr<Socket>& socket) {
  if (socket->removed) return;
  if ((socket->wanted & CURL_POLL_IN) != 0 && !socket->reading) wait(socket, false);
  if ((socket->wanted & CURL_POLL_OUT) != 0 && !socket->writing) wait(socket, true);
}

void CurlMulti::wait(const std::shared_ptr<Socket>& socket, bool for_write) {
  using Descriptor = asio::posix::stream_descriptor;
  (for_write ? socket->writing : socket->reading) = true;
  auto ready = [weak = weak_from_this(), socket, for_write](const boost::system::error_code& ec) {
    (for_write ? socket->writing : socket->reading) = false;
    const auto alive = weak.lock();
    if (!alive || socket->removed) return;
    const bool wanted = (socket->wanted & (for_write ? CURL_POLL_OUT : CURL_POLL_IN)) != 0;
    if (wanted) alive->run(socket->id, ec ? CURL_CSELECT_ERR : for_write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
    alive->arm(socket);
  };
  socket->fd.async_wait(for_write ? Descriptor::wait_write : Descriptor::wait_read, std::move(ready));
}

void CurlMulti::run(curl_socket_t fd, int events) {
  const auto self = shared_from_this();  // a finished transfer may be the last that holds us
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  finish_transfers();
}

void CurlMulti::finish_transfers() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode result = message->data.result;
    const auto it = transfers_.find(easy);
    if (it == transfers_.end()) continue;
    const Done done = std::move(it->second);
    transfers_.erase(it);
    curl_multi_remove_handle(multi_, easy);
    done(result);
  }
}

}  // namespace keelson::kube
