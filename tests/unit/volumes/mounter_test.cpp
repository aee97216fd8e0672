// The mount table: its parser, and what is done in which order against an in-memory table.
#include <sys/mount.h>
#include <algorithm>
#include <catch2/catch.hpp>

#include "temp_root.hpp"
#include "volumes/mounter.hpp"

namespace keelson::volumes {
namespace {

// A mount table in memory that logs what is asked of it.
class FakeMounter final : public Mounter {
 public:
  Result<void> mount(const MountRequest& request) override {
    add(request.target);
    return {};
  }
  Result<void> bind(const std::string& source, const std::string& target, const std::vector<std::string>&) override {
    log.push_back("bind " + source + " " + target);
    add(target);
    return {};
  }
  Result<void> unmount(const std::string& target) override {
    log.push_back("unmount " + target);
    if (target == busy) return make_error(Errc::failed_precondition, "busy");
    for (auto it = table.rbegin(); it != table.rend(); ++it) {
      if (it->mount_point != target) continue;
      table.erase(std::next(it).base());
      break;
    }
    return {};
  }
  Result<void> make_private(const std::string& target) override {
    log.push_back("private " + target);
    for (auto& entry : table) {
      if (entry.mount_point == target) entry.peer_group = 0;
    }
    return {};
  }
  Result<void> make_shared_recursive(const std::string& target) override {
    log.push_back("shared " + target);
    return {};
  }
  Result<std::vector<MountEntry>> mounts(const std::string&) override { return table; }
  void add(const std::string& target, int peer_group = 0) {
    MountEntry entry;
    entry.mount_point = target;
    entry.peer_group = peer_group;
    table.push_back(entry);
  }
  std::vector<MountEntry> table;
  std::vector<std::string> log;
  std::string busy;
};

TEST_CASE("parse_mountinfo") {
  const auto entries = parse_mountinfo(
      "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
      "40 27 0:31 /sub\\040dir /mnt/a\\040b ro,nosuid master:3 - tmpfs tm\\134pfs rw,size=64k\n");
  REQUIRE(entries.has_value());
  REQUIRE(entries->size() == 2);
  const MountEntry& root = entries->at(0);
  CHECK(root.id == 27);
  CHECK(root.peer_group == 1);
  CHECK(root.options == std::vector<std::string>{"rw", "relatime", "rw", "discard"});
  const MountEntry& other = entries->at(1);
  CHECK(other.root == "/sub dir");
  CHECK(other.mount_point == "/mnt/a b");
  CHECK(other.source == "tm\\pfs");
  CHECK(other.fs_type == "tmpfs");
  CHECK_FALSE(other.shared());
  const char* many = "1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /r/p/v rw - tmpfs b rw\n3 1 0:9 / /r/p\\040v rw - tmpfs c rw\n";
  const auto below = parse_mountinfo(many, "/r/p");
  REQUIRE(below.has_value());
  CHECK(below->size() == 2);  // one cannot be told without reading it: more is allowed, less is not
  CHECK(below->at(0).mount_point == "/r/p/v");
  CHECK(outcome(parse_mountinfo("nonsense\n")) == "mountinfo: line not understood: nonsense");
}

TEST_CASE("parse_mount_options") {
  const auto options = parse_mount_options({"ro", "nosuid", "size=64", "rw", "", "defaults", "noswap"});
  CHECK(options.flags == MS_NOSUID);
  CHECK(options.data == "size=64,noswap");
}

TEST_CASE("unmount_all_below: last mounted first, private first, nothing beside") {
  FakeMounter mounter;
  mounter.add("/", 1);
  mounter.add("/r/pods/u/v", 2);
  mounter.add("/r/pods/u/v/sub", 3);
  mounter.add("/r/pods/u2/v", 4);
  REQUIRE(unmount_all_below(mounter, "/r/pods/u").has_value());
  CHECK(mounter.log == std::vector<std::string>{"private /r/pods/u/v", "private /r/pods/u/v/sub",
                                                "unmount /r/pods/u/v/sub", "unmount /r/pods/u/v"});
  CHECK(mounter.table.size() == 2);
  mounter.log.clear();
  REQUIRE(unmount_all_below(mounter, "/r/pods/u").has_value());
  CHECK(mounter.log.empty());
}

TEST_CASE("unmount_all_below takes stacks apart and stops at what is busy") {
  FakeMounter mounter;
  mounter.add("/r/v");
  mounter.add("/r/v");
  mounter.add("/r/v");
  REQUIRE(unmount_all_below(mounter, "/r/v").has_value());
  CHECK(mounter.table.empty());
  mounter.add("/r/v");
  mounter.busy = "/r/v";
  CHECK(outcome(unmount_all_below(mounter, "/r/v")) == "busy");
}

TEST_CASE("ensure_shared") {
  FakeMounter mounter;
  mounter.add("/", 1);
  SECTION("on a shared mount already") {
    REQUIRE(ensure_shared(mounter, "/var/lib/k").has_value());
    CHECK(mounter.log.empty());
  }
  SECTION("on a private one: bound on itself") {
    mounter.add("/var");
    REQUIRE(ensure_shared(mounter, "/var/lib/k").has_value());
    CHECK(mounter.log == std::vector<std::string>{"bind /var/lib/k /var/lib/k", "shared /var/lib/k"});
  }
  SECTION("a private mount of its own") {
    mounter.add("/var/lib/k");
    REQUIRE(ensure_shared(mounter, "/var/lib/k").has_value());
    CHECK(mounter.log == std::vector<std::string>{"shared /var/lib/k"});
  }
}

TEST_CASE("the machine's mounter: tmpfs, read-only bind, unmount twice", "[root]") {
  SKIP_UNLESS_ROOT();
  TempRoot temp;
  Mounter& mounter = linux_mounter();
  REQUIRE(make_dirs(temp / "a").has_value());
  REQUIRE(make_dirs(temp / "b").has_value());
  REQUIRE(mounter.mount({"tmpfs", temp / "a", "tmpfs", {"size=65536", "nosuid"}}).has_value());
  REQUIRE(mounter.bind(temp / "a", temp / "b", {"ro"}).has_value());
  CHECK(write_file_atomic(temp / "a/f", "x").has_value());
  CHECK(text_of(temp / "b/f") == "x");
  CHECK_FALSE(write_file_atomic(temp / "b/g", "x").has_value());
  CHECK(*is_mount_point(mounter, temp / "b"));
  CHECK(mounter.unmount(temp / "b").has_value());
  CHECK(mounter.unmount(temp / "b").has_value());
  CHECK_FALSE(*is_mount_point(mounter, temp / "b"));
  CHECK(mounter.unmount(temp / "missing").has_value());
}

}  // namespace
}  // namespace keelson::volumes
