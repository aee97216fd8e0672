#include <catch2/catch.hpp>

#include "agent/node/machine_facts.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"

using namespace keelson;
using namespace keelson::agent;
namespace fs = std::filesystem;

namespace {

struct Tree {
  fs::path root = fs::temp_directory_path() / ("keelson-machine-" + random_uuid());
  ~Tree() { fs::remove_all(root); }
  void put(const fs::path& path, std::string_view text) const {
    fs::create_directories((root / path).parent_path());
    REQUIRE(write_file_atomic(root / path, text, 0644, Durability::volatile_ok).has_value());
  }
};

}  // namespace

TEST_CASE("a machine's facts from its files") {
  const Tree tree;
  tree.put("etc/machine-id", "0123456789abcdef\n");
  tree.put("proc/sys/kernel/random/boot_id", "b-1\n");
  tree.put("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
  tree.put("usr/lib/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  auto facts = read_machine_facts(tree.root);
  CHECK(facts.machine_id == "0123456789abcdef");
  CHECK(facts.system_uuid == "0123456789abcdef");
  CHECK(facts.boot_id == "b-1");
  CHECK(facts.kernel_version == "6.1.0-18-amd64");
  CHECK(facts.os_image == "Debian GNU/Linux 12 (bookworm)");
  CHECK_FALSE(facts.architecture.empty());
  tree.put("sys/class/dmi/id/product_uuid", "EC2-UUID\n");
  CHECK(read_machine_facts(tree.root).system_uuid == "EC2-UUID");
}

TEST_CASE("a machine without those files") {
  const Tree tree;
  const auto facts = read_machine_facts(tree.root);
  CHECK(facts.machine_id.empty());
  CHECK(facts.os_image == "Linux");
}

TEST_CASE("names of architectures and systems") {
  CHECK(go_architecture("x86_64") == "amd64");
  CHECK(go_architecture("aarch64") == "arm64");
  CHECK(go_architecture("mystery") == "mystery");
  CHECK(pretty_os_name("PRETTY_NAME='A B'") == "A B");
  CHECK(pretty_os_name("ID=x") == "Linux");
}
