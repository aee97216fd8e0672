#include "agent/cluster/status_patch.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

kube::PodStatus status(const char* text) { return *kube::decode<kube::PodStatus>(json::parse(text)); }

// The patch's status, or null where nothing is to be sent.
json patch(const char* api, const char* ours) {
  const auto out = status_patch("u1", status(api), status(ours));
  if (!out) return nullptr;
  CHECK(out->at("metadata") == json{{"uid", "u1"}});
  return out->at("status");
}

}  // namespace

TEST_CASE("status patch: nothing to send where the API server shows it already") {
  CHECK(patch(R"({"phase":"Running","podIP":"10.0.0.1"})", R"({"phase":"Running","podIP":"10.0.0.1"})") == nullptr);
}

TEST_CASE("status patch: fields that a node does not own stay as they are") {
  CHECK(patch(R"({"phase":"Pending","nominatedNodeName":"n","resize":"Proposed"})", R"({"phase":"Pending"})") ==
        nullptr);
}

TEST_CASE("status patch: changed fields are sent, vanished ones taken away") {
  CHECK(patch(R"({"phase":"Pending","reason":"R","message":"M"})", R"({"phase":"Running"})") ==
        json::parse(R"({"phase":"Running","reason":null,"message":null})"));
}

TEST_CASE("status patch: lists that are merged by key are replaced as a whole") {
  CHECK(patch(R"({"podIPs":[{"ip":"10.0.0.1"}]})", R"({"podIPs":[{"ip":"10.0.0.2"}]})") ==
        json::parse(R"({"podIPs":[{"$patch":"replace"},{"ip":"10.0.0.2"}]})"));
}

TEST_CASE("status patch: only conditions that changed, without those of others") {
  const char* api = R"({"conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady"},
                                      {"type":"Initialized","status":"True"},{"type":"mine.io/x","status":"True"}]})";
  const char* ours = R"({"conditions":[{"type":"Ready","status":"True"},{"type":"Initialized","status":"True"},
                                       {"type":"PodScheduled","status":"True"}]})";
  CHECK(patch(api, ours) == json::parse(R"({"conditions":[{"type":"Ready","status":"True","reason":null},
                                                          {"type":"PodScheduled","status":"True"}]})"));
}

TEST_CASE("status patch: container statuses are one value") {
  const char* api = R"({"containerStatuses":[{"name":"a","ready":false},{"name":"b","ready":true}]})";
  const char* ours = R"({"containerStatuses":[{"name":"a","ready":true},{"name":"b","ready":true}]})";
  const auto out = patch(api, ours);
  CHECK(out.at("containerStatuses").size() == 2);
  CHECK(out.size() == 1);
}

TEST_CASE("status patch: a condition of a resize that is over is taken away by name") {
  const char* api = R"({"conditions":[{"type":"PodResizePending","status":"True"},{"type":"mine.io/x","status":"True"}]})";
  CHECK(patch(api, R"({"conditions":[]})") ==
        json::parse(R"({"conditions":[{"type":"PodResizePending","$patch":"delete"}]})"));
}
