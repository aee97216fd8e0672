// iscsi: fields, the sequence of commands, file systems, and when a device is let go of. The kernel's part (sessions,
// hosts, links to devices) is a tree of files, which the scripted iscsiadm changes as the real one would.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <catch2/catch.hpp>

#include "../loop.hpp"
#include "base/blocking_pool.hpp"
#include "scripted_runner.hpp"
#include "temp_root.hpp"
#include "volumes/iscsi.hpp"

namespace keelson::volumes {
namespace {
namespace fs = std::filesystem;
using testing::Loop;

kube::IscsiVolumeSource source() {
  kube::IscsiVolumeSource out;
  out.target_portal = "10.0.2.15";
  out.iqn = "iqn.2001-04.com.example:disk";
  out.iscsi_interface = "default";
  return out;
}

TEST_CASE("an iscsi source becomes a disk; what is not supported is refused by its field") {
  auto from = source();
  from.portals = {"10.0.2.16:3261", "10.0.2.15:3260", "[fd00::1]"};
  from.lun = 3;
  const auto disk = iscsi_disk(from, nullptr, true);
  REQUIRE(outcome(disk) == "ok");
  CHECK(disk->portals == std::vector<std::string>{"10.0.2.15:3260", "10.0.2.16:3261", "[fd00::1]:3260"});
  CHECK(disk->fs_type == "ext4");
  CHECK(disk->read_only);
  CHECK(iscsi_global_name(*disk) == "iface-default/10.0.2.15:3260-iqn.2001-04.com.example:disk-lun-3");
  const auto again = decode_iscsi(encode_iscsi(*disk));
  REQUIRE(outcome(again) == "ok");
  CHECK(iscsi_global_name(*again) == iscsi_global_name(*disk));
  CHECK(again->portals == disk->portals);
  for (const char* bad : {"", "{}", "[]", R"({"Portals":[],"Iqn":"i","Lun":0,"Iface":"d"})",
                          R"({"Portals":["a/../b"],"Iqn":"i","Lun":0,"Iface":"d"})"}) {
    CHECK_FALSE(decode_iscsi(bad).has_value());
  }

  const auto error = [](auto change) {
    auto wrong = source();
    change(wrong);
    return outcome(iscsi_disk(wrong, nullptr, false));
  };
  CHECK_THAT(error([](auto& s) { s.initiator_name = "iqn.x"; }),
             Catch::StartsWith("iscsi.initiatorName: not supported"));
  CHECK_THAT(error([](auto& s) { s.iqn = "iqn.x/../../y"; }), Catch::StartsWith("iscsi.iqn: "));
  CHECK_THAT(error([](auto& s) { s.target_portal = "--help"; }), Catch::StartsWith("iscsi.targetPortal: "));
  CHECK_THAT(error([](auto& s) { s.iscsi_interface = "../x"; }), Catch::StartsWith("iscsi.iscsiInterface: "));
  CHECK_THAT(error([](auto& s) { s.fs_type = "ext4 -F"; }), Catch::StartsWith("iscsi.fsType: "));
  CHECK(error([](auto& s) { s.chap_auth_session = true; }) == "iscsi.secretRef: needed for CHAP");
  CHECK(error([](auto& s) {
          s.chap_auth_session = true;
          s.secret_ref = kube::SecretReference{"chap", ""};
        }) == "secret \"chap\" not found");
}

// A node whose iscsiadm logs in at once, and whose disks are there as soon as they are scanned for.
struct World {
  World() : jobs(loop.executor(), pool) {
    system.sys = temp / "sys";
    system.dev = temp / "dev";
    system.device_patience = Seconds(1);
    REQUIRE(make_dirs(system.dev + "/disk/by-path").has_value());
    runner.answers.push_back({"-o show", ScriptedRunner::says("iface.transport_name = tcp\n")});
    runner.answers.push_back({"blkid", ScriptedRunner::says("DEVNAME=x\nTYPE=tmpfs\n")});
    runner.on_run = [this](const std::string& line) { follow(line); };
    kind = make_iscsi_kind(context, jobs, runner, system);
  }
  void follow(const std::string& line) {
    for (std::size_t i = 0; i < portals.size(); ++i) {
      if (line.find("-p " + portals[i] + " ") == std::string::npos) continue;
      if (line.ends_with("--login") && logins_work) log_in(i);
      if (line.find("--logout") != std::string::npos) {
        fs::remove_all(system.sys + "/class/iscsi_connection/connection" + std::to_string(i) + ":0");
      }
    }
  }
  void log_in(std::size_t i) {
    const std::string n = std::to_string(i);
    const std::string session = system.sys + "/class/iscsi_session/session" + n;
    const std::string connection = system.sys + "/class/iscsi_connection/connection" + n + ":0";
    const std::string host = system.sys + "/devices/platform/host" + n + "/session" + n;
    for (const std::string& dir : {session, connection, host, system.sys + "/class/scsi_host/host" + n}) {
      REQUIRE(make_dirs(dir).has_value());
    }
    const auto colon = portals[i].rfind(':');
    REQUIRE(write_file_atomic(session + "/targetname", iqn + "\n").has_value());
    REQUIRE(write_file_atomic(connection + "/persistent_address", portals[i].substr(0, colon) + "\n").has_value());
    REQUIRE(write_file_atomic(connection + "/persistent_port", portals[i].substr(colon + 1) + "\n").has_value());
    REQUIRE(write_file_atomic(system.sys + "/class/scsi_host/host" + n + "/scan", "").has_value());
    std::error_code ec;
    fs::create_directory_symlink(host, session + "/device", ec);
    if (disk_appears) add_disk(i, 0);
  }
  void add_disk(std::size_t i, int lun) {
    const std::string name = "sd" + std::string(1, static_cast<char>('a' + i)) + (lun == 0 ? "" : std::to_string(lun));
    REQUIRE(write_file_atomic(system.dev + "/" + name, "").has_value());
    REQUIRE(make_dirs(system.sys + "/block/" + name + "/device").has_value());
    REQUIRE(write_file_atomic(system.sys + "/block/" + name + "/device/delete", "").has_value());
    std::error_code ec;
    fs::create_symlink("../../" + name, link(i, lun), ec);
  }
  [[nodiscard]] std::string link(std::size_t i, int lun) const {
    return system.dev + "/disk/by-path/ip-" + portals[i] + "-iscsi-" + iqn + "-lun-" + std::to_string(lun);
  }
  [[nodiscard]] IscsiDisk disk() const {
    IscsiDisk out;
    out.portals = portals;
    out.iqn = iqn;
    return out;
  }
  Result<std::string> attach(const IscsiDisk& disk) { return loop.run(attach_iscsi(runner, system, disk)); }
  [[nodiscard]] VolumeRequest request(const std::string& uid) const {
    auto pod = std::make_shared<kube::Pod>();
    pod->metadata.uid = uid;
    pod->metadata.ns = "ns";
    VolumeRequest request;
    request.pod = pod;
    request.objects = std::make_shared<const kube::ObjectSet>();
    request.volume.name = "v";
    request.volume.iscsi = source();
    request.volume.iscsi->fs_type = "tmpfs";  // any file system that mounts from nothing
    request.plugin = std::string(kIscsiPlugin);
    request.inner_name = "v";
    return request;
  }
  [[nodiscard]] std::string target(const std::string& uid) const {
    return temp / ("pods/" + uid + "/volumes/kubernetes.io~iscsi/v");
  }
  [[nodiscard]] VolumeOnDisk on_disk(const std::string& uid) const {
    return {uid, std::string(kIscsiPlugin), "v", target(uid), true};
  }

  TempRoot temp;
  Loop loop;
  BlockingPool pool{1};
  ScriptedRunner runner;
  IscsiSystem system;
  std::vector<std::string> portals = {"10.0.2.15:3260"};
  std::string iqn = "iqn.2001-04.com.example:disk";
  KindContextPtr context =
      std::make_shared<const KindContext>(KindContext{linux_mounter(), Paths(temp.path), NodeFacts{}, system_clock()});
  Jobs jobs;
  std::unique_ptr<VolumeKind> kind;
  bool logins_work = true;
  bool disk_appears = true;
};

const std::string kDiscovery = "iscsiadm -m discoverydb -t sendtargets -p 10.0.2.15:3260 -I default ";
const std::string kNode = "iscsiadm -m node -p 10.0.2.15:3260 -T iqn.2001-04.com.example:disk -I default ";

TEST_CASE("a login is upstream's sequence of commands") {
  World world;
  const auto device = world.attach(world.disk());
  REQUIRE(outcome(device) == "ok");
  CHECK(*device == world.system.dev + "/sda");
  CHECK(text_of(world.system.sys + "/class/scsi_host/host0/scan") == "0 0 0");
  CHECK(world.runner.log == std::vector<std::string>{
                                "iscsiadm -m iface -I default -o show",
                                kDiscovery + "-o new",
                                kDiscovery + "--discover",
                                kNode + "-o update -n node.session.scan -v manual",
                                kNode + "--login",
                                kNode + "-o update -n node.startup -v manual",
                            });
  world.runner.log.clear();
  CHECK(outcome(world.attach(world.disk())) == "ok");  // there is a session already
  CHECK(world.runner.log == std::vector<std::string>{"iscsiadm -m iface -I default -o show"});
}

TEST_CASE("CHAP is set before the discovery and before the login, and never told") {
  World world;
  IscsiDisk disk = world.disk();
  disk.chap_discovery = disk.chap_session = true;
  disk.secret = {{"discovery.sendtargets.auth.username", "du"}, {"discovery.sendtargets.auth.password", "dp"},
                 {"node.session.auth.username", "su"},          {"node.session.auth.password", "sp"},
                 {"node.session.auth.password_in", ""},         {"something.else", "x"}};
  REQUIRE(outcome(world.attach(disk)) == "ok");
  CHECK(world.runner.log == std::vector<std::string>{
                                "iscsiadm -m iface -I default -o show",
                                kDiscovery + "-o new",
                                kDiscovery + "-o update -n discovery.sendtargets.auth.authmethod -v CHAP",
                                kDiscovery + "-o update -n discovery.sendtargets.auth.username -v du",
                                kDiscovery + "-o update -n discovery.sendtargets.auth.password -v dp",
                                kDiscovery + "--discover",
                                kNode + "-o update -n node.session.scan -v manual",
                                kNode + "-o update -n node.session.auth.authmethod -v CHAP",
                                kNode + "-o update -n node.session.auth.username -v su",
                                kNode + "-o update -n node.session.auth.password -v sp",
                                kNode + "--login",
                                kNode + "-o update -n node.startup -v manual",
                            });
  World other;
  other.runner.answers.push_back({"-v sp", ScriptedRunner::fails(7, "iscsiadm: bad value sp")});
  const std::string text = outcome(other.attach(disk));
  CHECK_THAT(text, Catch::EndsWith("failed to update CHAP of portal 10.0.2.15:3260: node.session.auth.password not "
                                   "accepted"));
}

TEST_CASE("what goes wrong on the way is undone and told") {
  World world;
  SECTION("no iscsiadm") {
    world.runner.missing.insert("iscsiadm");
    CHECK_THAT(outcome(world.attach(world.disk())),
               Catch::StartsWith("an iscsi volume needs the program iscsiadm, which this node has not"));
    CHECK(world.runner.log.empty());
  }
  SECTION("an interface of another transport") {
    world.runner.answers.push_back({"-o show", ScriptedRunner::says("iface.transport_name = iser\n")});
    CHECK_THAT(outcome(world.attach(world.disk())), Catch::Contains("has a transport other than tcp"));
  }
  SECTION("the discovery fails: its record is deleted") {
    world.runner.answers.push_back({"--discover", ScriptedRunner::fails(4, "iscsiadm: cannot make connection")});
    CHECK(outcome(world.attach(world.disk())) ==
          "failed to get any path for iscsi disk: failed to sendtargets to portal 10.0.2.15:3260: exit code 4: "
          "iscsiadm: cannot make connection");
    CHECK(world.runner.log.back() == kDiscovery + "-o delete");
  }
  SECTION("the login fails: the node's record is deleted") {
    world.logins_work = false;
    world.runner.answers.push_back({"--login", ScriptedRunner::fails(24, "iscsiadm: authorization failure")});
    CHECK_THAT(outcome(world.attach(world.disk())), Catch::EndsWith("exit code 24: iscsiadm: authorization failure"));
    CHECK(world.runner.log.back() == kNode + "-o delete");
  }
  SECTION("the LUN is not there") {
    world.disk_appears = false;
    CHECK_THAT(outcome(world.attach(world.disk())), Catch::Contains("timed out waiting for device"));
  }
}

TEST_CASE("one portal that fails does not matter while another works; multipath takes the device above") {
  World world;
  world.portals = {"10.0.2.15:3260", "10.0.2.16:3260"};
  world.runner.answers.push_back(
      {"sendtargets -p 10.0.2.15:3260 -I default --discover", ScriptedRunner::fails(4, "no route")});
  const auto one = world.attach(world.disk());
  REQUIRE(outcome(one) == "ok");
  CHECK(*one == world.system.dev + "/sdb");
  REQUIRE(make_dirs(world.system.sys + "/block/dm-3/slaves/sdb").has_value());
  CHECK(*world.attach(world.disk()) == world.system.dev + "/dm-3");
}

TEST_CASE("letting go deletes the device, and logs out with the last LUN") {
  World world;
  REQUIRE(outcome(world.attach(world.disk())) == "ok");
  SECTION("the last one") {
    world.runner.log.clear();
    CHECK(outcome(world.loop.run(detach_iscsi(world.runner, world.system, world.disk()))) == "ok");
    const std::string node = "iscsiadm -m node -p 10.0.2.15:3260 -T iqn.2001-04.com.example:disk ";
    CHECK(world.runner.log == std::vector<std::string>{node + "--logout -I default", node + "-o delete -I default"});
  }
  SECTION("another LUN of the target is in use") {
    world.add_disk(0, 1);
    world.runner.log.clear();
    CHECK(outcome(world.loop.run(detach_iscsi(world.runner, world.system, world.disk()))) == "ok");
    CHECK(world.runner.log.empty());
  }
  CHECK(text_of(world.system.sys + "/block/sda/device/delete") == "1");
}

TEST_CASE("a blank disk is formatted, another one is checked, and neither when read-only") {
  struct Row {
    const char* what;
    CommandResult blkid;
    std::string fs_type;
    bool read_only;
    std::vector<std::string> ran;
    std::string outcome;
  };
  const auto blank = ScriptedRunner::fails(2, "");
  const auto ext4 = ScriptedRunner::says("DEVNAME=/dev/sdx\nTYPE=ext4\n");
  const auto xfs = ScriptedRunner::says("DEVNAME=/dev/sdx\nTYPE=xfs\n");
  const auto dos = ScriptedRunner::says("DEVNAME=/dev/sdx\nPTTYPE=dos\n");
  const auto row = GENERATE_REF(values<Row>({
      {"blank", blank, "ext4", false, {"mkfs.ext4 -F -m0 /dev/sdx"}, "ok"},
      {"blank xfs", blank, "xfs", false, {"mkfs.xfs -f /dev/sdx"}, "ok"},
      {"blank btrfs", blank, "btrfs", false, {"mkfs.btrfs /dev/sdx"}, "ok"},
      {"blank, read-only",
       blank,
       "ext4",
       true,
       {},
       "cannot mount unformatted disk /dev/sdx as it is in read-only mode"},
      {"formatted", ext4, "ext4", false, {"fsck -a /dev/sdx"}, "ok"},
      {"formatted, read-only", ext4, "ext4", true, {}, "ok"},
      {"of another type",
       xfs,
       "ext4",
       false,
       {},
       "failed to mount the volume as \"ext4\", /dev/sdx already contains "
       "something else: DEVNAME=/dev/sdx\nTYPE=xfs\n"},
      {"with partitions",
       dos,
       "ext4",
       false,
       {},
       "failed to mount the volume as \"ext4\", /dev/sdx already contains "
       "something else: DEVNAME=/dev/sdx\nPTTYPE=dos\n"},
      {"unreadable", ScriptedRunner::fails(4, "usage"), "ext4", false, {}, "blkid /dev/sdx: exit code 4: usage"},
  }));
  INFO(row.what);
  Loop loop;
  ScriptedRunner runner;
  runner.answers.push_back({"blkid", row.blkid});
  CHECK(outcome(loop.run(prepare_file_system(runner, "/dev/sdx", row.fs_type, row.read_only))) == row.outcome);
  REQUIRE_FALSE(runner.log.empty());
  CHECK(runner.log[0] == "blkid -p -s TYPE -s PTTYPE -o export /dev/sdx");
  CHECK(std::vector<std::string>(runner.log.begin() + 1, runner.log.end()) == row.ran);
}

TEST_CASE("errors that fsck corrected are fine, those that it left are not") {
  Loop loop;
  ScriptedRunner runner;
  runner.answers.push_back({"blkid", ScriptedRunner::says("TYPE=ext4\n")});
  runner.answers.push_back({"fsck", ScriptedRunner::fails(1, "")});
  CHECK(outcome(loop.run(prepare_file_system(runner, "/dev/sdx", "ext4", false))) == "ok");
  runner.answers.push_back({"fsck", ScriptedRunner::fails(4, "")});
  CHECK_THAT(outcome(loop.run(prepare_file_system(runner, "/dev/sdx", "ext4", false))),
             Catch::StartsWith("'fsck' found errors on device /dev/sdx but could not correct them"));
}

TEST_CASE("pods share the device's one mount, and the last one lets go of it", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  const std::string global =
      world.temp / "plugins/kubernetes.io/iscsi/iface-default/10.0.2.15:3260-iqn.2001-04.com.example:disk-lun-0";
  for (const char* uid : {"one", "two", "one"}) {
    const auto mounted = world.loop.run(world.kind->set_up(world.request(uid)));
    REQUIRE(outcome(mounted) == "ok");
    CHECK(mounted->host_path == world.target(uid));
  }
  CHECK(world.temp.mounts_below("plugins") == 1);
  CHECK(std::count_if(world.runner.log.begin(), world.runner.log.end(),
                      [](const std::string& line) { return line.ends_with("--login"); }) == 1);
  REQUIRE(write_file_atomic(world.target("one") + "/file", "x").has_value());
  CHECK(text_of(world.target("two") + "/file") == "x");

  world.runner.log.clear();
  REQUIRE(outcome(world.loop.run(world.kind->tear_down(world.on_disk("one")))) == "ok");
  CHECK(text_of(world.target("two") + "/file") == "x");
  CHECK(world.runner.log.empty());
  REQUIRE(outcome(world.loop.run(world.kind->tear_down(world.on_disk("two")))) == "ok");
  CHECK(world.temp.mounts_below() == 0);
  CHECK_FALSE(fs::exists(world.temp / "plugins"));
  CHECK(world.runner.log.size() == 2);  // logged out, record deleted
  CHECK(outcome(world.loop.run(world.kind->tear_down(world.on_disk("two")))) == "ok");
}

TEST_CASE("what was attached and then failed is let go of when the pod goes", "[root]") {
  SKIP_UNLESS_ROOT();
  World world;
  world.runner.answers.push_back({"blkid", ScriptedRunner::fails(4, "cannot read")});
  CHECK_THAT(outcome(world.loop.run(world.kind->set_up(world.request("one")))), Catch::Contains("cannot read"));
  world.runner.log.clear();
  CHECK(outcome(world.loop.run(world.kind->tear_down(world.on_disk("one")))) == "ok");
  CHECK(world.runner.log.size() == 2);
  CHECK_FALSE(fs::exists(world.temp / "plugins"));
}

}  // namespace
}  // namespace keelson::volumes
