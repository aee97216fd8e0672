// The published ways out of a volume, each tried for real: CVE-2017-1002101 (a link in a volume that is mounted by
// subPath), CVE-2021-25741 (a folder swapped for a link between check and mount), CVE-2017-1002102 (removal through
// what a container left in its volume).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "temp_root.hpp"
#include "volumes/atomic_writer.hpp"
#include "volumes/empty_dir.hpp"
#include "volumes/sub_path.hpp"

namespace keelson::volumes {
namespace {
namespace fs = std::filesystem;

const SystemTime kNow{Seconds(1'795'257'000)};

struct Identity {
  dev_t device;
  ino_t inode;
  bool operator==(const Identity&) const = default;
};

Identity identity(const std::string& path) {
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return {st.st_dev, st.st_ino};
}

// A volume beside a folder of the host that no container may reach.
struct Volume {
  Volume() {
    REQUIRE(make_dirs(temp / "v/real/deep").has_value());
    REQUIRE(make_dirs(temp / "host").has_value());
    REQUIRE(write_file_atomic(temp / "host/secret", "of the host").has_value());
    REQUIRE(write_file_atomic(temp / "v/file", "of the volume").has_value());
  }
  Result<void> bind(const std::string& sub_path) {
    return bind_sub_path(linux_mounter(), temp / "v", sub_path, temp / "subs/v/web/0");
  }
  [[nodiscard]] std::vector<std::string> host() const { return *list_dir(temp / "host"); }
  TempRoot temp;
};

TEST_CASE("CVE-2017-1002101: a link in a volume never leads a subPath out of it", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume volume;
  const std::string v = volume.temp / "v/";
  fs::create_symlink("/", v + "root");
  fs::create_symlink("../host", v + "relative");
  fs::create_symlink(volume.temp / "host", v + "absolute");
  fs::create_symlink("relative", v + "chained");
  fs::create_symlink("real/../../host", v + "roundabout");
  fs::create_symlink("/proc/self/root", v + "magic");
  fs::create_symlink("/proc/self/cwd", v + "cwd");
  fs::create_symlink("loop-b", v + "loop-a");
  fs::create_symlink("loop-a", v + "loop-b");
  fs::create_symlink("../host/secret", v + "real/secret");
  for (const char* sub_path : {"root", "root/etc", "relative", "absolute", "chained", "roundabout", "magic",
                               "magic/etc", "cwd", "loop-a", "real/secret", "relative/new", "absolute/new/deeper",
                               "chained/secret", "..", "../host", "real/../../host", "/etc", "./../host"}) {
    INFO(sub_path);
    CHECK_FALSE(volume.bind(sub_path).has_value());
    CHECK(volume.temp.mounts_below() == 0);
  }
  CHECK(volume.host() == std::vector<std::string>{"secret"});

  fs::create_symlink("real/deep", v + "inside");
  fs::create_symlink(v + "real/deep", v + "absolute-inside");
  fs::create_symlink("../v/real/deep", v + "out-and-in");
  for (const char* sub_path : {"inside", "absolute-inside", "out-and-in", "./real//deep/"}) {
    INFO(sub_path);
    REQUIRE(outcome(volume.bind(sub_path)) == "ok");
    CHECK(identity(volume.temp / "subs/v/web/0") == identity(v + "real/deep"));
  }
}

// Swaps two names in one step, over and over, until destroyed.
class Swapper {
 public:
  Swapper(std::string a, std::string b)
      : thread_([this, a = std::move(a), b = std::move(b)] {
          while (!stop_) {
            ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
            ++swaps_;
          }
        }) {}
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] int swaps() const { return swaps_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> swaps_{0};
  std::thread thread_;
};

TEST_CASE("CVE-2021-25741: swapping a folder for a link while it is mounted gains nothing", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume volume;
  const std::string v = volume.temp / "v/";
  const bool missing = GENERATE(false, true);  // whether the subPath's last part is still to be made
  const bool absolute = GENERATE(false, true);
  CAPTURE(missing, absolute);
  fs::create_symlink(absolute ? volume.temp / "host" : "../host", v + "evil");
  REQUIRE(make_dirs(v + "real/sub").has_value());
  REQUIRE(make_dirs(volume.temp / "host/sub").has_value());
  const Identity inside = identity(v + "real/sub");
  int bound = 0;
  {
    Swapper swapper(v + "real", v + "evil");
    constexpr int kTries = 250;
    for (int i = 0; i < kTries; ++i) {
      const std::string sub_path = missing ? "real/new" + std::to_string(i) : "real/sub";
      const auto done = volume.bind(sub_path);
      if (!done) {
        INFO(done.error().message);
        CHECK(done.error().code != Errc::internal);
        continue;
      }
      ++bound;
      const std::string target = volume.temp / "subs/v/web/0";
      if (!missing) CHECK(identity(target) == inside);
      CHECK_FALSE(fs::exists(target + "/secret"));
    }
    CHECK(swapper.swaps() > 0);
  }
  CHECK(volume.host() == std::vector<std::string>{"secret", "sub"});  // no folder was made out there
  CAPTURE(bound);
  CHECK(outcome(remove_sub_paths(linux_mounter(), volume.temp / "subs")) == "ok");
  CHECK(volume.temp.mounts_below() == 0);
}

// What a container may have left in a volume that it could write to.
void plant(const std::string& volume, const TempRoot& temp) {
  fs::create_symlink(temp / "host", volume + "/link");
  fs::create_symlink("../../../../host", volume + "/relative");
  REQUIRE(make_dirs(volume + "/deep/mnt").has_value());
  fs::create_symlink(temp / "host/secret", volume + "/deep/file");
  fs::create_hard_link(temp / "host/secret", volume + "/hard");
}

TEST_CASE("CVE-2017-1002102: removing an emptyDir follows no link and crosses no mount", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume outside;
  const TempRoot& temp = outside.temp;
  EmptyFolder folder;
  folder.path = temp / "pods/uid/volumes/kubernetes.io~empty-dir/e";
  folder.marker = temp / "pods/uid/plugins/kubernetes.io~empty-dir/e/ready";
  const std::string meta = temp / "pods/uid/plugins/kubernetes.io~empty-dir/e";
  const bool memory = GENERATE(false, true);
  if (memory) folder.fs_type = "tmpfs";
  REQUIRE(outcome(set_up_empty_folder(linux_mounter(), folder)) == "ok");
  if (!memory) plant(folder.path, temp);
  REQUIRE(make_dirs(folder.path + "/bound").has_value());
  REQUIRE(linux_mounter().bind(temp / "host", folder.path + "/bound", {}).has_value());
  CHECK(outcome(tear_down_empty_folder(linux_mounter(), folder.path, meta)) == "ok");
  CHECK_FALSE(fs::exists(folder.path));
  CHECK(temp.mounts_below() == 0);
  CHECK(text_of(temp / "host/secret") == "of the host");
}

TEST_CASE("a mount that cannot be undone stops the removal of an emptyDir, and nothing below it goes", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume outside;
  const TempRoot& temp = outside.temp;
  EmptyFolder folder;
  folder.path = temp / "e";
  folder.marker = temp / "meta/ready";
  REQUIRE(outcome(set_up_empty_folder(linux_mounter(), folder)) == "ok");
  REQUIRE(make_dirs(folder.path + "/bound").has_value());
  REQUIRE(linux_mounter().bind(temp / "host", folder.path + "/bound", {}).has_value());
  {
    UniqueFd busy(::open((folder.path + "/bound/secret").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(busy);
    CHECK(outcome(tear_down_empty_folder(linux_mounter(), folder.path, temp / "meta")).find("still in use") !=
          std::string::npos);
    CHECK(text_of(temp / "host/secret") == "of the host");
    CHECK(fs::exists(temp / "meta/ready"));
  }
  CHECK(outcome(tear_down_empty_folder(linux_mounter(), folder.path, temp / "meta")) == "ok");
  CHECK(text_of(temp / "host/secret") == "of the host");
}

TEST_CASE("CVE-2017-1002102: the writer of configMap and secret volumes stays in them", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume outside;
  const TempRoot& temp = outside.temp;
  const std::string volume = temp / "pods/uid/volumes/kubernetes.io~configmap/c";
  REQUIRE(make_dirs(volume).has_value());
  const Payload payload{{"a", {"1", 0644, {}}}, {"d/b", {"2", 0644, {}}}};
  REQUIRE(write_payload(volume, payload, {}, kNow).has_value());
  plant(volume, temp);
  SECTION("..data points out of the volume") {
    fs::remove(volume + "/..data");
    fs::create_symlink(temp / "host", volume + "/..data");
  }
  SECTION("..data points out by its name") {
    fs::remove(volume + "/..data");
    fs::create_symlink("../../../../../host", volume + "/..data");
  }
  SECTION("the names of the writer's own files are taken") {
    fs::create_symlink(temp / "host", volume + "/..data_tmp");
    fs::create_symlink(temp / "host", volume + "/..2020_01_01_00_00_00.x");
    fs::remove(volume + "/d");
    fs::create_symlink(temp / "host", volume + "/d");
  }
  SECTION("only links beside the content") {}
  const Payload changed{{"a", {"3", 0644, {}}}};
  REQUIRE(outcome(write_payload(volume, changed, {}, kNow)) == "ok");
  CHECK(text_of(volume + "/a") == "3");
  CHECK(list_dir(volume)->size() == 3);  // the folder, ..data and the link: all that was planted is gone
  CHECK(outside.host() == std::vector<std::string>{"secret"});
  CHECK(text_of(temp / "host/secret") == "of the host");
  CHECK(outcome(tear_down_empty_folder(linux_mounter(), volume, temp / "meta")) == "ok");
  CHECK(text_of(temp / "host/secret") == "of the host");
}

TEST_CASE("missing subPath folders have the volume's mode and group", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume volume;
  const std::string v = volume.temp / "v";
  REQUIRE(::chown(v.c_str(), 0, 4321) == 0);
  REQUIRE(::chmod(v.c_str(), 02770) == 0);  // what fsGroup makes of a volume
  REQUIRE(outcome(volume.bind("logs/web")) == "ok");
  for (const char* made : {"/logs", "/logs/web"}) {
    struct stat st {};
    REQUIRE(::stat((v + made).c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 02770);
    CHECK(st.st_gid == 4321);
  }
}

TEST_CASE("a subPath of a read-only volume: what is there is bound, what is missing is not made", "[root]") {
  SKIP_UNLESS_ROOT();
  Volume volume;
  const std::string v = volume.temp / "v";
  REQUIRE(linux_mounter().bind(v, v, {"ro"}).has_value());
  REQUIRE(outcome(volume.bind("file")) == "ok");
  CHECK(text_of(volume.temp / "subs/v/web/0") == "of the volume");
  CHECK(volume.bind("missing").error().message.find("Read-only file system") != std::string::npos);
}

}  // namespace
}  // namespace keelson::volumes
