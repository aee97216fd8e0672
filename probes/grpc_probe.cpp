#include "probes/grpc_probe.hpp"

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

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
};

std::shared_ptr<grpc::Channel> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix(std::string(kProbeUserAgent));
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // The attempt is about connecting too: no connection and no connect backoff left over from the last one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const char* scheme = address.starts_with('[') ? "ipv6:" : "ipv4:";
  return grpc::CreateCustomChannel(scheme + address, grpc::InsecureChannelCredentials(), arguments);
}

// Health/Check through the callback API; resumes on the caller's executor. Cancellation of the task cancels the call.
Awaitable<grpc::Status> check(std::shared_ptr<Call> call) {
  auto start = [](auto handler, std::shared_ptr<Call> started) {
    using Handler = decltype(handler);
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<Call>(started)](asio::cancellation_type) {
        if (const auto running = weak.lock()) running->context.TryCancel();
      });
    }
    auto executor = asio::get_associated_executor(handler);
    auto shared = std::make_shared<Handler>(std::move(handler));  // gRPC's callback must be copyable
    // On a thread of gRPC: only hands over to the loop. The work guard keeps the loop running until then.
    auto done = [shared, executor, started, guard = asio::make_work_guard(executor)](const grpc::Status& status) {
      asio::post(executor, [shared, status, started]() mutable {
        auto slot_now = asio::get_associated_cancellation_slot(*shared);
        if (slot_now.is_connected()) slot_now.clear();
        Handler resume = std::move(*shared);
        resume(std::move(status));
      });
    };
    started->stub->async()->Check(&started->context, &started->request, &started->response, std::move(done));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(grpc::Status)>(
      start, asio::use_awaitable, std::move(call));
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
    case health::HealthCheckResponse::SERVING: return "SERVING";
    case health::HealthCheckResponse::NOT_SERVING: return "NOT_SERVING";
    case health::HealthCheckResponse::SERVICE_UNKNOWN: return "SERVICE_UNKNOWN";
    case health::HealthCheckResponse::UNKNOWN: return "UNKNOWN";
    default: return std::to_string(static_cast<int>(status));
  }
}

}  // namespace

Awaitable<Outcome> grpc_probe(std::shared_ptr<const GrpcTarget> target, Nanoseconds timeout) {
  auto call = std::make_shared<Call>();
  call->channel = connect(target->address);
  call->stub = health::Health::NewStub(call->channel);
  call->request.set_service(target->service);
  call->context.set_wait_for_ready(true);
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
  const grpc::Status status = co_await check(call);

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
