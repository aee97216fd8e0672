// VolumeManager with real mounts below a temporary root.
#include <sys/stat.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <future>

#include "base/clock.hpp"
#include "temp_root.hpp"
#include "volumes/manager.hpp"

namespace keelson::volumes {
namespace {
namespace fs = std::filesystem;

struct World {
  World() : manager(make()) {}
  ~World() { run_void(manager->stop()); }

  std::unique_ptr<VolumeManager> make() {
    NodeFacts node;
    node.allocatable_memory = 64 << 20;
    node.huge_page_sizes = huge_page_sizes;
    return std::make_unique<VolumeManager>(loop.get_executor(), pool, linux_mounter(), temp.path, node, system_clock());
  }
  // As after kill -9 and a new start: nothing remembered.
  void restart() {
    run_void(manager->stop());
    manager = make();
  }

  template <class T>
  T run(Awaitable<T> task) {
    std::optional<T> result;
    loop.restart();  // it stops whenever it runs out of work
    asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr& error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
    });
    while (!result) loop.run_one();
    return std::move(*result);
  }
  void run_void(Awaitable<void> task) {
    bool done = false;
    loop.restart();
    asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr&) { done = true; });
    while (!done) loop.run_one();
  }

  kube::Volume& add_volume(const std::string& name) {
    pod.spec.volumes.emplace_back();
    pod.spec.volumes.back().name = name;
    if (pod.spec.containers.empty()) {
      pod.spec.containers.emplace_back();
      pod.spec.containers[0].name = "web";
    }
    pod.spec.containers[0].volume_mounts.emplace_back();
    pod.spec.containers[0].volume_mounts.back().name = name;
    pod.spec.containers[0].volume_mounts.back().mount_path = "/" + name;
    return pod.spec.volumes.back();
  }
  void add_config_map(const std::string& value) {
    kube::ConfigMap map;
    map.data["key"] = value;
    objects.config_maps["ns/cm"] = std::make_shared<const kube::ConfigMap>(map);
  }
  void add_secret(const std::string& value) {
    kube::Secret secret;
    secret.data["key"] = value;
    objects.secrets["ns/s"] = std::make_shared<const kube::Secret>(secret);
  }
  void add_local_claim(const std::string& path) {
    kube::PersistentVolumeClaim claim;
    claim.metadata.name = "c";
    claim.metadata.ns = "ns";
    claim.metadata.uid = "claim-uid";
    claim.spec.volume_name = "pv";
    claim.status.phase = "Bound";
    kube::PersistentVolume pv;
    pv.metadata.name = "pv";
    pv.spec.claim_ref.emplace();
    pv.spec.claim_ref->uid = "claim-uid";
    pv.spec.local.emplace();
    pv.spec.local->path = path;
    objects.claims["ns/c"] = std::make_shared<const kube::PersistentVolumeClaim>(claim);
    objects.volumes["pv"] = std::make_shared<const kube::PersistentVolume>(pv);
  }
  [[nodiscard]] PodVolumes request(Nanoseconds timeout = Seconds(60)) {
    pod.metadata.ns = "ns";
    pod.metadata.name = "pod";
    if (pod.metadata.uid.empty()) pod.metadata.uid = "uid";
    return {std::make_shared<const kube::Pod>(pod), std::make_shared<const kube::ObjectSet>(objects), timeout};
  }
  // All the kinds that live below the root dir.
  void add_all() {
    add_volume("scratch").empty_dir.emplace();
    add_volume("mem").empty_dir.emplace();
    pod.spec.volumes.back().empty_dir->medium = "Memory";
    pod.spec.volumes.back().empty_dir->size_limit = kube::Quantity::of(1 << 20);
    add_volume("config").config_map.emplace();
    pod.spec.volumes.back().config_map->name = "cm";
    add_volume("token").secret.emplace();
    pod.spec.volumes.back().secret->secret_name = "s";
    add_volume("data").persistent_volume_claim.emplace();
    pod.spec.volumes.back().persistent_volume_claim->claim_name = "c";
    add_config_map("one");
    add_secret("hush");
    REQUIRE(make_dirs(temp / "disk").has_value());
    REQUIRE(write_file_atomic(temp / "disk/precious", "x").has_value());
    add_local_claim(temp / "disk");
  }

  TempRoot temp;
  asio::io_context loop{1};
  BlockingPool pool{2};
  kube::Pod pod;
  kube::ObjectSet objects;
  std::vector<std::int64_t> huge_page_sizes;
  std::unique_ptr<VolumeManager> manager;
};

TEST_CASE("every kind is set up at the kubelet's paths, twice without effect, and torn down", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  const std::string base = world.temp / "pods/uid/volumes/";
  CHECK(mounted->at("scratch").host_path == base + "kubernetes.io~empty-dir/scratch");
  CHECK(mode_of(base + "kubernetes.io~empty-dir/scratch") == 0777);
  CHECK(mounted->at("mem").size_limit == 1 << 20);
  CHECK(mode_of(mounted->at("mem").host_path) == 0777);
  CHECK(mounted->at("config").read_only);
  CHECK(text_of(base + "kubernetes.io~configmap/config/key") == "one");
  CHECK(text_of(base + "kubernetes.io~secret/token/key") == "hush");
  CHECK(mounted->at("data").host_path == base + "kubernetes.io~local-volume/pv");
  CHECK(text_of(mounted->at("data").host_path + "/precious") == "x");
  CHECK(fs::exists(world.temp / "pods/uid/plugins/kubernetes.io~empty-dir/wrapped_token/ready"));
  for (const char* tmpfs : {"kubernetes.io~empty-dir/mem", "kubernetes.io~secret/token"}) {
    const auto entries = linux_mounter().mounts("/");
    const auto entry = std::find_if(entries->begin(), entries->end(),
                                    [&](const MountEntry& e) { return e.mount_point == base + tmpfs; });
    REQUIRE(entry != entries->end());
    CHECK(entry->fs_type == "tmpfs");
  }
  CHECK_FALSE(write_file_atomic(mounted->at("mem").host_path + "/big", std::string(2 << 20, 'x')).has_value());

  REQUIRE(write_file_atomic(mounted->at("scratch").host_path + "/kept", "x").has_value());
  const std::size_t mounts = world.temp.mounts_below();
  world.restart();
  const auto again = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(again) == "ok");
  CHECK(*again == *mounted);
  CHECK(world.temp.mounts_below() == mounts);
  CHECK(fs::exists(again->at("scratch").host_path + "/kept"));

  const auto usage = world.run(world.manager->usage("uid"));
  REQUIRE(outcome(usage) == "ok");
  CHECK(usage->size() == 5);
  CHECK(usage->at("scratch").inodes == 2);
  REQUIRE(write_file_atomic(again->at("scratch").host_path + "/big", std::string(300'000, 'x')).has_value());
  REQUIRE(write_file_atomic(again->at("mem").host_path + "/big", std::string(200'000, 'x')).has_value());
  const auto empty_dirs = world.run(world.manager->empty_dir_usage("uid"));
  REQUIRE(outcome(empty_dirs) == "ok");
  REQUIRE(empty_dirs->size() == 2);
  CHECK(empty_dirs->at("scratch").used.bytes >= 300'000);
  CHECK(empty_dirs->at("scratch").used.inodes == 3);
  CHECK_FALSE(empty_dirs->at("scratch").memory);
  CHECK(empty_dirs->at("mem").used.bytes >= 200'000);
  CHECK(empty_dirs->at("mem").used.bytes < 300'000);
  CHECK(empty_dirs->at("mem").memory);
  CHECK(world.run(world.manager->empty_dir_usage("nobody"))->empty());

  CHECK(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(world.temp.mounts_below() == 0);
  CHECK(list_dir(world.temp / "pods/uid")->empty());
  CHECK(text_of(world.temp / "disk/precious") == "x");
}

TEST_CASE("one claim used by two volumes of a pod is mounted once", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  world.add_volume("data-again").persistent_volume_claim.emplace();
  world.pod.spec.volumes.back().persistent_volume_claim->claim_name = "c";
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  CHECK(mounted->at("data").host_path == mounted->at("data-again").host_path);
  CHECK(world.temp.mounts_below("pods/uid/volumes/kubernetes.io~local-volume") == 1);
}

TEST_CASE("errors name volume and cause; the other volumes are set up", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_volume("scratch").empty_dir.emplace();
  world.add_volume("config").config_map.emplace();
  world.pod.spec.volumes.back().config_map->name = "missing";
  auto mounted = world.run(world.manager->set_up(world.request()));
  CHECK(outcome(mounted) == "MountVolume.SetUp failed for volume \"config\" : configmap \"missing\" not found");
  CHECK(mounted.error().reason == "FailedMount");
  CHECK(fs::exists(world.temp / "pods/uid/volumes/kubernetes.io~empty-dir/scratch"));
  CHECK_FALSE(fs::exists(world.temp / "pods/uid/volumes/kubernetes.io~configmap"));

  world.add_volume("huge").empty_dir.emplace();
  world.pod.spec.volumes.back().empty_dir->medium = "HugePages-2Mi";
  world.add_volume("claim").persistent_volume_claim.emplace();
  world.pod.spec.volumes.back().persistent_volume_claim->claim_name = "none";
  mounted = world.run(world.manager->set_up(world.request()));
  const std::string text = outcome(mounted);
  CHECK_THAT(text, Catch::Contains("volume \"huge\" : medium \"HugePages-2Mi\": this node has no huge pages of size"));
  CHECK_THAT(text, Catch::Contains("error processing PVC ns/none: persistentvolumeclaim \"none\" not found"));
  world.pod.metadata.uid = "../escape";
  CHECK_FALSE(world.run(world.manager->set_up(world.request())).has_value());
}

TEST_CASE("an emptyDir of huge pages is a hugetlbfs with the page size asked for", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  const auto kernel = list_dir("/sys/kernel/mm/hugepages");
  if (!kernel || std::find(kernel->begin(), kernel->end(), "hugepages-2048kB") == kernel->end()) {
    WARN("skipped: this kernel has no huge pages of 2 MiB");
    return;
  }
  world.huge_page_sizes = {2 << 20};
  world.restart();
  world.add_volume("huge").empty_dir.emplace();
  world.pod.spec.volumes.back().empty_dir->medium = "HugePages-2Mi";
  world.pod.spec.security_context.emplace().fs_group = 3000;
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  const std::string path = mounted->at("huge").host_path;
  CHECK(mode_of(path) == 02777);
  const auto entries = linux_mounter().mounts("/");
  const auto entry =
      std::find_if(entries->begin(), entries->end(), [&](const MountEntry& e) { return e.mount_point == path; });
  REQUIRE(entry != entries->end());
  CHECK(entry->fs_type == "hugetlbfs");
  CHECK(std::find(entry->options.begin(), entry->options.end(), "pagesize=2M") != entry->options.end());
  CHECK(world.run(world.manager->empty_dir_usage("uid"))->at("huge").memory);
  CHECK(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(world.temp.mounts_below() == 0);
}

TEST_CASE("refresh writes when an object changed, and an error keeps the old content", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  CHECK_FALSE(*world.run(world.manager->refresh(world.request())));
  world.add_config_map("two");
  world.add_secret("quiet");
  CHECK(*world.run(world.manager->refresh(world.request())));
  CHECK(text_of(mounted->at("config").host_path + "/key") == "two");
  CHECK(text_of(mounted->at("token").host_path + "/key") == "quiet");
  world.objects.config_maps.clear();
  CHECK(outcome(world.run(world.manager->refresh(world.request()))) ==
        "MountVolume.SetUp failed for volume \"config\" : configmap \"cm\" not found");
  CHECK(text_of(mounted->at("config").host_path + "/key") == "two");
}

TEST_CASE("fsGroup reaches the kinds that take it", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  world.pod.spec.security_context.emplace();
  world.pod.spec.security_context->fs_group = 3000;
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  for (const auto& [name, inner] : std::map<std::string, std::string>{
           {"scratch", ""}, {"mem", ""}, {"config", "/key"}, {"token", "/key"}, {"data", "/precious"}}) {
    struct stat st {};
    INFO(name);
    REQUIRE(::stat((mounted->at(name).host_path + inner).c_str(), &st) == 0);
    CHECK(st.st_gid == 3000);
  }
}

TEST_CASE("tear down works from the disk alone, whatever state a kill -9 left", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  REQUIRE(outcome(world.run(world.manager->set_up(world.request()))) == "ok");
  const std::string volumes = world.temp / "pods/uid/volumes/";
  SECTION("nothing odd") {}
  SECTION("marker written, folder gone") { fs::remove_all(volumes + "kubernetes.io~empty-dir/scratch"); }
  SECTION("folder made, not mounted, no marker") {
    REQUIRE(linux_mounter().unmount(volumes + "kubernetes.io~secret/token").has_value());
    fs::remove_all(world.temp / "pods/uid/plugins");
  }
  SECTION("mounted twice") {
    REQUIRE(linux_mounter().bind(world.temp / "disk", volumes + "kubernetes.io~local-volume/pv", {}).has_value());
  }
  SECTION("a container mounted something of the host below, and left it") {
    const std::string deep = volumes + "kubernetes.io~empty-dir/scratch/deep/mnt";
    REQUIRE(make_dirs(deep).has_value());
    REQUIRE(linux_mounter().bind(world.temp / "disk", deep, {}).has_value());
  }
  SECTION("unmounted, but not removed") {
    REQUIRE(linux_mounter().unmount(volumes + "kubernetes.io~local-volume/pv").has_value());
  }
  world.restart();
  const auto found = world.run(world.manager->reconstruct());
  REQUIRE(outcome(found) == "ok");
  REQUIRE(found->size() == 1);
  CHECK(found->at("uid").size() >= 4);
  CHECK(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(world.temp.mounts_below() == 0);
  CHECK(list_dir(world.temp / "pods/uid")->empty());
  CHECK(text_of(world.temp / "disk/precious") == "x");
  CHECK(world.run(world.manager->reconstruct())->empty());
}

TEST_CASE("a mount below a shared source stays when the pod's bind of it is torn down", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  REQUIRE(outcome(world.run(world.manager->start())) == "ok");
  REQUIRE(make_dirs(world.temp / "disk/sub").has_value());
  REQUIRE(outcome(world.run(world.manager->set_up(world.request()))) == "ok");
  REQUIRE(linux_mounter().mount({"tmpfs", world.temp / "disk/sub", "tmpfs", {"size=65536"}}).has_value());
  CHECK(*is_mount_point(linux_mounter(), world.temp / "pods/uid/volumes/kubernetes.io~local-volume/pv/sub"));
  REQUIRE(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(*is_mount_point(linux_mounter(), world.temp / "disk/sub"));
}

TEST_CASE("a local volume's data is never deleted when its unmount fails", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_all();
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  {
    std::ifstream busy(mounted->at("data").host_path + "/precious");
    const auto torn = world.run(world.manager->tear_down("uid"));
    CHECK(outcome(torn).find("still in use") != std::string::npos);
    CHECK(text_of(world.temp / "disk/precious") == "x");
    CHECK_FALSE(fs::exists(world.temp / "pods/uid/volumes/kubernetes.io~secret/token"));  // the others are gone
  }
  CHECK(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(text_of(world.temp / "disk/precious") == "x");
}

TEST_CASE("subPaths are prepared and go with the pod", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.add_volume("scratch").empty_dir.emplace();
  world.pod.spec.containers[0].volume_mounts[0].sub_path = "logs/web";
  const auto mounted = world.run(world.manager->set_up(world.request()));
  REQUIRE(outcome(mounted) == "ok");
  const kube::Container& container = world.pod.spec.containers[0];
  const ExpandSubPath none = [](const std::string& text) -> Result<std::string> { return text; };
  auto requests = sub_path_requests(container, *mounted, none);
  REQUIRE(outcome(requests) == "ok");
  const auto prepared = world.run(world.manager->prepare_sub_paths("uid", *requests));
  REQUIRE(outcome(prepared) == "ok");
  const auto mounts = make_mounts(container, *mounted, *prepared, {});
  REQUIRE(outcome(mounts) == "ok");
  CHECK(mounts->at(0).host_path == world.temp / "pods/uid/volume-subpaths/scratch/web/0");
  REQUIRE(write_file_atomic(mounts->at(0).host_path + "/log", "x").has_value());
  CHECK(text_of(mounted->at("scratch").host_path + "/logs/web/log") == "x");

  fs::create_symlink("/etc", mounted->at("scratch").host_path + "/evil");
  requests->at(0).sub_path = "evil";
  const auto evil = world.run(world.manager->prepare_sub_paths("uid", *requests));
  const std::string refused = outcome(evil);
  CHECK(evil.error().reason == "CreateContainerConfigError");
  CHECK(refused.starts_with("failed to prepare subPath for volumeMount \"scratch\" of container \"web\": "));

  CHECK(outcome(world.run(world.manager->tear_down("uid"))) == "ok");
  CHECK(world.temp.mounts_below() == 0);
  CHECK(list_dir(world.temp / "pods/uid")->empty());
}

// A kind whose disk does not answer until it is told to.
class HangingKind final : public VolumeKind {
 public:
  HangingKind(const Executor& executor, BlockingPool& pool, std::shared_future<void> answer)
      : jobs_(executor, pool), answer_(std::move(answer)) {}
  [[nodiscard]] std::string_view plugin() const override { return kHostPathPlugin; }
  Awaitable<Result<MountedVolume>> set_up(VolumeRequest request) override {
    std::function<Result<void>()> work = [answer = answer_]() -> Result<void> {
      answer.wait();
      return {};
    };
    Result<void> done = co_await jobs_.run(Lane::unbounded, std::move(work));
    if (!done) co_return done.error();
    MountedVolume mounted;
    mounted.name = request.volume.name;
    co_return mounted;
  }
  Awaitable<Result<void>> tear_down(VolumeOnDisk) override { co_return Result<void>(); }

 private:
  Jobs jobs_;
  std::shared_future<void> answer_;
};

TEST_CASE("pods whose disk hangs time out alone, and are torn down once it answers", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  std::promise<void> answer;
  const Executor executor = world.loop.get_executor();
  world.manager->add_kind(std::make_unique<HangingKind>(executor, world.pool, answer.get_future().share()));
  world.add_volume("nfs").host_path.emplace();
  for (const char* uid : {"hung-1", "hung-2", "hung-3"}) {  // more than the pool has threads
    world.pod.metadata.uid = uid;
    const auto hung = world.run(world.manager->set_up(world.request(Milliseconds(20))));
    CHECK(outcome(hung) ==
          "Unable to attach or mount volumes: unmounted volumes=[nfs], unattached volumes=[], "
          "failed to process volumes=[]: context deadline exceeded");
    CHECK(hung.error().code == Errc::deadline_exceeded);
    CHECK(hung.error().reason == "FailedMount");
  }
  CHECK(outcome(world.run(world.manager->set_up(world.request(Milliseconds(5))))) ==
        "an earlier operation on the pod's volumes still hangs");
  CHECK_FALSE(world.run(world.manager->tear_down("hung-1", Milliseconds(5))).has_value());

  World healthy;  // another pod's spec, the same manager
  healthy.add_volume("scratch").empty_dir.emplace();
  healthy.pod.metadata.uid = "healthy";
  CHECK(outcome(world.run(world.manager->set_up(healthy.request()))) == "ok");

  answer.set_value();
  for (const char* uid : {"hung-1", "hung-2", "hung-3", "healthy"}) {
    CHECK(outcome(world.run(world.manager->tear_down(uid))) == "ok");
  }
}

}  // namespace
}  // namespace keelson::volumes
