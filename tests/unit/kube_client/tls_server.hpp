// A TLS server on the loopback and on the test's own loop, HTTP/1.1, which answers as the test says.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task_group.hpp"

namespace keelson::kube::test {

// A key and a certificate that vouches for itself.
struct Identity {
  std::string key;
  std::string certificate;
};
Identity make_identity(const std::string& common_name, const std::vector<std::string>& dns = {},
                       const std::vector<std::string>& ips = {});

struct Asked {
  std::string method;
  std::string target;
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string client_name;                     // the CN of the client's certificate
  int connection = 0;                          // counted from 1
};

using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;

class TlsServer {
 public:
  // What to send back, whole, header and all; see reply(). "" leaves the request without an answer.
  using Handler = std::function<std::string(const Asked&)>;

  TlsServer(const Executor& executor, const Identity& identity, Handler handler);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] std::string url(const std::string& host = "127.0.0.1") const;
  // Sends more on the connection that was answered last, or closes it.
  void push(const std::string& text);
  void hang_up();

  std::vector<Asked> asked;
  int connections = 0;
  int closed = 0;  // connections that the client closed

 private:
  Awaitable<void> accept();
  Awaitable<void> serve(asio::ip::tcp::socket socket, int number);
  asio::ssl::context context_;
  asio::ip::tcp::acceptor acceptor_;
  Handler handler_;
  std::shared_ptr<TlsStream> last_;
  TaskGroup tasks_;
};

// "HTTP/1.1 STATUS" with a JSON body and the header lines given, each ending in CRLF.
std::string reply(int status, const std::string& body, const std::string& headers = {});
// The beginning of a chunked answer, and one chunk of it; the chunk of "" is its end.
std::string chunked_head();
std::string chunk(const std::string& text);

}  // namespace keelson::kube::test
