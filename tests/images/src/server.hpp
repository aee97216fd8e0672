// What the image programs share: blocking sockets, one thread per connection, and just enough HTTP/1.1.
// Written for tests and examples inside a pod; not part of the agent.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>

namespace image {

inline void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(70);
}

inline std::string env(const char* name, const char* fallback = "") {
  const char* value = std::getenv(name);
  return value ? value : fallback;
}

inline std::string hostname() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

inline std::string address_of(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(v6->sin6_port));
  }
  inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
  return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6->sin6_port));
}

inline std::string peer_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address_of(address) : "?";
}

// The address a connection arrived at: the pod's own IP.
inline std::string local_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address_of(address) : "?";
}

// A socket bound to every address of the pod; a node without IPv6 gets an IPv4 one.
inline int bind_any(int type, int port) {
  int one = 1, zero = 0;
  int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    if (bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0) return fd;
    close(fd);
  }
  fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) die("bind port " + std::to_string(port));
  return fd;
}

// Connects to a numeric address; sending and receiving then give up after 3 seconds. -1 with errno when refused.
inline int connect_to(const std::string& host, const std::string& port, int type = SOCK_STREAM) {
  sockaddr_storage address{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  socklen_t size = 0;
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(std::atoi(port.c_str()));
    size = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(std::atoi(port.c_str()));
    size = sizeof *v6;
  } else {
    errno = EINVAL;
    return -1;
  }
  int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
  timeval limit{3, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) return fd;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

inline bool send_all(int fd, const std::string& data) {
  for (size_t sent = 0; sent < data.size();) {
    ssize_t n = send(fd, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += n;
  }
  return true;
}

// One line without its end, from a connection; `rest` keeps what was read beyond it. False at the end of the stream.
inline bool read_line(int fd, std::string& rest, std::string& line) {
  for (;;) {
    if (size_t end = rest.find('\n'); end != std::string::npos) {
      line = rest.substr(0, end > 0 && rest[end - 1] == '\r' ? end - 1 : end);
      rest.erase(0, end + 1);
      return true;
    }
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || rest.size() > 65536) return false;
    rest.append(buffer, n);
  }
}

// Listens and hands every connection to `handler` in a thread of its own; never returns.
inline void serve_tcp(int port, const std::function<void(int)>& handler) {
  int listener = bind_any(SOCK_STREAM, port);
  if (listen(listener, 256) != 0) die("listen");
  for (;;) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::thread([fd, &handler] {
      handler(fd);
      close(fd);
    }).detach();
  }
}

struct Request {
  std::string method, path, query, body, head;  // head: the header lines as they came
  std::string client, local;
};

struct Response {
  int status = 200;
  std::string body;
  std::map<std::string, std::string> headers = {{"Content-Type", "text/plain; charset=utf-8"}};
};

inline bool read_request(int fd, Request& request) {
  std::string rest, line;
  if (!read_line(fd, rest, line)) return false;
  size_t first = line.find(' '), second = line.find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos) return false;
  request.method = line.substr(0, first);
  request.path = line.substr(first + 1, second - first - 1);
  if (size_t mark = request.path.find('?'); mark != std::string::npos) {
    request.query = request.path.substr(mark + 1);
    request.path.resize(mark);
  }
  size_t length = 0;
  while (read_line(fd, rest, line) && !line.empty()) {
    request.head += line + "\n";
    if (strncasecmp(line.c_str(), "content-length:", 15) == 0) length = std::strtoul(line.c_str() + 15, nullptr, 10);
  }
  if (length > 65536) return false;
  while (rest.size() < length) {
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    rest.append(buffer, n);
  }
  request.body = rest.substr(0, length);
  return true;
}

// Serves HTTP with one request per connection; never returns.
inline void serve_http(int port, std::function<Response(const Request&)> handler) {
  serve_tcp(port, [handler = std::move(handler)](int fd) {
    Request request;
    if (!read_request(fd, request)) return;
    request.client = peer_of(fd);
    request.local = local_of(fd);
    Response response = handler(request);
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " -\r\nConnection: close\r\n";
    for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n" + response.body;
    send_all(fd, text);
    shutdown(fd, SHUT_WR);
  });
}

}  // namespace image
