#include <catch2/catch.hpp>

#include "cri/grpc_status.hpp"

namespace keelson::cri {
namespace {

TEST_CASE("each gRPC status has its code") {
  struct Case {
    int status;
    Errc want;
  };
  const auto [status, want] = GENERATE(values<Case>({{1, Errc::unavailable},
                                                     {2, Errc::internal},
                                                     {3, Errc::invalid_argument},
                                                     {4, Errc::deadline_exceeded},
                                                     {5, Errc::not_found},
                                                     {6, Errc::already_exists},
                                                     {7, Errc::permission_denied},
                                                     {8, Errc::resource_exhausted},
                                                     {9, Errc::failed_precondition},
                                                     {10, Errc::unavailable},
                                                     {11, Errc::invalid_argument},
                                                     {12, Errc::unimplemented},
                                                     {13, Errc::internal},
                                                     {14, Errc::unavailable},
                                                     {15, Errc::io},
                                                     {16, Errc::permission_denied},
                                                     {99, Errc::internal}}));
  const auto error = to_error({status, "the runtime's words", true, false}, "unix:///x");
  CHECK(error.code == want);
  CHECK(error.message == "the runtime's words");
}

TEST_CASE("only our own cancelling is cancelled") {
  CHECK(to_error({1, "", false, true}, "unix:///x").code == Errc::cancelled);
  CHECK(to_error({1, "context canceled", true, false}, "unix:///x").code == Errc::unavailable);
}

TEST_CASE("a failure without words has at least its code's") {
  CHECK(to_error({5, "", true, false}, "unix:///x").message == std::string(to_string(Errc::not_found)));
}

TEST_CASE("failures of the connection name the endpoint and the cause") {
  struct Case {
    const char* grpc;
    const char* want;
  };
  const auto [grpc, want] = GENERATE(values<Case>({
      {"failed to connect to all addresses; last error: UNKNOWN: unix:/run/x.sock: No such file or directory",
       "runtime is not reachable at unix:///run/x.sock: No such file or directory"},
      {"failed to connect to all addresses; last error: UNAVAILABLE: Socket closed",
       "runtime is not reachable at unix:///run/x.sock: Socket closed"},
      {"Socket closed", "runtime is not reachable at unix:///run/x.sock: Socket closed"},
  }));
  const GrpcStatus status{14, grpc, false, false};
  CHECK(is_connection_failure(status));
  CHECK(to_error(status, "unix:///run/x.sock").message == want);
}

TEST_CASE("a runtime that says unavailable is there") {
  const GrpcStatus status{14, "ttrpc: closed", true, false};
  CHECK_FALSE(is_connection_failure(status));
  CHECK(to_error(status, "unix:///x").message == "ttrpc: closed");
}

TEST_CASE("a deadline of ours is told apart from the runtime's") {
  CHECK(to_error({4, "Deadline Exceeded", false, false}, "unix:///x").message ==
        "the runtime at unix:///x did not answer in time");
  CHECK(to_error({4, "Deadline Exceeded", true, false}, "unix:///x").message ==
        "the runtime at unix:///x did not answer in time");
  CHECK(to_error({4, "timeout 1s exceeded", true, false}, "unix:///x").message == "timeout 1s exceeded");
}

}  // namespace
}  // namespace keelson::cri
