// ApiClient: the Api of a real server.
#pragma once

#include <memory>

#include "kube/client/api.hpp"
#include "kube/client/kubeconfig.hpp"
#include "kube/client/request_stats.hpp"

namespace keelson::kube {

// send() and stream() as api.hpp says, and beyond it:
// - HTTP/2 where the server has it: one connection for everything. What a server allows in one connection (100 streams,
//   usually) is followed by another connection, not by waiting.
// - Credentials from files are looked at again while in use; new certificates get a new connection, and the former one
//   goes on until its last watch ends.
// - A stream's header is waited for at most 30 s, whatever its timeout.
// - A server that takes packets and answers nothing for 30 s, while something is asked of it, is given up: all that was
//   under way ends with unavailable, the next request connects anew. Lost packets are noticed as fast by TCP itself.
class ApiClient final : public Api {
 public:
  ApiClient(const Executor& executor, ClientConfig config);
  ~ApiClient() override;

  Awaitable<Result<std::string>> send(ApiRequest request) override;
  Awaitable<Result<void>> stream(ApiRequest request, LineHandler on_line) override;

  // Closes all connections: what is under way ends with unavailable, and what follows connects anew. For the moment
  // when a certificate was replaced that others may no longer trust.
  void close_connections();

  [[nodiscard]] const RequestStats& request_stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::kube
