// Against a real API server, by hand:
//   KEELSON_TEST_KUBECONFIG=admin.kubeconfig unit_kube_client "[.real]"
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "../loop.hpp"
#include "../temp_dir.hpp"
#include "base/task_group.hpp"
#include "kube/client/client.hpp"
#include "kube/client/client_identity.hpp"
#include "kube/client/list_watch.hpp"
#include "kube/client/objects.hpp"
#include "kube/config.hpp"
#include "kube/service.hpp"
#include "printing.hpp"

using namespace keelson;
using namespace keelson::kube;

namespace {

// The TCP connections of this process that stand.
int connections() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    struct stat info {};
    if (::stat(entry.path().c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) continue;
    const int fd = std::atoi(entry.path().filename().c_str());
    int family = 0;
    socklen_t size = sizeof(family);
    ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    if (family == AF_INET || family == AF_INET6) ++count;
  }
  return count;
}

ClientConfig admin() {
  const char* path = std::getenv("KEELSON_TEST_KUBECONFIG");
  if (!path) FAIL("KEELSON_TEST_KUBECONFIG is not set");
  const auto config = load_kubeconfig(path);
  REQUIRE(config);
  return *config;
}

}  // namespace

TEST_CASE("twenty watches share one connection to a real server", "[.real]") {
  const ClientConfig config = admin();
  keelson::testing::Loop loop;
  ApiClient api(loop.executor(), config);
  TaskGroup tasks(loop.executor());
  int synced = 0;
  int seen = 0;
  int gone = 0;
  std::vector<std::string> errors;
  std::vector<std::unique_ptr<ListWatch<ConfigMap>>> watches;
  for (int i = 0; i < 20; ++i) {
    ListWatch<ConfigMap>::Handlers handlers;
    handlers.on_set = [&](auto) { ++seen; };
    handlers.on_delete = [&](const ObjectKey&) { ++gone; };
    handlers.on_synced = [&] { ++synced; };
    handlers.on_error = [&](const Error& e) { errors.push_back(e.message); };
    WatchOptions options;
    options.streaming_list = i % 2 == 0;
    const auto selection = single_object("default", "keelson-test");
    watches.push_back(std::make_unique<ListWatch<ConfigMap>>(loop.executor(), api, selection, handlers, options));
    tasks.spawn("watch", watches.back()->run());
  }
  loop.pump_until([&] { return synced == 20; });
  CHECK(errors == std::vector<std::string>{});
  CHECK(connections() == 1);
  ConfigMap map;
  map.metadata.ns = "default";
  map.metadata.name = "keelson-test";
  map.data["k"] = "v";
  REQUIRE(loop.run(create<ConfigMap>(api, map)));
  loop.pump_until([&] { return seen == 20; });
  REQUIRE(loop.run(patch<ConfigMap>(api, "default", "keelson-test", "", R"({"data":{"k":"w"}})", kMergePatch)));
  loop.pump_until([&] { return seen == 40; });
  const auto again = loop.run(create<ConfigMap>(api, map));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Errc::already_exists);
  REQUIRE(loop.run(remove(api, object_path<ConfigMap>("default", "keelson-test"), {})));
  loop.pump_until([&] { return gone == 20; });
  CHECK(connections() == 1);
  tasks.cancel();
  loop.pump_until([&] { return tasks.size() == 0; });
}

TEST_CASE("the controllers of a real cluster sign our request", "[.real]") {
  const testing::TempDir dir;
  ClientIdentityPaths paths{dir.path() / "kubelet.conf", dir.path() / "bootstrap.conf", dir.path() / "pki"};
  REQUIRE(write_kubeconfig(paths.bootstrap_kubeconfig, admin()));
  const auto identity = prepare_client_identity(paths, system_clock().now());
  REQUIRE(identity);
  keelson::testing::Loop loop;
  BlockingPool pool;
  const auto api = std::make_shared<ApiClient>(loop.executor(), identity->config);
  auto options = client_certificate_options(paths, "keelson-test", api, [&](ClientConfig config) {
    return std::make_shared<ApiClient>(loop.executor(), std::move(config));
  });
  bool rotated = false;
  options.on_rotated = [&](const CertificatePair&) { rotated = true; };
  CertificateManager manager(loop.executor(), pool, std::move(options));
  TaskGroup tasks(loop.executor());
  tasks.spawn("manager", manager.run());
  loop.pump_until([&] { return rotated; });
  ApiRequest who = api_request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                               R"({"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"})");
  const auto answer = loop.run(api->send(std::move(who)));
  REQUIRE(answer);
  CHECK(answer->find("system:node:keelson-test") != std::string::npos);
  tasks.cancel();
  loop.pump_until([&] { return tasks.size() == 0; });
}
