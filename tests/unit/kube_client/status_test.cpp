#include "kube/client/status.hpp"

#include <catch2/catch.hpp>

#include "kube/client/exec_plugin.hpp"
#include "kube/client/line_splitter.hpp"
#include "kube/client/resource.hpp"

#include "printing.hpp"
using namespace keelson;
using namespace keelson::kube;

TEST_CASE("what the server's Status becomes", "[status]") {
  struct Row {
    int code;
    std::string reason;
    Errc errc;
  };
  const Row rows[] = {
      {400, "BadRequest", Errc::invalid_argument},
      {401, "Unauthorized", Errc::permission_denied},
      {403, "Forbidden", Errc::permission_denied},
      {404, "NotFound", Errc::not_found},
      {405, "MethodNotAllowed", Errc::unimplemented},
      {409, "AlreadyExists", Errc::already_exists},
      {409, "Conflict", Errc::failed_precondition},
      {410, "Expired", Errc::failed_precondition},
      {410, "Gone", Errc::failed_precondition},
      {415, "UnsupportedMediaType", Errc::unimplemented},
      {422, "Invalid", Errc::invalid_argument},
      {429, "TooManyRequests", Errc::resource_exhausted},
      {500, "InternalError", Errc::unavailable},
      {503, "ServiceUnavailable", Errc::unavailable},
      {504, "Timeout", Errc::unavailable},
      {413, "RequestEntityTooLarge", Errc::invalid_argument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.code, row.reason);
    const std::string body = R"({"kind":"Status","message":"why","reason":")" + row.reason + "\"}";
    const Error error = error_of_answer(row.code, body);
    CHECK(error.code == row.errc);
    CHECK(error.reason == row.reason);
    CHECK(error.message == "why");
    if (row.reason == "AlreadyExists" || row.reason == "Expired") continue;
    CHECK(error_of_answer(row.code, "<html>").reason == row.reason);  // a proxy's answer
  }
  CHECK(error_of_answer(502, " bad gateway \n").message == "HTTP 502: bad gateway");
  CHECK(error_of_answer(302, "").code == Errc::internal);
  const Error in_watch = error_of_status(R"({"kind":"Status","code":410,"message":"too old resource version"})");
  CHECK(in_watch.reason == "Gone");
  CHECK(in_watch.code == Errc::failed_precondition);
}

TEST_CASE("Retry-After", "[status]") {
  CHECK(parse_retry_after("3") == Seconds(3));
  CHECK_FALSE(parse_retry_after(""));
  CHECK_FALSE(parse_retry_after("-1"));
  CHECK_FALSE(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT"));
}

TEST_CASE("paths", "[resource]") {
  CHECK(resource_of("Pod") == "pods");
  CHECK(resource_of("EndpointSlice") == "endpointslices");
  CHECK(resource_of("RuntimeClass") == "runtimeclasses");
  CHECK(resource_of("NetworkPolicy") == "networkpolicies");
  CHECK(resource_of("Endpoints") == "endpoints");
  CHECK(api_path("v1", "pods", "ns", "p", "status") == "/api/v1/namespaces/ns/pods/p/status");
  CHECK(api_path("apps/v1", "deployments") == "/apis/apps/v1/deployments");
  CHECK(api_path("v1", "nodes", "", "a b") == "/api/v1/nodes/a%20b");
  CHECK(with_query(with_query(with_query("/x", "a", "1,2=3"), "b", ""), "c", "d") == "/x?a=1%2C2%3D3&c=d");
}

TEST_CASE("lines from pieces", "[line_splitter]") {
  std::vector<std::string> lines;
  const LineSplitter::Handler keep = [&](std::string_view line) { lines.emplace_back(line); };
  LineSplitter splitter;
  for (const char* piece : {"a", "b\n", "\n\nc\nd", "", "e"}) REQUIRE(splitter.feed(piece, keep));
  splitter.finish(keep);
  splitter.finish(keep);
  CHECK(lines == std::vector<std::string>{"ab", "c", "de"});
  std::string long_line(LineSplitter::kMaxLine + 1, 'x');
  CHECK(splitter.feed(std::move(long_line), keep).error().code == Errc::resource_exhausted);
}

TEST_CASE("what an exec plugin prints", "[exec]") {
  const std::string version = "client.authentication.k8s.io/v1";
  const auto parse = [&](const std::string& status) {
    return parse_exec_credential(
        R"({"kind":"ExecCredential","apiVersion":")" + version + R"(","status":)" + status + "}", version);
  };
  const auto token = parse(R"({"token":"t","expirationTimestamp":"2024-01-01T00:00:00Z"})");
  REQUIRE(token);
  CHECK(token->token == "t");
  CHECK(token->expires == *parse_time("2024-01-01T00:00:00Z"));
  CHECK(parse(R"({"clientCertificateData":"c","clientKeyData":"k"})")->key_pem == "k");
  CHECK_FALSE(parse(R"({"clientCertificateData":"c"})"));
  CHECK_FALSE(parse("{}"));
  CHECK_FALSE(parse("7"));
  CHECK_FALSE(parse(R"({"token":"t","expirationTimestamp":"tomorrow"})"));
  CHECK_FALSE(parse_exec_credential("nonsense", version));
}
