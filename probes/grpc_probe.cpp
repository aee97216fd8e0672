#include "probes/grpc_probe.hpp"

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "probes/health.grpc.pb.h"
#include "probes/health.pb.h"

namespace keelson::probes {
namespace {

namespace health = ::grpc::health::v1;

struct Call {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<health::Health::Stub> stub;
  grpc::ClientContext context;
  health::HealthCheckRequest request;
  health::HealthCheckResponse response;
  std::unique_ptr<grpc::ClientAsyncResponseReader<health::HealthCheckResponse>> reader;
  grpc::Status status;
};

std::shared_ptr<grpc::Channel> connect(const std::string& address, Nanoseconds timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix(std::string(kProbeUserAgent));
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // The attempt is about connecting too: no connection and no connect backoff left over from the last one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Else a peer that accepts and stays silent keeps its connection for 20 s after we have given up.
  const auto limit = std::chrono::duration_cast<Milliseconds>(timeout);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(limit.count()));
  const char* scheme = address.starts_with('[') ? "ipv6:" : "ipv4:";
  return grpc::CreateCustomChannel(scheme + address, grpc::InsecureChannelCredentials(), arguments);
}

// The one thread that waits for the answers of all grpc attempts and hands them to the loop; started by the first one.
// Not gRPC's callback API: without other users it starts and ends a pool of threads with each channel.
class Completions {
 public:
  static Completions& instance() {
    static Completions completions;
    return completions;
  }
  ~Completions() {
    queue_.Shutdown();
    thread_.join();
  }
  grpc::CompletionQueue& queue() { return queue_; }

  // What the queue carries: an attempt that waits. hand_over() runs on the queue's thread.
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void hand_over() = 0;
  };

 private:
  Completions() : thread_([this] { pump(); }) {}
  void pump() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) std::unique_ptr<Waiter>(static_cast<Waiter*>(tag))->hand_over();
  }

  grpc::CompletionQueue queue_;
  std::thread thread_;
};

template <class Handler>
struct HandlerWaiter final : Completions::Waiter {
  HandlerWaiter(Handler h, std::shared_ptr<Call> c)
      : executor(asio::get_associated_executor(h)), guard(executor), handler(std::move(h)), call(std::move(c)) {}
  void hand_over() override {
    asio::post(executor, [handler = std::move(handler), call = std::move(call)]() mutable {
      if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
      auto resume = std::move(handler);
      resume();
    });
  }
  asio::associated_executor_t<Handler> executor;
  asio::executor_work_guard<asio::associated_executor_t<Handler>> guard;  // the loop runs on until the answer is there
  Handler handler;
  std::shared_ptr<Call> call;  // gRPC writes into it until then, even when nobody waits any more
};

// Health/Check; resumes on the caller's executor with the answer in `call`. Cancellation of the task cancels the call.
Awaitable<void> check(std::shared_ptr<Call> call) {
  auto start = [](auto handler, std::shared_ptr<Call> started) {
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<Call>(started)](asio::cancellation_type) {
        if (const auto running = weak.lock()) running->context.TryCancel();
      });
    }
    Call& c = *started;
    c.reader = c.stub->PrepareAsyncCheck(&c.context, c.request, &Completions::instance().queue());
    c.reader->StartCall();
    auto waiter = std::make_unique<HandlerWaiter<decltype(handler)>>(std::move(handler), std::move(started));
    c.reader->Finish(&c.response, &c.status, static_cast<Completions::Waiter*>(waiter.release()));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(start, asio::use_awaitable, std::move(call));
}

std::string describe_failure(const grpc::Status& status, const GrpcTarget& target, bool connected,
                             Nanoseconds timeout) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNIMPLEMENTED:
      return "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " +
             status.error_message();
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      if (connected) return fmt::format("timeout: health rpc did not complete within {}", format_duration(timeout));
      return fmt::format("timeout: failed to connect service \"{}\" within {}: context deadline exceeded",
                         target.address, format_duration(timeout));
    default:
      return "error: health rpc probe failed: " + status.error_message();
  }
}

std::string status_name(health::HealthCheckResponse::ServingStatus status) {
  switch (status) {
    case health::HealthCheckResponse::SERVING:
      return "SERVING";
    case health::HealthCheckResponse::NOT_SERVING:
      return "NOT_SERVING";
    case health::HealthCheckResponse::SERVICE_UNKNOWN:
      return "SERVICE_UNKNOWN";
    case health::HealthCheckResponse::UNKNOWN:
      return "UNKNOWN";
    default:
      return std::to_string(static_cast<int>(status));
  }
}

}  // namespace

Awaitable<Outcome> grpc_probe(std::shared_ptr<const GrpcTarget> target, Nanoseconds timeout) {
  auto call = std::make_shared<Call>();
  call->channel = connect(target->address, timeout);
  call->stub = health::Health::NewStub(call->channel);
  call->request.set_service(target->service);
  call->context.set_wait_for_ready(true);
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
  co_await check(call);
  const grpc::Status& status = call->status;

  Outcome outcome;
  outcome.kind = OutcomeKind::failure;
  if (!status.ok()) {
    const bool connected = call->channel->GetState(false) == GRPC_CHANNEL_READY;
    outcome.text = describe_failure(status, *target, connected, timeout);
  } else if (call->response.status() != health::HealthCheckResponse::SERVING) {
    outcome.text = fmt::format("service unhealthy (responded with \"{}\")", status_name(call->response.status()));
  } else {
    outcome.kind = OutcomeKind::success;
    outcome.text = "service healthy";
  }
  co_return outcome;
}

}  // namespace keelson::probes
