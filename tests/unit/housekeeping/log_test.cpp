#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "agent/housekeeping/log_files.hpp"
#include "agent/housekeeping/log_plan.hpp"
#include "base/files.hpp"

using namespace keelson;
using namespace keelson::agent;
using Names = std::vector<std::string>;

namespace {

// 2026-11-21 16:55:22 UTC.
const SystemTime kNow{Seconds(1795280122)};

RotationPlan plan(const Names& names, std::int64_t max_files = 5, SystemTime now = kNow) {
  return plan_rotation("0.log", names, max_files, now, Seconds(10));
}

struct TempFolder {
  TempFolder() {
    std::string text = "/tmp/keelson-logs-XXXXXX";
    path = ::mkdtemp(text.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) const {
    REQUIRE(write_file_atomic(path / name, text, 0640, Durability::volatile_ok).has_value());
  }
  [[nodiscard]] Names names() const { return *list_dir(path); }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("a rotated log is named by the time", "[logs]") {
  CHECK(plan({"0.log"}) == RotationPlan{{}, "0.log.20261121-165522", {}});
  CHECK(plan({"0.log", "1.log.20270101-000000"}).rotated == "0.log.20261121-165522");
}

TEST_CASE("rotations within one second get numbers", "[logs]") {
  CHECK(plan({"0.log", "0.log.20261121-165522"}).rotated == "0.log.20261121-165522-01");
  CHECK(plan({"0.log", "0.log.20261121-165522", "0.log.20261121-165522-01"}).rotated == "0.log.20261121-165522-02");
  CHECK(plan({"0.log", "0.log.20261121-165522-09"}).rotated == "0.log.20261121-165522-10");
  CHECK(plan({"0.log", "0.log.20261121-165522-01.gz"}).rotated == "0.log.20261121-165522-02");
}

TEST_CASE("a clock set back does not change the order of files", "[logs]") {
  CHECK(plan({"0.log", "0.log.20301121-165522"}).rotated == "0.log.20301121-165522-01");
}

TEST_CASE("the oldest files beyond the limit go", "[logs]") {
  const Names names = {"0.log", "0.log.20261121-165500.gz", "0.log.20261121-165501.gz", "0.log.20261121-165502.gz",
                       "0.log.20261121-165521"};
  CHECK(plan(names).remove == Names{"0.log.20261121-165500.gz"});
  CHECK(plan(names, 4).remove == Names{"0.log.20261121-165500.gz", "0.log.20261121-165501.gz"});
  CHECK(plan(names, 2).remove.size() == 4);
  CHECK(plan(names, 10).remove.empty());
}

TEST_CASE("left-overs of a compression that was cut go", "[logs]") {
  CHECK(plan({"0.log", "0.log.20261121-165500.tmp"}).remove == Names{"0.log.20261121-165500.tmp"});
  CHECK(plan({"0.log", "0.log.20261121-165500", "0.log.20261121-165500.gz"}).remove == Names{"0.log.20261121-165500"});
}

TEST_CASE("only files that have settled are compressed", "[logs]") {
  const Names names = {"0.log", "0.log.20261121-165400.gz", "0.log.20261121-165500", "0.log.20261121-165520"};
  CHECK(plan(names).compress == Names{"0.log.20261121-165500"});
  // What is removed is not compressed before.
  CHECK(plan(names, 3).compress.empty());
  CHECK(plan({"0.log", "0.log.20261121-165512-03"}).compress == Names{"0.log.20261121-165512-03"});
}

TEST_CASE("the next look at a log follows its growth", "[logs]") {
  const LogPolicy policy{.max_size = 10'000'000, .max_files = 5, .monitor = Seconds(1)};
  CHECK(next_look(0, 0, Seconds(1), policy) == Seconds(1));
  CHECK(next_look(0, 1000, Seconds(1), policy) == Seconds(1));
  // 50 MB/s: full in 100 ms.
  CHECK(next_look(5'000'000, 5'000'000, Milliseconds(100), policy) == Milliseconds(75));
  CHECK(next_look(9'999'999, 5'000'000, Milliseconds(100), policy) == Milliseconds(20));
  CHECK(next_look(20'000'000, 1, Seconds(1), policy) == Milliseconds(20));
}

TEST_CASE("rotation renames, removes and tells what to compress", "[logs]") {
  const TempFolder folder;
  folder.write("0.log", "now");
  folder.write("0.log.20261121-165400", "old");
  folder.write("0.log.20261121-165300", "older");
  folder.write("1.log", "another's");
  const auto done = rotate_files(folder.path / "0.log", 3, kNow, Seconds(10));
  REQUIRE(done.has_value());
  CHECK(done->rotated.filename() == "0.log.20261121-165522");
  CHECK(done->compress == std::vector<std::filesystem::path>{folder.path / "0.log.20261121-165400"});
  CHECK(folder.names() == Names{"0.log.20261121-165400", "0.log.20261121-165522", "1.log"});
  const auto again = rotate_files(folder.path / "0.log", 3, kNow, Seconds(10));
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == Errc::not_found);
}

TEST_CASE("a rotation is undone only where there is no new log", "[logs]") {
  const TempFolder folder;
  folder.write("0.log.20261121-165400", "old");
  REQUIRE(undo_rotation(folder.path / "0.log", folder.path / "0.log.20261121-165400").has_value());
  CHECK(*read_file(folder.path / "0.log") == "old");
  folder.write("0.log.20261121-165401", "other");
  REQUIRE(undo_rotation(folder.path / "0.log", folder.path / "0.log.20261121-165401").has_value());
  CHECK(folder.names() == Names{"0.log", "0.log.20261121-165401"});
  CHECK(*read_file(folder.path / "0.log") == "old");
}

TEST_CASE("a compressed log unpacks to what it was", "[logs]") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "line " + std::to_string(i) + "\n";
  folder.write("0.log.1", text);
  const std::atomic<bool> go_on{false};
  REQUIRE(compress_file(folder.path / "0.log.1", go_on).has_value());
  CHECK(folder.names() == Names{"0.log.1.gz"});
  CHECK(std::filesystem::file_size(folder.path / "0.log.1.gz") < text.size() / 3);
  REQUIRE(std::system(("gzip -d " + (folder.path / "0.log.1.gz").string()).c_str()) == 0);
  CHECK(*read_file(folder.path / "0.log.1") == text);
}

TEST_CASE("a compression that is stopped leaves the log", "[logs]") {
  const TempFolder folder;
  folder.write("0.log.1", "text");
  const std::atomic<bool> stop{true};
  CHECK_FALSE(compress_file(folder.path / "0.log.1", stop).has_value());
  CHECK(folder.names() == Names{"0.log.1"});
  CHECK(compress_file(folder.path / "gone", stop).has_value());
}

TEST_CASE("a log goes with all that was rotated of it", "[logs]") {
  const TempFolder folder;
  for (const char* name : {"1.log", "1.log.20261121-165400", "1.log.20261121-165300.gz", "10.log"})
    folder.write(name, "");
  REQUIRE(remove_log(folder.path / "1.log").has_value());
  CHECK(folder.names() == Names{"10.log"});
  CHECK(remove_log(folder.path / "nowhere" / "1.log").has_value());
}

TEST_CASE("only links to logs that are gone are dangling", "[logs]") {
  const TempFolder folder;
  const auto logs = folder.path / "pods", links = folder.path / "containers";
  std::filesystem::create_directories(logs);
  std::filesystem::create_directories(links);
  REQUIRE(write_file_atomic(logs / "0.log", "", 0640, Durability::volatile_ok).has_value());
  std::filesystem::create_symlink(logs / "0.log", links / "good");
  std::filesystem::create_symlink(logs / "1.log", links / "dangling");
  std::filesystem::create_symlink(folder.path / "elsewhere", links / "of-others");
  REQUIRE(write_file_atomic(links / "file", "", 0640, Durability::volatile_ok).has_value());
  const auto removed = remove_dangling_links(links, logs);
  REQUIRE(removed.has_value());
  CHECK(*removed == 1);
  CHECK(*list_dir(links) == Names{"file", "good", "of-others"});
  CHECK(*remove_dangling_links(folder.path / "nowhere", logs) == 0);
}
