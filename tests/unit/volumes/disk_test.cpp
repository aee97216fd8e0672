// The atomic writer, subPath resolution, fsGroup, hostPath and usage on a real (temporary) folder.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <catch2/catch.hpp>
#include <fstream>

#include "temp_root.hpp"
#include "volumes/atomic_writer.hpp"
#include "volumes/host_path.hpp"
#include "volumes/ownership.hpp"
#include "volumes/sub_path.hpp"
#include "volumes/usage.hpp"

namespace keelson::volumes {
namespace {
namespace fs = std::filesystem;

const SystemTime kNow{Seconds(1'795'257'000)};  // 2026-11-21T10:30:00Z

std::vector<std::string> names_in(const std::string& dir) { return *list_dir(dir); }

TEST_CASE("write_payload shows files through ..data, and writes only what changed") {
  TempRoot volume;
  Payload payload{{"a", {"1", 0600, {}}}, {"dir/b", {"2", 0644, {}}}};
  CHECK(*write_payload(volume.path, payload, {}, kNow));
  CHECK(text_of(volume / "a") == "1");
  CHECK(text_of(volume / "dir/b") == "2");
  CHECK(fs::read_symlink(volume / "a") == "..data/a");
  CHECK(fs::read_symlink(volume / "dir") == "..data/dir");
  CHECK(mode_of(volume / "a") == 0600);
  const std::string first = fs::read_symlink(volume / "..data").string();
  CHECK(first.starts_with("..2026_11_21_10_30_00."));
  CHECK(mode_of(volume / first) == 0755);

  CHECK_FALSE(*write_payload(volume.path, payload, {}, kNow));
  CHECK(fs::read_symlink(volume / "..data") == first);

  std::ifstream reader(volume / "a");  // a container that has the old file open
  payload["a"].data = "changed";
  payload.erase("dir/b");
  CHECK(*write_payload(volume.path, payload, {}, kNow));
  CHECK(text_of(volume / "a") == "changed");
  std::string old;
  reader >> old;
  CHECK(old == "1");
  const std::string second = fs::read_symlink(volume / "..data").string();
  CHECK(names_in(volume.path) == std::vector<std::string>{second, "..data", "a"});
  CHECK(*read_payload(volume.path) == DiskContent{{"a", "changed"}});
}

TEST_CASE("an empty payload is a volume without files, and stays so") {
  TempRoot volume;
  CHECK(*write_payload(volume.path, {}, {}, kNow));
  CHECK_FALSE(*write_payload(volume.path, {}, {}, kNow));
  CHECK(names_in(volume.path).size() == 2);
}

TEST_CASE("write_payload repairs what a kill -9 left, at every step") {
  TempRoot volume;
  const Payload payload{{"a", {"1", 0644, {}}}, {"b", {"2", 0644, {}}}};
  REQUIRE(*write_payload(volume.path, payload, {}, kNow));
  const std::string shown = fs::read_symlink(volume / "..data").string();
  const std::string half = volume / "..2020_01_01_00_00_00.half";
  bool rewritten = false;
  SECTION("half a new folder") {
    REQUIRE(make_dirs(half).has_value());
    REQUIRE(write_file_atomic(half + "/a", "partial").has_value());
  }
  SECTION("before the switch") {
    REQUIRE(make_dirs(half).has_value());
    fs::create_symlink("..2020_01_01_00_00_00.half", volume / "..data_tmp");
  }
  SECTION("before the links were made") { fs::remove(volume / "b"); }
  SECTION("before stale links were removed") { fs::create_symlink("..data/c", volume / "c"); }
  SECTION("the shown folder is gone") {
    fs::remove_all(volume / shown);
    rewritten = true;
  }
  CHECK(*write_payload(volume.path, payload, {}, kNow) == rewritten);
  const std::string now_shown = fs::read_symlink(volume / "..data").string();
  CHECK(names_in(volume.path) == std::vector<std::string>{now_shown, "..data", "a", "b"});
  CHECK(text_of(volume / "a") == "1");
  CHECK(text_of(volume / "b") == "2");
}

TEST_CASE("write_payload leaves the old content and no left-over when it cannot write", "[root]") {
  SKIP_UNLESS_ROOT();
  TempRoot temp;
  const std::string volume = temp / "v";
  REQUIRE(make_dirs(volume).has_value());
  REQUIRE(linux_mounter().mount({"tmpfs", volume, "tmpfs", {"size=65536"}}).has_value());
  REQUIRE(write_payload(volume, {{"a", {"old", 0644, {}}}}, {}, kNow).has_value());
  const Payload big{{"a", {std::string(1 << 20, 'x'), 0644, {}}}};
  CHECK_FALSE(write_payload(volume, big, {}, kNow).has_value());
  CHECK(text_of(volume + "/a") == "old");
  CHECK(names_in(volume).size() == 3);
}

TEST_CASE("fsGroup on a payload: group may read, folders are setgid", "[root]") {
  SKIP_UNLESS_ROOT();
  TempRoot volume;
  REQUIRE(write_payload(volume.path, {{"d/a", {"1", 0400, {}}}}, FsGroup{4321, true, false}, kNow).has_value());
  struct stat st {};
  REQUIRE(::stat((volume / "d/a").c_str(), &st) == 0);
  CHECK(st.st_gid == 4321);
  CHECK((st.st_mode & 07777) == 0440);
  REQUIRE(::stat((volume / "d").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 02755);
}

TEST_CASE("apply_fs_group keeps owners, does not follow links, skips on a matching root", "[root]") {
  SKIP_UNLESS_ROOT();
  TempRoot temp;
  REQUIRE(make_dirs(temp / "v/d", 0700).has_value());
  REQUIRE(make_dirs(temp / "v/mnt").has_value());
  REQUIRE(make_dirs(temp / "outside").has_value());
  REQUIRE(write_file_atomic(temp / "v/d/f", "x", 0600).has_value());
  REQUIRE(write_file_atomic(temp / "outside/f", "x", 0600).has_value());
  REQUIRE(::chown((temp / "v/d/f").c_str(), 77, 0) == 0);
  fs::create_symlink(temp / "outside/f", temp / "v/link");
  REQUIRE(linux_mounter().bind(temp / "outside", temp / "v/mnt", {}).has_value());
  REQUIRE(apply_fs_group(temp / "v", {555, false, false}).has_value());
  struct stat st {};
  REQUIRE(::stat((temp / "v/d/f").c_str(), &st) == 0);
  CHECK(st.st_uid == 77);
  CHECK(st.st_gid == 555);
  CHECK((st.st_mode & 07777) == 0660);
  REQUIRE(::lstat((temp / "v/link").c_str(), &st) == 0);
  CHECK(st.st_gid == 555);
  REQUIRE(::stat((temp / "outside/f").c_str(), &st) == 0);
  CHECK(st.st_gid == 0);
  CHECK((st.st_mode & 07777) == 0600);
  CHECK(mode_of(temp / "v") == 02770);

  REQUIRE(write_file_atomic(temp / "v/d/new", "x", 0600).has_value());
  REQUIRE(::chown((temp / "v/d/new").c_str(), 0, 0) == 0);
  REQUIRE(apply_fs_group(temp / "v", {555, false, true}).has_value());
  REQUIRE(::stat((temp / "v/d/new").c_str(), &st) == 0);
  CHECK(st.st_gid == 0);
  REQUIRE(apply_fs_group(temp / "v", {556, false, true}).has_value());
  REQUIRE(::stat((temp / "v/d/new").c_str(), &st) == 0);
  CHECK(st.st_gid == 556);
}

TEST_CASE("prepare_host_path makes what it may and checks the rest") {
  TempRoot temp;
  CHECK(outcome(prepare_host_path(temp / "any", "")) == "ok");
  CHECK_FALSE(fs::exists(temp / "any"));
  CHECK(outcome(prepare_host_path(temp / "x/y", "DirectoryOrCreate")) == "ok");
  CHECK(mode_of(temp / "x/y") == 0755);
  CHECK(outcome(prepare_host_path(temp / "x/f", "FileOrCreate")) == "ok");
  CHECK(mode_of(temp / "x/f") == 0644);
  CHECK(prepare_host_path(temp / "no/parent", "FileOrCreate").error().code == Errc::not_found);
  CHECK(outcome(prepare_host_path(temp / "x/f", "File")) == "ok");
  CHECK(outcome(prepare_host_path(temp / "x/f", "Directory")) ==
        "hostPath type check failed: " + temp / "x/f" + " is not a directory");
  CHECK(outcome(prepare_host_path("/dev/null", "CharDevice")) == "ok");
  CHECK(outcome(prepare_host_path("/dev/null", "BlockDevice")) ==
        "hostPath type check failed: /dev/null is not a block device");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = temp / "s";
  socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(outcome(prepare_host_path(socket_path, "Socket")) == "ok");
}

TEST_CASE("open_sub_path stays inside the volume") {
  TempRoot temp;
  REQUIRE(make_dirs(temp / "v/real/deep").has_value());
  REQUIRE(make_dirs(temp / "secret").has_value());
  fs::create_symlink("real", temp / "v/inside");
  fs::create_symlink(temp / "v/real", temp / "v/absolute-inside");
  fs::create_symlink("../secret", temp / "v/outside");
  fs::create_symlink(temp / "secret", temp / "v/absolute-outside");
  const std::string volume = temp / "v";
  CHECK(open_sub_path(volume, "real/deep").has_value());
  CHECK(open_sub_path(volume, "inside/deep").has_value());
  CHECK(open_sub_path(volume, "absolute-inside/deep").has_value());
  for (const char* bad : {"outside", "absolute-outside", "outside/new", "absolute-outside/new", "../secret", "/etc"}) {
    INFO(bad);
    CHECK_FALSE(open_sub_path(volume, bad).has_value());
  }
  CHECK_FALSE(fs::exists(temp / "secret/new"));
}

TEST_CASE("open_sub_path makes missing folders with the volume's mode") {
  TempRoot temp;
  REQUIRE(make_dirs(temp / "v", 0777).has_value());
  fs::create_symlink("later", temp / "v/dangling");
  CHECK(open_sub_path(temp / "v", "a/b").has_value());
  CHECK(mode_of(temp / "v/a") == 0777);
  CHECK(mode_of(temp / "v/a/b") == 0777);
  CHECK_FALSE(open_sub_path(temp / "v", "dangling/x").has_value());
  REQUIRE(write_file_atomic(temp / "v/file", "x").has_value());
  CHECK_FALSE(open_sub_path(temp / "v", "file/x").has_value());
}

TEST_CASE("bind_sub_path: file and folder, kept when the same, replaced when not, removed", "[root]") {
  SKIP_UNLESS_ROOT();
  TempRoot temp;
  REQUIRE(make_dirs(temp / "v/d").has_value());
  REQUIRE(write_file_atomic(temp / "v/f", "one").has_value());
  Mounter& mounter = linux_mounter();
  const std::string file = temp / "subs/vol/web/0";
  const std::string folder = temp / "subs/vol/web/1";
  REQUIRE(bind_sub_path(mounter, temp / "v", "f", file).has_value());
  REQUIRE(bind_sub_path(mounter, temp / "v", "f", file).has_value());
  REQUIRE(bind_sub_path(mounter, temp / "v", "d", folder).has_value());
  CHECK(temp.mounts_below("subs") == 2);
  CHECK(text_of(file) == "one");
  REQUIRE(write_file_atomic(temp / "v/f", "two").has_value());  // another file of that name
  REQUIRE(bind_sub_path(mounter, temp / "v", "f", file).has_value());
  CHECK(text_of(file) == "two");
  CHECK(temp.mounts_below("subs") == 2);
  REQUIRE(remove_sub_paths(mounter, temp / "subs").has_value());
  REQUIRE(remove_sub_paths(mounter, temp / "subs").has_value());
  CHECK(temp.mounts_below("subs") == 0);
  CHECK_FALSE(fs::exists(temp / "subs"));
  CHECK(text_of(temp / "v/f") == "two");
}

TEST_CASE("measure_tree counts blocks and inodes, a hard link once") {
  TempRoot temp;
  REQUIRE(make_dirs(temp / "v/d").has_value());
  const VolumeUsage before = *measure_tree(temp / "v");
  CHECK(before.inodes == 2);
  REQUIRE(write_file_atomic(temp / "v/d/f", std::string(100'000, 'x')).has_value());
  fs::create_hard_link(temp / "v/d/f", temp / "v/link");
  const VolumeUsage after = *measure_tree(temp / "v");
  CHECK(after.inodes == 3);
  CHECK(after.bytes - before.bytes >= 100'000);
  CHECK(after.bytes - before.bytes < 150'000);
  CHECK_FALSE(measure_tree(temp / "missing").has_value());
}

}  // namespace
}  // namespace keelson::volumes
