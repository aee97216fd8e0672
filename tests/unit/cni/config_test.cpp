#include "cni/config.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cni/protocol.hpp"
#include "cni/runtime_config.hpp"
#include "cni/shim_config.hpp"
#include "cni/version.hpp"
#include "fixture.hpp"

namespace keelson::cni {
namespace {

using testing::write;
using Json = nlohmann::json;

TEST_CASE("the highest version that we speak is selected", "[cni]") {
  struct Row {
    std::string single;
    std::vector<std::string> list;
    std::string selected;  // empty: an error
  };
  const std::vector<Row> rows = {{"", {}, "0.1.0"},
                                 {"0.4.0", {}, "0.4.0"},
                                 {"0.4.0", {"0.3.1", "1.0.0"}, "1.0.0"},
                                 {"1.0.0", {"1.1.0", "1.2.0"}, "1.1.0"},
                                 {"", {"0.3.0", "0.3.1"}, "0.3.1"},
                                 {"2.0.0", {}, ""},
                                 {"0.9.0", {}, ""},
                                 {"one", {}, ""}};
  for (const auto& row : rows) {
    const auto got = select_version(row.single, row.list);
    CAPTURE(row.single, row.list);
    CHECK((got ? *got : std::string()) == row.selected);
  }
}

TEST_CASE("a conf dir is read bytewise by file name, broken files and our own shim aside", "[cni]") {
  const testing::TempDir dir;
  write(dir.path / "10-b.conflist", R"({"cniVersion":"1.0.0","name":"b","plugins":[{"type":"bridge"}]})");
  write(dir.path / "10-B.conf", R"({"cniVersion":"0.4.0","name":"upper","type":"ptp","x":{"y":1}})");
  write(dir.path / "00-keelson.conflist", render_shim_conflist({}));
  write(dir.path / "05-broken.conflist", R"({"name":"broken","plugins":[)");
  write(dir.path / "06-list.conf", R"({"name":"l","plugins":[{"type":"bridge"}]})");
  write(dir.path / "07-empty.conflist", R"({"name":"e","plugins":[]})");
  write(dir.path / "08-name.conflist", R"({"name":"../x","plugins":[{"type":"bridge"}]})");
  write(dir.path / "09-type.json", R"({"name":"t","type":7})");
  write(dir.path / "99-readme.txt", "no config");
  const ConfDir loaded = load_conf_dir(dir.path);
  REQUIRE(loaded.networks.size() == 2);
  CHECK(loaded.networks[0].name == "upper");
  CHECK(loaded.networks[1].name == "b");
  CHECK(Json::parse(loaded.networks[0].plugins.at(0).json)["x"]["y"] == 1);
  REQUIRE(loaded.problems.size() == 5);
  CHECK(loaded.problems[0].file.filename() == "05-broken.conflist");
  CHECK(loaded.problems[0].reason.find("not valid JSON") != std::string::npos);
  CHECK(loaded.problems[1].reason.find("belongs in a .conflist") != std::string::npos);
  CHECK(loaded.problems[2].reason == "plugins: the list is empty");
  CHECK(loaded.problems[3].reason.find("name: network name \"../x\"") == 0);
  CHECK(loaded.problems[4].reason == "type: expected string, got number");
}

TEST_CASE("a missing conf dir is one problem that names it", "[cni]") {
  const ConfDir loaded = load_conf_dir("/nonexistent/net.d");
  CHECK(loaded.networks.empty());
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].reason.find("/nonexistent/net.d") != std::string::npos);
}

TEST_CASE("plugins of the network's folder are appended unless the list forbids it", "[cni]") {
  const testing::TempDir dir;
  write(dir.path / "net" / "20-late.conf", R"({"type":"late"})");
  write(dir.path / "net" / "10-early.conf", R"({"type":"early"})");
  write(dir.path / "net" / "30-other.json", R"({"type":"other"})");
  const std::string head = R"({"cniVersion":"1.1.0","name":"net","plugins":[{"type":"first"}])";
  const auto all = parse_network_list(head + "}", dir.path / "a.conflist");
  REQUIRE(all);
  REQUIRE(all->plugins.size() == 3);
  CHECK(all->plugins[1].type == "early");
  CHECK(all->plugins[2].type == "late");
  const auto again = parse_network_list(all->json, {});
  REQUIRE(again);
  CHECK(again->plugins.size() == 3);  // what the store keeps needs no folder
  for (const char* value : {"true", "\"True\""}) {
    const auto only = parse_network_list(head + ",\"loadOnlyInlinedPlugins\":" + value + "}", dir.path / "a.conflist");
    REQUIRE(only);
    CHECK(only->plugins.size() == 1);
  }
  CHECK_FALSE(parse_network_list(head + R"(,"disableGC":"maybe"})", {}));
}

TEST_CASE("identifiers are validated as the spec says", "[cni]") {
  CHECK(validate_container_id("0a_.-Z"));
  for (const char* bad : {"", "-a", "a/b", "a b"}) CHECK_FALSE(validate_container_id(bad));
  CHECK(validate_interface_name("eth0.100@x"));
  for (const char* bad : {"", ".", "..", "a/b", "a:b", "a b", "sixteen-bytes-xx"}) {
    CHECK_FALSE(validate_interface_name(bad));
  }
}

TEST_CASE("a plugin gets only the runtime config that it declares", "[cni]") {
  RuntimeConfig config;
  config.port_mappings = {{80, 8080, "TCP", ""}, {0, 9090, "tcp", ""}};
  config.mac = "00:11:22:33:44:55";
  config.bandwidth = Bandwidth{1000, ~0ULL, 2000, ~0ULL};
  config.cgroup_path = "/kubepods/x";
  const auto merged = merge_runtime_config(R"({"mac":"old","aliases":["a"]})", render_runtime_config(config));
  REQUIRE(merged);
  PluginConfig plugin;
  plugin.capabilities = {"portMappings", "mac", "dns"};
  const Json got = Json::parse(select_for_plugin(plugin, *merged));
  CHECK(got.size() == 2);
  CHECK(got["mac"] == "00:11:22:33:44:55");
  REQUIRE(got["portMappings"].size() == 1);
  CHECK(got["portMappings"][0]["protocol"] == "tcp");
  plugin.capabilities = {"dns"};
  CHECK(select_for_plugin(plugin, *merged).empty());
  plugin.capabilities = {"bandwidth"};
  CHECK(Json::parse(select_for_plugin(plugin, *merged))["bandwidth"]["ingressBurst"] == ~0ULL);
  CHECK_FALSE(merge_runtime_config("[]", "{}"));
}

TEST_CASE("messages between shim and agent survive the way and refuse another version", "[cni]") {
  ShimRequest request;
  request.env = {{"CNI_COMMAND", "ADD"}};
  request.stdin_data = "{\"a\":\"\xc3\xa4\"}";
  const std::string framed = frame(encode(request));
  const auto length = frame_length(std::string_view(framed).substr(0, 4));
  REQUIRE(length);
  CHECK(*length + 4 == framed.size());
  const auto back = decode_request(std::string_view(framed).substr(4));
  REQUIRE(back);
  CHECK(back->env == request.env);
  CHECK(back->stdin_data == request.stdin_data);
  request.version = 2;
  const auto refused = decode_request(encode(request));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("different releases") != std::string::npos);
  CHECK_FALSE(frame_length("\xff\xff\xff\xff"));
}

TEST_CASE("the shim's conflist selects 1.1.0 and carries its options", "[cni]") {
  ShimOptions options;
  options.socket = "/run/x/cni.sock";
  const auto config = parse_network_list(render_shim_conflist(options), {});
  REQUIRE(config);
  CHECK(config->cni_version == "1.1.0");
  CHECK(config->plugins.at(0).capabilities.contains("io.kubernetes.cri.pod-annotations"));
  const auto parsed = parse_shim_options(config->plugins[0].json);
  REQUIRE(parsed);
  CHECK(parsed->socket == "/run/x/cni.sock");
  CHECK(parsed->state_dir == "/var/lib/keelson/cni");
  const testing::TempDir dir;
  CHECK(install_shim_conflist(dir.path / "net.d", options).value());
  CHECK_FALSE(install_shim_conflist(dir.path / "net.d", options).value());
}

TEST_CASE("a runtime's status tells whether it uses the shim", "[cni]") {
  const auto status = [](const std::string& type) {
    return R"({"PluginConfDir":"/etc/cni/net.d","Networks":[)"
           R"({"Config":{"Name":"cni-loopback","Plugins":[{"Network":{"type":"loopback"}}]},"IFName":"lo"},)"
           R"({"Config":{"Name":"n","Plugins":[{"Network":{"type":")" +
           type + R"("}}]},"IFName":"eth0"}]})";
  };
  CHECK(runtime_cni(status("keelson-cni")) == RuntimeCni::shim);
  CHECK(runtime_cni(status("bridge")) == RuntimeCni::other);
  CHECK(runtime_cni(R"({"Networks":null})") == RuntimeCni::no_config);
  CHECK(runtime_cni("{}") == RuntimeCni::unknown);
  CHECK(runtime_cni("") == RuntimeCni::unknown);
  const auto dirs = runtime_cni_dirs(R"({"cni":{"binDir":"/opt/cni/bin","confDir":"/etc/cni/net.d"}})");
  REQUIRE(dirs);
  CHECK(dirs->conf_dir == "/etc/cni/net.d");
  CHECK(dirs->bin_dirs == std::vector<std::string>{"/opt/cni/bin"});
}

}  // namespace
}  // namespace keelson::cni
