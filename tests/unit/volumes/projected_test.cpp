// downwardAPI and projected volumes with real mounts below a temporary root.
#include <sys/stat.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "temp_root.hpp"
#include "volumes/manager.hpp"

namespace keelson::volumes {
namespace {

class FakeTokens final : public TokenSource {
 public:
  Awaitable<Result<ServiceAccountToken>> token(TokenRequest request) override {
    asked = request;
    if (error) co_return *error;
    ServiceAccountToken out;
    out.text = text;
    out.refresh_at = refresh_at;
    co_return out;
  }
  TokenRequest asked;
  std::string text = "t1";
  SystemTime refresh_at{};
  std::optional<Error> error;
};

// The value of a file is its field's path.
Result<std::string> field(const kube::Pod& pod, const kube::DownwardApiFile& file) {
  if (file.field_ref->field_path == "bad") return make_error(Errc::invalid_argument, "no such field");
  return pod.metadata.name + ":" + file.field_ref->field_path;
}

struct World {
  explicit World(bool with_tokens = true)
      : manager(loop.get_executor(), pool, linux_mounter(), temp.path, NodeFacts{}, system_clock()) {
    manager.add_pod_sources(field, with_tokens ? &tokens : nullptr);
    manager.on_refresh_due([this](const std::string& uid) { due.push_back(uid); });
    tokens.refresh_at = system_clock().now() + std::chrono::hours(1);
    pod.metadata.name = "web";
    pod.metadata.ns = "ns";
    pod.metadata.uid = "uid";
    pod.spec.service_account_name = "sa";
    pod.spec.containers.resize(1);
    pod.spec.containers[0].volume_mounts.resize(1);
    pod.spec.containers[0].volume_mounts[0].name = "v";
    pod.spec.volumes.resize(1);
    pod.spec.volumes[0].name = "v";
  }
  ~World() { run_until_done(manager.stop()); }
  void run_until_done(Awaitable<void> task) {
    bool done = false;
    loop.restart();
    asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr&) { done = true; });
    while (!done) loop.run_one();
  }
  template <class T>
  T run(Awaitable<T> task) {
    std::optional<T> result;
    loop.restart();
    asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr& error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
    });
    while (!result) loop.run_one();
    return std::move(*result);
  }
  PodVolumes request() {
    return {std::make_shared<const kube::Pod>(pod), std::make_shared<const kube::ObjectSet>(objects), Seconds(60)};
  }
  std::string set_up() { return outcome(run(manager.set_up(request()))); }
  std::string text(const std::string& file) { return text_of(folder() + "/" + file); }
  mode_t mode(const std::string& file) {
    struct stat st {};
    REQUIRE(::stat((folder() + "/" + file).c_str(), &st) == 0);
    owner = st.st_uid;
    return st.st_mode & 07777;
  }
  std::string folder() {
    const bool projected = pod.spec.volumes[0].projected.has_value();
    return temp /
           (projected ? "pods/uid/volumes/kubernetes.io~projected/v" : "pods/uid/volumes/kubernetes.io~downward-api/v");
  }
  kube::VolumeProjection& add_source() {
    auto& volume = pod.spec.volumes[0];
    if (!volume.projected) volume.projected.emplace();
    return volume.projected->sources.emplace_back();
  }
  void add_token(const std::string& path) {
    auto& source = add_source();
    source.service_account_token.emplace();
    source.service_account_token->path = path;
    source.service_account_token->audience = "vault";
    source.service_account_token->expiration_seconds = 600;
  }

  TempRoot temp;
  asio::io_context loop{1};
  BlockingPool pool{2};
  FakeTokens tokens;
  std::vector<std::string> due;
  uid_t owner = 0;
  kube::Pod pod;
  kube::ObjectSet objects;
  VolumeManager manager;
};

kube::DownwardApiFile file(const std::string& path, const std::string& field) {
  kube::DownwardApiFile out;
  out.path = path;
  out.field_ref.emplace();
  out.field_ref->field_path = field;
  return out;
}

}  // namespace

TEST_CASE("a downwardAPI volume shows fields and follows them", "[root]") {
  SKIP_UNLESS_ROOT();
  World w;
  auto& source = w.pod.spec.volumes[0].downward_api.emplace();
  source.default_mode = 0440;
  source.items = {file("labels", "metadata.labels"), file("deep/name", "metadata.name")};
  source.items[1].mode = 0400;
  REQUIRE(w.set_up() == "ok");
  CHECK(w.text("labels") == "web:metadata.labels");
  CHECK(w.text("deep/name") == "web:metadata.name");
  CHECK(w.mode("labels") == 0440);
  CHECK(w.mode("deep/name") == 0400);
  CHECK_FALSE(*w.run(w.manager.refresh(w.request())));
  w.pod.metadata.name = "other";
  CHECK(*w.run(w.manager.refresh(w.request())));
  CHECK(w.text("labels") == "other:metadata.labels");
  source.items.push_back(file("x", "bad"));
  CHECK(outcome(w.run(w.manager.refresh(w.request()))) == "MountVolume.SetUp failed for volume \"v\" : no such field");
}

TEST_CASE("a projected volume holds all its sources, later ones winning", "[root]") {
  SKIP_UNLESS_ROOT();
  World w;
  kube::ConfigMap map;
  map.data = {{"ca.crt", "CA"}, {"same", "map"}};
  w.objects.config_maps["ns/root"] = std::make_shared<const kube::ConfigMap>(map);
  kube::Secret secret;
  secret.data = {{"same", "secret"}, {"key", "K"}};
  w.objects.secrets["ns/s"] = std::make_shared<const kube::Secret>(secret);
  w.add_source().config_map.emplace().name = "root";
  w.add_source().secret.emplace().name = "s";
  w.add_source().downward_api.emplace().items = {file("namespace", "metadata.namespace")};
  w.add_token("token");
  w.pod.spec.volumes[0].projected->default_mode = 0640;
  REQUIRE(w.set_up() == "ok");
  CHECK(w.text("ca.crt") == "CA");
  CHECK(w.text("same") == "secret");
  CHECK(w.text("namespace") == "web:metadata.namespace");
  CHECK(w.text("token") == "t1");
  CHECK(w.mode("token") == 0640);
  CHECK(w.mode("key") == 0640);
  CHECK(w.tokens.asked == TokenRequest{"ns", "sa", "vault", 600, "web", "uid"});
  CHECK(outcome(w.run(w.manager.tear_down("uid"))) == "ok");
  CHECK(w.temp.mounts_below() == 0);
}

TEST_CASE("a token belongs to the pod's one user, or its group", "[root]") {
  SKIP_UNLESS_ROOT();
  World w;
  w.add_token("token");
  SECTION("user") {
    w.pod.spec.security_context.emplace().run_as_user = 1234;
    REQUIRE(w.set_up() == "ok");
    CHECK(w.mode("token") == 0600);
    CHECK(w.owner == 1234);
  }
  SECTION("containers of different users") {
    w.pod.spec.containers.resize(2);
    w.pod.spec.containers[0].security_context.emplace().run_as_user = 1;
    w.pod.spec.containers[1].security_context.emplace().run_as_user = 2;
    REQUIRE(w.set_up() == "ok");
    CHECK(w.mode("token") == 0644);
    CHECK(w.owner == 0);
  }
  SECTION("fsGroup") {
    w.pod.spec.security_context.emplace().fs_group = 3000;
    REQUIRE(w.set_up() == "ok");
    CHECK((w.mode("token") & 0777) == 0640);
  }
}

TEST_CASE("a volume is due for a refresh when its token is, and after that again", "[root]") {
  SKIP_UNLESS_ROOT();
  World w;
  w.add_token("token");
  w.tokens.refresh_at = system_clock().now() + Milliseconds(200);
  REQUIRE(w.set_up() == "ok");
  CHECK(w.due.empty());
  w.loop.restart();
  w.loop.run_for(Milliseconds(600));
  REQUIRE(w.due == std::vector<std::string>{"uid"});
  w.tokens.text = "t2";
  w.tokens.refresh_at = system_clock().now() + std::chrono::hours(1);
  CHECK(*w.run(w.manager.refresh(w.request())));
  CHECK(w.text("token") == "t2");
  w.loop.restart();
  w.loop.run_for(Milliseconds(100));
  CHECK(w.due.size() == 1);
  w.tokens.error = make_error(Errc::unavailable, "failed to fetch token: away");
  CHECK_FALSE(w.run(w.manager.refresh(w.request())).has_value());
  CHECK(w.text("token") == "t2");
}

TEST_CASE("what cannot be projected is refused clearly, all of it at once", "[root]") {
  SKIP_UNLESS_ROOT();
  World w(false);
  w.add_token("token");
  CHECK(w.set_up() ==
        "MountVolume.SetUp failed for volume \"v\" : failed to fetch token: service account tokens come from an API "
        "server, and this node has none");
  w.add_source().cluster_trust_bundle.emplace().path = "ca";
  w.add_source().other_sources = {"podCertificate"};
  w.add_source().config_map.emplace().name = "none";
  CHECK_THAT(w.set_up(), Catch::Contains("none, clusterTrustBundle sources are not served by this node, "
                                         "podCertificate sources are not served by this node, configmap "
                                         "\"none\" not found]") &&
                             Catch::Contains("[failed to fetch token"));
}

}  // namespace keelson::volumes
