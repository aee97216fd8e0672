// The objects that pods refer to, against a scripted API server: immutable ones are not watched once they are known.
#include "agent/cluster/object_cache.hpp"

#include <catch2/catch.hpp>

#include "../kube_client/scripted_api.hpp"
#include "../loop.hpp"

using namespace keelson;
using namespace keelson::agent;
using kube::test::ScriptedApi;
using Answer = ScriptedApi::Answer;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// "/api/v1/namespaces/ns/configmaps?...metadata.name%3Dc...": the object that is asked for, and then the list's end.
Answer one(const std::string& kind, const std::string& name, bool immutable) {
  const std::string object = R"({"kind":")" + kind + R"(","apiVersion":"v1","metadata":{"namespace":"ns","name":")" +
                             name + R"(","uid":"u","resourceVersion":"5"},"data":{"k":"dg=="})" +
                             (immutable ? R"(,"immutable":true)" : "") + "}";
  return {{R"({"type":"ADDED","object":)" + object + "}",
           R"({"type":"BOOKMARK","object":{"kind":")" + kind +
               R"(","metadata":{"resourceVersion":"6","annotations":{"k8s.io/initial-events-end":"true"}}}})"},
          std::nullopt};
}

std::shared_ptr<const kube::Pod> pod() {
  auto out = std::make_shared<kube::Pod>();
  out->metadata.ns = "ns";
  out->metadata.uid = "pod";
  for (const char* name : {"fixed", "live"}) {
    out->spec.volumes.emplace_back().config_map.emplace().name = name;
    out->spec.volumes.emplace_back().secret.emplace().secret_name = name;
  }
  return out;
}

Awaitable<bool> ended(ObjectCache& cache) {
  co_await cache.stop();
  co_return true;
}

}  // namespace

TEST_CASE("an immutable ConfigMap or Secret is read once and not watched", "[object_cache]") {
  keelson::testing::Loop loop;
  ScriptedApi api(loop.executor(), [](const kube::ApiRequest& request) {
    return one(has(request.path, "secrets") ? "Secret" : "ConfigMap", has(request.path, "Dfixed") ? "fixed" : "live",
               has(request.path, "Dfixed"));
  });
  int changes = 0;
  ObjectCache cache(loop.executor(), api, [&](const auto&) { ++changes; });
  cache.services_synced();
  for (int i = 0; i < 3; ++i) {
    const auto objects = loop.run(cache.gather(pod()));
    REQUIRE(objects.has_value());
    CHECK(objects->config_maps.size() == 2);
    CHECK(objects->secrets.size() == 2);
    CHECK(objects->config_maps.at("ns/fixed")->immutable == true);
  }
  loop.pump_until([&] { return api.open_streams == 2; });  // the two that may change
  CHECK(api.asked.size() == 4);
  CHECK(changes == 0);
  cache.pod_gone("pod");
  loop.pump_until([&] { return api.open_streams == 0; });
  CHECK(cache.watches() == 0);
  CHECK(loop.run(ended(cache)));
}
