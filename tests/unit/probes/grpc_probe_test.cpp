#include "probes/grpc_probe.hpp"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "probes/health.grpc.pb.h"
#include "servers.hpp"

using namespace keelson;
using namespace keelson::probes;
using namespace keelson::probes::test;

namespace {

namespace health = ::grpc::health::v1;

// Answers with the status set for the service; "slow" is answered only when the client has given up.
class FakeHealth final : public health::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext* context, const health::HealthCheckRequest* request,
                     health::HealthCheckResponse* response) override {
    for (const auto& [name, value] : context->client_metadata()) {
      if (name == "user-agent") kubelet_like = value.starts_with("kube-probe/1.35 ");
    }
    if (request->service() == "slow") {
      while (!context->IsCancelled()) std::this_thread::sleep_for(Milliseconds(2));
    }
    if (request->service() == "unknown") return {grpc::StatusCode::NOT_FOUND, "unknown service"};
    response->set_status(request->service() == "sick" ? health::HealthCheckResponse::NOT_SERVING
                                                      : health::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
  std::atomic<bool> kubelet_like{false};
};

struct Server {
  explicit Server(grpc::Service* service) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service);
    server = builder.BuildAndStart();
  }
  ~Server() { server->Shutdown(std::chrono::system_clock::now()); }
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

Outcome probe(int port, const std::string& service = {}, Nanoseconds timeout = Seconds(5)) {
  auto target = std::make_shared<GrpcTarget>();
  target->address = "127.0.0.1:" + std::to_string(port);
  target->service = service;
  return run(grpc_probe(target, timeout));
}

}  // namespace

TEST_CASE("grpc: only SERVING is healthy") {
  FakeHealth service;
  const Server server(&service);
  const Outcome well = probe(server.port);
  CHECK(well.kind == OutcomeKind::success);
  CHECK(well.text == "service healthy");
  CHECK(service.kubelet_like);
  const Outcome sick = probe(server.port, "sick");
  CHECK(sick.kind == OutcomeKind::failure);
  CHECK(sick.text == "service unhealthy (responded with \"NOT_SERVING\")");
  const Outcome unknown = probe(server.port, "unknown");
  CHECK(unknown.kind == OutcomeKind::failure);
  CHECK(unknown.text == "error: health rpc probe failed: unknown service");
  const Outcome slow = probe(server.port, "slow", Milliseconds(200));
  CHECK(slow.kind == OutcomeKind::failure);
  CHECK(slow.text == "timeout: health rpc did not complete within 200ms");
}

TEST_CASE("grpc: a server without the protocol") {
  health::Health::Service service;  // no method overridden: every call is UNIMPLEMENTED
  const Server server(&service);
  const Outcome outcome = probe(server.port);
  CHECK(outcome.kind == OutcomeKind::failure);
  CHECK(outcome.text.starts_with(
      "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "));
}

TEST_CASE("grpc: nobody listens, and nobody who speaks gRPC") {
  std::uint16_t port = 0;
  {
    port = RawServer([](const std::string&) { return ""; }).port();
  }
  const Outcome refused = probe(port, {}, Milliseconds(200));
  CHECK(refused.kind == OutcomeKind::failure);
  CHECK(refused.text == "timeout: failed to connect service \"127.0.0.1:" + std::to_string(port) +
                            "\" within 200ms: context deadline exceeded");
  RawServer silent([](const std::string&) { return ""; });
  silent.linger(Seconds(3));
  const Outcome mute = probe(silent.port(), {}, Milliseconds(200));
  CHECK(mute.kind == OutcomeKind::failure);
  CHECK(mute.text.starts_with("timeout: failed to connect service"));
}
