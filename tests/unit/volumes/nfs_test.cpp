// nfs: what is run, what is said, and that nothing of an export is ever removed.
#include <catch2/catch.hpp>

#include "../loop.hpp"
#include "base/blocking_pool.hpp"
#include "scripted_runner.hpp"
#include "temp_root.hpp"
#include "volumes/nfs.hpp"

namespace keelson::volumes {
namespace {
namespace fs = std::filesystem;
using testing::Loop;

std::string command(const std::string& server, std::vector<std::string> options, bool read_only) {
  kube::NfsVolumeSource source;
  source.server = server;
  source.path = "/export/a";
  return join(nfs_mount_command(source, std::move(options), read_only, "/t"), " ");
}

TEST_CASE("the mount command is upstream's") {
  CHECK(command("nas", {}, false) == "mount -t nfs nas:/export/a /t");
  CHECK(command("nas", {}, true) == "mount -t nfs -o ro nas:/export/a /t");
  CHECK(command("nas", {"hard", "nfsvers=4.1"}, true) == "mount -t nfs -o hard,nfsvers=4.1,ro nas:/export/a /t");
  CHECK(command("fd00::1", {}, false) == "mount -t nfs [fd00::1]:/export/a /t");
  CHECK(command("[fd00::1]", {}, false) == "mount -t nfs [fd00::1]:/export/a /t");
}

TEST_CASE("a failed mount says what the node lacks") {
  const std::vector<std::string> ran = {"mount", "-t", "nfs", "nas:/a", "/t"};
  const auto text = [&](const std::string& err) {
    return nfs_mount_error(ran, ScriptedRunner::fails(32, err)).message;
  };
  CHECK(text("mount.nfs: Connection refused\n") ==
        "mount -t nfs nas:/a /t: exit code 32: mount.nfs: Connection refused");
  CHECK_THAT(text("mount.nfs: No such device"),
             Catch::EndsWith("(the kernel of this node has no NFS client: module nfs)"));
  CHECK_THAT(text("mount.nfs: rpc.statd is not running but is required"), Catch::Contains("start rpc.statd"));
  CommandResult late;
  late.timed_out = true;
  CHECK(nfs_mount_error(ran, late).code == Errc::deadline_exceeded);
  CHECK_THAT(nfs_mount_error(ran, late).message, Catch::EndsWith("(the server did not answer in time)"));
}

// An export is a folder beside, bound by what stands for mount.nfs.
struct World {
  World() : jobs(loop.executor(), pool), kind(make_nfs_kind(context, jobs, runner)) {
    REQUIRE(make_dirs(temp / "export").has_value());
    REQUIRE(write_file_atomic(temp / "export/precious", "x").has_value());
    runner.on_run = [this](const std::string& line) {
      if (line.starts_with("mount ") && server_answers) {
        REQUIRE(linux_mounter().bind(temp / "export", target(), {}).has_value());
      }
      if (line.starts_with("umount ") && umount_works) REQUIRE(linux_mounter().unmount(target()).has_value());
    };
  }
  [[nodiscard]] std::string target() const { return temp / "pods/uid/volumes/kubernetes.io~nfs/n"; }
  [[nodiscard]] VolumeRequest request() const {
    auto pod = std::make_shared<kube::Pod>();
    pod->metadata.uid = "uid";
    VolumeRequest request;
    request.pod = pod;
    request.objects = std::make_shared<const kube::ObjectSet>();
    request.volume.name = "n";
    request.volume.nfs.emplace();
    request.volume.nfs->server = "nas";
    request.volume.nfs->path = "/a";
    request.plugin = std::string(kNfsPlugin);
    request.inner_name = "n";
    return request;
  }
  [[nodiscard]] VolumeOnDisk on_disk() const {
    return {"uid", std::string(kNfsPlugin), "n", target(), *is_mount_point(linux_mounter(), target())};
  }
  TempRoot temp;
  Loop loop;
  BlockingPool pool{1};
  ScriptedRunner runner;
  KindContextPtr context =
      std::make_shared<const KindContext>(KindContext{linux_mounter(), Paths(temp.path), NodeFacts{}, system_clock()});
  Jobs jobs;
  std::unique_ptr<VolumeKind> kind;
  bool server_answers = true;
  bool umount_works = true;
};

TEST_CASE("an export is mounted once, and unmounted without touching what is in it", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  for (int i = 0; i < 2; ++i) {
    const auto mounted = world.loop.run(world.kind->set_up(world.request()));
    REQUIRE(outcome(mounted) == "ok");
    CHECK(mounted->host_path == world.target());
  }
  CHECK(world.runner.log == std::vector<std::string>{"mount -t nfs nas:/a " + world.target()});
  CHECK(text_of(world.target() + "/precious") == "x");
  SECTION("the server answers") {}
  SECTION("umount fails, and so does force: the kernel is asked at last") { world.umount_works = false; }
  if (!world.umount_works) world.runner.answers.push_back({"umount", ScriptedRunner::fails(32, "target is busy")});
  world.runner.log.clear();
  CHECK(outcome(world.loop.run(world.kind->tear_down(world.on_disk()))) == "ok");
  std::vector<std::string> ran = {"umount " + world.target()};
  if (!world.umount_works) ran.push_back("umount -f " + world.target());
  CHECK(world.runner.log == ran);
  CHECK_FALSE(fs::exists(world.target()));
  CHECK(world.temp.mounts_below() == 0);
  CHECK(text_of(world.temp / "export/precious") == "x");
  CHECK(outcome(world.loop.run(world.kind->tear_down(world.on_disk()))) == "ok");
}

TEST_CASE("without helper or server the volume waits, and leaves no folder behind", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.server_answers = false;
  world.runner.answers.push_back({"mount -t nfs", ScriptedRunner::fails(32, "mount.nfs: Connection timed out")});
  CHECK_THAT(outcome(world.loop.run(world.kind->set_up(world.request()))), Catch::EndsWith("Connection timed out"));
  CHECK_FALSE(fs::exists(world.target()));
  world.runner.missing.insert("mount.nfs");
  world.runner.log.clear();
  CHECK_THAT(outcome(world.loop.run(world.kind->set_up(world.request()))),
             Catch::StartsWith("an nfs volume needs the program mount.nfs, which this node has not"));
  CHECK(world.runner.log.empty());
}

}  // namespace
}  // namespace keelson::volumes
