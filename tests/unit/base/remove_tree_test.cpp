// remove_tree against real mounts: needs root, skipped otherwise.
#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/files.hpp"

namespace keelson {
namespace {
namespace fs = std::filesystem;

struct TempTree {
  TempTree() {
    char name[] = "/tmp/keelson-remove-tree-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempTree() {
    ::umount2((path / "tree/mount").c_str(), MNT_DETACH);
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

TEST_CASE("remove_tree removes files, folders and links, and not what links point to") {
  TempTree temp;
  fs::create_directories(temp.path / "tree/a/b");
  fs::create_directories(temp.path / "other");
  REQUIRE(write_file_atomic(temp.path / "other/kept", "x").has_value());
  REQUIRE(write_file_atomic(temp.path / "tree/a/b/file", "x").has_value());
  fs::create_directory_symlink(temp.path / "other", temp.path / "tree/link");
  REQUIRE(remove_tree(temp.path / "tree").has_value());
  CHECK_FALSE(fs::exists(temp.path / "tree"));
  CHECK(fs::exists(temp.path / "other/kept"));
  CHECK(remove_tree(temp.path / "tree").has_value());
  CHECK(remove_tree(temp.path / "missing/tree").has_value());
}

TEST_CASE("remove_tree stops at a bind mount of the same filesystem", "[root]") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root");
    return;
  }
  TempTree temp;
  fs::create_directories(temp.path / "tree/mount");
  fs::create_directories(temp.path / "data");
  REQUIRE(write_file_atomic(temp.path / "data/precious", "x").has_value());
  REQUIRE(::mount((temp.path / "data").c_str(), (temp.path / "tree/mount").c_str(), nullptr, MS_BIND, nullptr) == 0);
  const auto removed = remove_tree(temp.path / "tree");
  REQUIRE_FALSE(removed.has_value());
  CHECK(removed.error().code == Errc::failed_precondition);
  CHECK(removed.error().message == (temp.path / "tree/mount").string() + " is a mount point, not removed");
  CHECK(fs::exists(temp.path / "data/precious"));
  CHECK_FALSE(remove_tree(temp.path / "tree/mount").has_value());
  CHECK(fs::exists(temp.path / "data/precious"));
}

}  // namespace
}  // namespace keelson
