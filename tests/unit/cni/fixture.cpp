#include "fixture.hpp"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace keelson::cni::testing {
namespace {

constexpr const char* kPlugin = R"(#!/bin/sh
here=${0%/*}
me=${0##*/}
input=$(cat)
printf '%s %s netns=%s if=%s args=%s\n' "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" \
  "$CNI_ARGS" >> "$here/$me.calls"
printf '%s' "$input" > "$here/$me.$CNI_COMMAND.stdin.$$"
mv "$here/$me.$CNI_COMMAND.stdin.$$" "$here/$me.$CNI_COMMAND.stdin"
if [ -f "$here/$me.$CNI_COMMAND.sh" ]; then . "$here/$me.$CNI_COMMAND.sh"; fi
case $CNI_COMMAND in
ADD) printf '{"cniVersion":"1.1.0","interfaces":[{"name":"%s","sandbox":"%s"}],
  "ips":[{"address":"10.1.2.3/24","interface":0}]}' "$CNI_IFNAME" "$CNI_NETNS" ;;
VERSION) printf '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}' ;;
esac
)";

}  // namespace

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "keelson-cni-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
  path = name;
}

TempDir::~TempDir() {
  std::error_code ec;
  fs::remove_all(path, ec);
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  const fs::path temp = path.string() + ".new";
  std::ofstream(temp) << text;
  fs::rename(temp, path);
}

std::string slurp(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

void run(asio::io_context& io, Awaitable<void> task) {
  bool done = false;
  std::exception_ptr error;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) {
    error = e;
    done = true;
  });
  io.restart();
  while (!done) io.run_one();
  if (error) std::rethrow_exception(error);
}

bool run_until(asio::io_context& io, const std::function<bool()>& done, Milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    io.restart();
    io.run_one_for(Milliseconds(10));
  }
  return true;
}

World::World() {
  for (const auto& path : {conf, bin, state}) fs::create_directories(path);
}

void World::plugin(const std::string& type) {
  write(bin / type, kPlugin);
  fs::permissions(bin / type, fs::perms::owner_all);
}

void World::script(const std::string& type, const std::string& command, const std::string& shell) {
  write(bin / (type + "." + command + ".sh"), shell + "\n");
}

std::vector<std::string> World::calls(const std::string& type) const {
  std::vector<std::string> out;
  std::istringstream lines(slurp(bin / (type + ".calls")));
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

std::size_t World::count(const std::string& type, const std::string& command) const {
  std::size_t n = 0;
  for (const auto& line : calls(type)) n += line.starts_with(command + " ") ? 1 : 0;
  return n;
}

std::string World::stdin_of(const std::string& type, const std::string& command) const {
  return slurp(bin / (type + "." + command + ".stdin"));
}

static std::string list_text(const std::string& network, const std::vector<std::string>& types,
                             const std::string& version) {
  std::string plugins;
  for (const auto& type : types) {
    plugins += (plugins.empty() ? "" : ",") + std::string(R"({"type":")") + type +
               R"(","capabilities":{"portMappings":true},"mark":"kept"})";
  }
  return R"({"cniVersion":")" + version + R"(","name":")" + network + R"(","plugins":[)" + plugins + "]}";
}

void World::conflist(const std::string& file, const std::string& network, const std::vector<std::string>& types,
                     const std::string& version) {
  write(conf / file, list_text(network, types, version));
}

NetworkConfig World::network(const std::vector<std::string>& types, const std::string& version) {
  return parse_network_list(list_text("net", types, version), {}).value();
}

ManagerOptions World::options() const {
  ManagerOptions options;
  options.state_dir = state;
  options.conf_dir = conf;
  options.bin_dirs = {bin};
  options.durability = Durability::volatile_ok;
  options.timing.retry_initial = Milliseconds(5);
  options.netns_exists = [](const std::string& path) { return !path.empty() && fs::exists(path); };
  return options;
}

std::string World::netns(const std::string& id) {
  const fs::path path = dir.path / "netns" / id;
  write(path, "");
  return path.string();
}

Attachment attachment(const std::string& id, const std::string& netns) {
  Attachment out;
  out.container_id = id;
  out.netns = netns;
  out.ifname = "eth0";
  out.args = {{"IgnoreUnknown", "1"}, {"K8S_POD_UID", "uid-" + id}};
  out.runtime_config = R"({"portMappings":[{"hostPort":80,"containerPort":8080,"protocol":"tcp"}],"mac":"aa"})";
  return out;
}

AttachmentRecord record(const NetworkConfig& network, const std::string& id, const std::string& netns,
                        AttachmentState state) {
  AttachmentRecord out;
  out.attachment = attachment(id, netns);
  out.network_name = network.name;
  out.config = network.json;
  out.pod_uid = "uid-" + id;
  out.state = state;
  out.created = std::chrono::duration_cast<Seconds>(system_clock().now().time_since_epoch()).count();
  if (state == AttachmentState::added) {
    out.result = R"({"cniVersion":"1.1.0","ips":[{"address":"10.9.9.9/24"}]})";
  }
  return out;
}

}  // namespace keelson::cni::testing
