#include "cri/channel.hpp"

#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <pthread.h>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <climits>
#include <optional>
#include <thread>
#include <unordered_set>

#include "cri/grpc_status.hpp"

namespace keelson::cri {
namespace {

using google::protobuf::MessageLite;

constexpr int kMaxMessageBytes = 16 * 1024 * 1024;  // the kubelet's limit

// What a completion queue carries: one pending operation. Deleted after it ran, or, unrun, with the io_context.
struct Operation {
  virtual ~Operation() = default;
  virtual void complete(bool ok) = 0;
};

template <class Handler, class Keep>
struct HandlerOperation final : Operation {
  HandlerOperation(Handler h, Keep k) : handler(std::move(h)), keep(std::move(k)) {}
  void complete(bool ok) override {
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
    auto run = std::move(handler);
    std::move(run)(ok);
  }
  Handler handler;
  Keep keep;  // the call: gRPC writes into it until the operation completes, even when nobody waits any more
};

grpc::ByteBuffer serialize(const MessageLite& message) {
  const auto size = message.ByteSizeLong();
  grpc::Slice slice(size);
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));  // ours alone until it is sent
  return grpc::ByteBuffer(&slice, 1);
}

Result<void> parse(grpc::ByteBuffer& bytes, MessageLite& message, const char* method) {
  grpc::ProtoBufferReader reader(&bytes);
  if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) return {};
  return make_error(Errc::internal,
                    std::string(method) + ": the answer of the runtime is not " + message.GetTypeName());
}

// containerd's own services want to be told a namespace; CRI's containers are in this one.
void name_namespace(grpc::ClientContext& context, std::string_view method) {
  if (method.starts_with("/containerd.")) context.AddMetadata("containerd-namespace", "k8s.io");
}

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  args.SetMaxSendMessageSize(kMaxMessageBytes);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3000);
  args.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // retrying is for the one who knows what the call does
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  args.SetInt(GRPC_ARG_ENABLE_CENSUS, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // bandwidth estimation: pings for nothing on a unix socket
  return args;
}

}  // namespace

// What outlives the Channel while calls are on their way: the queue, the thread, and the list of calls to end.
struct Connection {
  Connection(Executor e, std::string where) : executor(std::move(e)), endpoint(std::move(where)) {}

  void start() {
    const auto path = endpoint.substr(std::string_view("unix://").size());
    auto channel = grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), channel_arguments());
    stub = std::make_unique<grpc::GenericStub>(std::move(channel));
    thread = std::thread([this] { pump(); });
    pthread_setname_np(thread.native_handle(), "cri-completions");
  }

  void pump() {
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
      asio::post(executor, [op = std::unique_ptr<Operation>(static_cast<Operation*>(tag)), ok] { op->complete(ok); });
    }
  }

  void stop();
  void learn(const GrpcStatus& status);

  Executor executor;
  std::string endpoint;
  std::unordered_set<struct Call*> calls;  // on their way
  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::GenericStub> stub;
  std::optional<bool> connected;  // nothing is known before the first call
  unsigned connections = 0;
  std::function<void(bool)> on_change;
  bool stopped = false;
  std::thread thread;
};

struct Call {
  explicit Call(std::shared_ptr<Connection> c) : connection(std::move(c)) { connection->calls.insert(this); }
  ~Call() { connection->calls.erase(this); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void cancel() {
    cancelled_here = true;
    context.TryCancel();
  }

  // How the call ended; what it says about the connection is taken to heart.
  GrpcStatus finish() {
    GrpcStatus out{static_cast<int>(status.error_code()), status.error_message(), false, cancelled_here};
    if (!status.ok()) out.from_peer = context.debug_error_string().find("received from peer") != std::string::npos;
    connection->learn(out);
    return out;
  }

  std::shared_ptr<Connection> connection;
  grpc::ClientContext context;
  grpc::Status status;
  bool cancelled_here = false;
};

struct UnaryCall : Call {
  using Call::Call;
  grpc::ByteBuffer response;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
};

struct StreamCall : Call {
  StreamCall(std::shared_ptr<Connection> c, const char* m) : Call(std::move(c)), method(m) {}
  const char* method;
  grpc::ByteBuffer request;
  grpc::ByteBuffer incoming;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> io;
  bool started = false;
  bool ended = false;
};

void Connection::stop() {
  stopped = true;
  for (auto* call : calls) call->cancel();
  queue.Shutdown();
  thread.join();
}

void Connection::learn(const GrpcStatus& status) {
  const bool answered = status.code == 0 || status.from_peer;
  if (stopped || connected == answered || (!answered && !is_connection_failure(status))) return;
  connected = answered;
  if (answered) ++connections;
  if (on_change) on_change(answered);
}

namespace {

// Runs `start(call, tag)`, which starts one operation, and waits for it: gRPC's `ok`. Cancelling the task cancels the
// call; the operation then completes as any other.
template <class C, class Start>
Awaitable<bool> operation(std::shared_ptr<C> call, Start start) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
      [call, start](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto* op = new HandlerOperation<decltype(handler), std::shared_ptr<C>>(std::move(handler), call);
        if (slot.is_connected()) slot.assign([raw = call.get()](asio::cancellation_type) { raw->cancel(); });
        start(*call, static_cast<Operation*>(op));
      },
      asio::use_awaitable);
}

}  // namespace

Channel::Channel(Executor executor, std::string endpoint)
    : connection_(std::make_shared<Connection>(std::move(executor), std::move(endpoint))) {
  connection_->start();
}

Channel::~Channel() { connection_->stop(); }

void Channel::on_connection_change(std::function<void(bool connected)> handler) {
  connection_->on_change = std::move(handler);
}
bool Channel::connected() const { return connection_->connected.value_or(false); }
unsigned Channel::connections() const { return connection_->connections; }
const std::string& Channel::endpoint() const { return connection_->endpoint; }

Awaitable<Result<void>> Channel::unary(const char* method, const MessageLite& request, MessageLite& response,
                                       Milliseconds timeout, bool wait_for_connection) {
  auto call = std::make_shared<UnaryCall>(connection_);  // keeps the connection: the channel may go before the answer
  name_namespace(call->context, method);
  call->context.set_wait_for_ready(wait_for_connection);
  if (timeout.count() > 0) {
    const auto span = gpr_time_from_millis(timeout.count(), GPR_TIMESPAN);
    call->context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), span));
  }
  auto& connection = *call->connection;
  call->reader = connection.stub->PrepareUnaryCall(&call->context, method, serialize(request), &connection.queue);
  co_await operation(call, [](UnaryCall& c, void* tag) {
    c.reader->StartCall();
    c.reader->Finish(&c.response, &c.status, tag);
  });
  const auto status = call->finish();
  if (status.code != 0) co_return to_error(status, connection.endpoint);
  co_return parse(call->response, response, method);
}

std::unique_ptr<ServerStream> Channel::open_stream(const char* method, const MessageLite& request) {
  auto call = std::make_shared<StreamCall>(connection_, method);
  call->request = serialize(request);
  name_namespace(call->context, method);
  return std::unique_ptr<ServerStream>(new ServerStream(std::move(call)));
}

ServerStream::~ServerStream() {
  if (call_->started && !call_->ended) call_->cancel();
}

Awaitable<Result<bool>> ServerStream::next(MessageLite& message) {
  auto call = call_;
  auto& connection = *call->connection;
  bool ok = !call->ended;
  if (ok && !call->started && !connection.stopped) {
    call->started = true;
    call->io = connection.stub->PrepareCall(&call->context, call->method, &connection.queue);
    ok = co_await operation(call, [](StreamCall& c, void* tag) { c.io->StartCall(tag); });
    if (ok && !connection.stopped) {
      ok = co_await operation(call, [](StreamCall& c, void* tag) { c.io->WriteLast(c.request, {}, tag); });
    }
  }
  if (ok && !connection.stopped) {
    ok = co_await operation(call, [](StreamCall& c, void* tag) { c.io->Read(&c.incoming, tag); });
  }
  if (connection.stopped) co_return make_error(Errc::cancelled, "the connection to the runtime is closed here");
  if (ok) {
    connection.learn(GrpcStatus{});
    CO_CHECK_OK(parse(call->incoming, message, call->method));
    co_return true;
  }
  if (std::exchange(call->ended, true)) co_return false;
  co_await operation(call, [](StreamCall& c, void* tag) { c.io->Finish(&c.status, tag); });
  const auto status = call->finish();
  if (status.code != 0) co_return to_error(status, connection.endpoint);
  co_return false;
}

}  // namespace keelson::cri
