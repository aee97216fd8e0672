// One gRPC connection to a unix socket, as awaitables: calls by method name with protobuf-lite messages, so that no
// generated stub is needed. gRPC's own types stay in channel.cpp.
//
// Why gRPC's completion queue and not its callback API: here one thread waits, and posts to the loop. gRPC's callbacks
// come on its own pool, half as many threads as the machine has cores, that would only post to the loop as well.
#pragma once

#include <google/protobuf/message_lite.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/async.hpp"

namespace keelson::cri {

struct Connection;
struct StreamCall;

// A server-streaming call. Lives on the loop's thread; destroying it cancels the call.
class ServerStream {
 public:
  ~ServerStream();
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  // Waits for the next message. True: it is in `message`, which must outlive the wait; false: the server ended the
  // stream. Errors: as Channel::unary. Once it gave false or an error there is no more.
  Awaitable<Result<bool>> next(google::protobuf::MessageLite& message);

 private:
  friend class Channel;
  explicit ServerStream(std::shared_ptr<StreamCall> call) : call_(std::move(call)) {}
  std::shared_ptr<StreamCall> call_;
};

class Channel {
 public:
  // `endpoint` as parse_endpoint gives it. Connects with the first call, and again with the first one after a loss;
  // while connecting fails, tries are 100 ms to 3 s apart, and calls in between fail at once.
  Channel(Executor executor, std::string endpoint);
  // Ends every call (Errc::cancelled) and joins the thread. The io_context must still be alive.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // One call of `method` ("/package.Service/Method", a literal). timeout 0: none. Both messages must outlive the wait.
  // Errors: as to_error() of grpc_status.hpp; cancelled when the awaiting task was cancelled, which cancels the call.
  // wait_for_connection: while there is none, waits for it instead of failing.
  Awaitable<Result<void>> unary(const char* method, const google::protobuf::MessageLite& request,
                                google::protobuf::MessageLite& response, Milliseconds timeout,
                                bool wait_for_connection = false);

  // Starts a server-streaming call without a deadline. The first next() tells whether the server takes it.
  std::unique_ptr<ServerStream> open_stream(const char* method, const google::protobuf::MessageLite& request);

  // Called on the loop whenever a call shows that the connection has come or has gone, as `connected` then is.
  void on_connection_change(std::function<void(bool connected)> handler);
  [[nodiscard]] bool connected() const;
  // How often the connection has come so far.
  [[nodiscard]] unsigned connections() const;
  [[nodiscard]] const std::string& endpoint() const;

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace keelson::cri
