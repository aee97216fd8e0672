#include "agent/spec/user_namespaces.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/unit/spec/temp_tree.hpp"

namespace keelson::spec {
namespace {

constexpr std::uint32_t kBlock = 65536;

TEST_CASE("each pod gets a block of ids of its own and keeps it") {
  test::TempTree pods;
  for (const char* uid : {"a", "b", "c", "none"}) pods.make(uid);
  UserNamespaces users(pods.path());
  CHECK(users.ensure("a").value() == kBlock);
  CHECK(users.ensure("b").value() == 2 * kBlock);
  CHECK(users.ensure("a").value() == kBlock);
  CHECK(pods.read("a/userns") == R"({"gidMappings":[{"containerId":0,"hostId":65536,"length":65536}],)"
                                 R"("uidMappings":[{"containerId":0,"hostId":65536,"length":65536}]})");
  CHECK(users.find("none").value() == std::nullopt);
  CHECK(users.find("gone").value() == std::nullopt);

  UserNamespaces restarted(pods.path());
  CHECK(restarted.find("b").value() == 2 * kBlock);
  std::filesystem::remove_all(pods.path("a"));
  CHECK(restarted.ensure("c").value() == kBlock);  // the folder held the block
}

TEST_CASE("a range that is used up") {
  test::TempTree pods;
  for (const char* uid : {"a", "b", "c"}) pods.make(uid);
  UserNamespaces users(pods.path(), {.first = 4 * kBlock, .count = 2 * kBlock});
  CHECK(users.ensure("a").value() == 4 * kBlock);
  CHECK(users.ensure("b").value() == 5 * kBlock);
  const auto none = users.ensure("c");
  CHECK(none.error().code == Errc::resource_exhausted);
  CHECK(none.error().message == "could not find an empty slot to allocate a user namespace");
}

TEST_CASE("a mapping that the kubelet would not have written is refused") {
  test::TempTree pods;
  UserNamespaces users(pods.path());
  const auto with = [](const std::string& uids, const std::string& gids) {
    return R"({"uidMappings":[)" + uids + R"(],"gidMappings":[)" + gids + "]}";
  };
  const std::string good = R"({"hostId":131072,"containerId":0,"length":65536})";
  pods.write("p/userns", with(good, good));
  CHECK(users.find("p").value() == 2 * kBlock);
  for (const auto& text :
       {std::string("{"), std::string("[]"), std::string("{}"), with("", ""), with(good, ""),
        with(good + "," + good, good + "," + good), with(good, R"({"hostId":196608,"containerId":0,"length":65536})"),
        with(R"({"hostId":131073,"containerId":0,"length":65536})", good),
        with(R"({"hostId":-65536,"containerId":0,"length":65536})", good),
        with(R"({"hostId":4294967296,"containerId":0,"length":65536})", good),
        with(R"({"hostId":131072,"containerId":1,"length":65536})", good)}) {
    INFO(text);
    pods.write("p/userns", text);
    CHECK(users.find("p").error().message.find("user namespace of pod p: invalid mappings file") == 0);
    CHECK(users.ensure("p").error().code == Errc::invalid_argument);
  }
}

TEST_CASE("what getsubids says") {
  CHECK(parse_subids("0: kubelet 65536 2147483648\n").value() == IdRange{65536, 2147483648});
  CHECK(parse_subids("0: kubelet 131072 65536").value() == IdRange{131072, 65536});
  for (const char* text : {"", "0: kubelet", "0: kubelet 65536", "0: kubelet 65536 65536\n1: kubelet 131072 65536\n",
                           "0: kubelet 0 65536", "0: kubelet 65537 65536", "0: kubelet 65536 1", "0: kubelet 65536 0",
                           "0: kubelet 65536 4294967296", "0: kubelet x 65536"}) {
    INFO(text);
    CHECK(parse_subids(text).error().code == Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace keelson::spec
