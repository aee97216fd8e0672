#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "agent/server/api.hpp"
#include "agent/server/log_request.hpp"
#include "base/blocking_pool.hpp"
#include "base/files.hpp"
#include "base/log_control.hpp"
#include "base/strings.hpp"
#include "cri/runtime_service.hpp"
#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr const char* kNodeLogs = "/var/log";
constexpr std::size_t kPiece = 64 * 1024;

// What a path below /var/log is: a folder's names, or a file that is open for reading.
struct NodeLog {
  std::shared_ptr<UniqueFd> file;
  std::vector<std::string> names;
};

// Never outside of /var/log, whatever links and dots the path has.
Result<NodeLog> open_node_log(const std::string& path) {
  std::error_code ec;
  const auto root = std::filesystem::canonical(kNodeLogs, ec);
  const auto real = ec ? root : std::filesystem::canonical(root / path, ec);
  const auto inside = std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first == root.end();
  if (ec || !inside) return make_error(Errc::not_found, "404 page not found");
  NodeLog out;
  auto fd = std::make_shared<UniqueFd>(::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!*fd || ::fstat(fd->get(), &info) != 0) return errno_error(errno, "open " + path);
  if (S_ISREG(info.st_mode)) {
    out.file = std::move(fd);
    return out;
  }
  if (!S_ISDIR(info.st_mode)) return make_error(Errc::not_found, "404 page not found");
  for (const auto& entry : std::filesystem::directory_iterator(real, ec)) {
    out.names.push_back(entry.path().filename().string() + (entry.is_directory(ec) ? "/" : ""));
  }
  std::sort(out.names.begin(), out.names.end());
  return out;
}

std::string escape_html(std::string text) {
  text = replace_all(text, "&", "&amp;");
  text = replace_all(text, "<", "&lt;");
  text = replace_all(text, ">", "&gt;");
  return replace_all(text, "\"", "&#34;");
}

std::string index_page(const std::vector<std::string>& names) {
  std::string out = "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n";
  for (const auto& name : names) {
    const bool folder = name.ends_with('/');
    const auto href = percent_encode(folder ? name.substr(0, name.size() - 1) : name) + (folder ? "/" : "");
    out.append("<a href=\"").append(href).append("\">").append(escape_html(name)).append("</a>\n");
  }
  return out + "</pre>\n";
}

Result<std::string> read_piece(const UniqueFd& fd) {
  std::string out(kPiece, '\0');
  const auto n = ::read(fd.get(), out.data(), out.size());
  if (n < 0) return errno_error(errno, "read");
  out.resize(static_cast<std::size_t>(n));
  return out;
}

bool has_container(const kube::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
    for (const auto& c : *list) {
      if (c.name == name) return true;
    }
  }
  return false;
}

}  // namespace

void Api::add_node() {
  router_.add("GET", "/healthz/{check...}", [this](Exchange& x) { return get_health(x); });
  router_.add("POST", "/checkpoint/{namespace}/{pod}/{container}", [this](Exchange& x) { return checkpoint(x); });
}

void Api::add_config() {
  router_.add("GET", "/configz", [this](Exchange& x) { return get_config(x); });
}

void Api::add_node_log() {
  router_.add("GET", "/logs/{path...}", [this](Exchange& x) { return get_node_log(x); });
}

// One loop does all of the agent's work: that it answers says that it turns, and so the checks have nothing to ask.
Awaitable<void> Api::get_health(Exchange& x) {
  constexpr const char* kChecks[] = {"ping", "log", "syncloop"};
  const auto& check = x["check"];
  const bool known = health_checks_.count(check) > 0;
  for (auto& [name, count] : health_checks_) {
    if (check.empty() || check == name) ++count;
  }
  std::string text = check.empty() || known ? "ok" : "404 page not found\n";
  if (check.empty() && x.request.param("verbose")) {
    text.clear();
    for (const char* name : kChecks) text.append("[+]").append(name).append(" ok\n");
    text.append("healthz check passed\n");
  }
  co_await x.response.send(check.empty() || known ? 200 : 404, kText, std::move(text));
}

Awaitable<void> Api::get_config(Exchange& x) {
  const json config = {{"kubeletconfig", data_.kubelet_config()}};
  std::string text = config.dump(-1, ' ', false, json::error_handler_t::replace);
  co_await x.response.send(200, kJson, std::move(text));
}

// klog's numbers: 0 to 3 is what was configured, 4 and 5 shows more, from 6 on there is no more to show.
Awaitable<void> Api::set_verbosity(Exchange& x) {
  const std::string text(trim(x.request.body));
  unsigned level = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (ec != std::errc() || end != text.data() + text.size()) {
    std::string refusal = "failed set klog.logging.verbosity " + text + ": not a number";
    co_await x.response.send(400, kText, std::move(refusal));
    co_return;
  }
  set_log_level(level > 5 ? LogLevel::trace : level > 3 ? LogLevel::debug : configured_log_level());
  std::string done = "successfully set klog.logging.verbosity to " + text;
  co_await x.response.send(200, kText, std::move(done));
}

Awaitable<void> Api::get_node_log(Exchange& x) {
  auto open = [path = x["path"]] { return open_node_log(path); };
  const auto log = co_await data_.pool().run(std::move(open));
  if (!log) co_return co_await send_error(x, log.error());
  if (!log->file) {
    std::string page = index_page(log->names);
    co_await x.response.send(200, "text/html; charset=utf-8", std::move(page));
    co_return;
  }
  const auto started = co_await x.response.start(200, kText);
  if (!started) co_return;
  for (;;) {
    auto read = [file = log->file] { return read_piece(*file); };
    auto piece = co_await data_.pool().run(std::move(read));
    if (!piece) co_return;  // without the last chunk: the client sees that it is not the whole
    if (piece->empty()) break;
    const auto written = co_await x.response.write(std::move(*piece));
    if (!written) co_return;
  }
  co_await x.response.finish();
}

// After upstream's pkg/kubelet/server/server.go checkpoint and kubelet.go CheckpointContainer.
Awaitable<void> Api::checkpoint(Exchange& x) {
  const std::string &ns = x["namespace"], &name = x["pod"], &container = x["container"];
  const auto entry = data_.find_pod(ns, name);
  if (!entry || !has_container(*entry->pod, container)) {
    Error error = make_error(Errc::not_found, entry ? "container does not exist" : "pod does not exist");
    co_return co_await send_error(x, std::move(error));
  }
  const auto* status = entry->status ? find_container_status(*entry->status, container) : nullptr;
  if (!status || !status->state.running) {
    Error error = make_error(
        Errc::internal, "checkpointing of " + ns + "/" + name + "/" + container + " failed (container is not running)");
    co_return co_await send_error(x, std::move(error));
  }
  const auto file = data_.checkpoint_dir() /
                    ("checkpoint-" + name + "_" + ns + "-" + container + "-" + kube::format_time(data_.now()) + ".tar");
  auto make_folder = [folder = file.parent_path()] { return make_dirs(folder, 0700); };
  const auto made = co_await data_.pool().run(std::move(make_folder));
  if (!made) co_return co_await send_error(x, made.error());
  cri::v1::CheckpointContainerRequest request;
  request.set_container_id(bare_container_id(status->container_id));
  request.set_location(file.string());
  request.set_timeout(std::atoll(x.request.param("timeout").value_or("0").c_str()));
  const auto done = co_await data_.runtime().checkpoint_container(std::move(request));
  if (!done) {
    Error error = make_error(Errc::internal, "checkpointing of " + ns + "/" + name + "/" + container + " failed (" +
                                                 done.error().message + ")");
    co_return co_await send_error(x, std::move(error));
  }
  const json answer = {{"items", {file.string()}}};
  std::string text = answer.dump(-1, ' ', false, json::error_handler_t::replace);
  co_await x.response.send(200, kJson, std::move(text));
}

}  // namespace keelson::agent
