#include <charconv>

#include "agent/server/api.hpp"
#include "agent/server/log_request.hpp"
#include "agent/server/upgrade_proxy.hpp"
#include "base/strings.hpp"
#include "cri/runtime_service.hpp"

namespace keelson::agent {
namespace {

struct Streams {
  bool in = false, out = false, err = false, tty = false;
};

// Which streams the client asks for; a terminal has no stderr of its own.
Result<Streams> wanted_streams(const HttpRequest& request) {
  Streams s{request.flag("input"), request.flag("output"), request.flag("error"), request.flag("tty")};
  if (s.tty) s.err = false;
  if (!s.in && !s.out && !s.err) {
    return make_error(Errc::invalid_argument, "you must specify at least 1 of stdin, stdout, stderr");
  }
  return s;
}

// The pod of the path; its UID is checked where the path has one.
Result<PodEntry> find_pod(ServerData& data, const Exchange& x) {
  auto entry = data.find_pod(x["namespace"], x["pod"]);
  const auto uid = x.path.find("uid");
  if (!entry || (uid != x.path.end() && uid->second != entry->pod->metadata.uid)) {
    return make_error(Errc::not_found, "pod does not exist");
  }
  return std::move(*entry);
}

Result<std::string> running_container(const PodEntry& entry, const std::string& name) {
  const auto* status = entry.status ? find_container_status(*entry.status, name) : nullptr;
  if (!status || !status->state.running) return make_error(Errc::internal, "container not found (\"" + name + "\")");
  return bare_container_id(status->container_id);
}

bool has_tty(const kube::Pod& pod, const std::string& container) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
    for (const auto& c : *list) {
      if (c.name == container) return c.tty;
    }
  }
  return false;
}

// The ports of a WebSocket port-forward: query `port`, repeated or with commas between. SPDY names them later.
Result<std::vector<std::int32_t>> wanted_ports(const HttpRequest& request) {
  std::vector<std::int32_t> out;
  for (const auto& value : request.params_named("port")) {
    for (const auto& text : split(value, ',')) {
      std::int32_t port = 0;
      const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
      if (ec != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
        return make_error(Errc::invalid_argument, "port \"" + text + "\": must be 1 to 65535");
      }
      out.push_back(port);
    }
  }
  if (out.empty() && to_lower(request.header("upgrade")) == "websocket") {
    return make_error(Errc::invalid_argument, "query parameter \"port\" is required");
  }
  return out;
}

Awaitable<void> forward(Exchange& x, std::string url) {
  auto parsed = parse_stream_url(url);
  if (!parsed) {
    Error error = make_error(Errc::internal, parsed.error().message);
    co_return co_await send_error(x, std::move(error));
  }
  auto done = co_await proxy_upgrade(x.request, x.response, std::move(*parsed));
  if (!done && !x.response.answered()) co_await send_error(x, done.error());
}

Awaitable<bool> check_upgrade(Exchange& x) {
  if (x.request.wants_upgrade()) co_return true;
  std::string text = "Upgrade request required\n";
  co_await x.response.send(400, kText, std::move(text));
  co_return false;
}

}  // namespace

void Api::add_streams() {
  const auto with_uid = [this](const char* methods, const std::string& prefix, const std::string& tail, auto handler) {
    for (const char* uid : {"", "/{uid}"}) {
      router_.add(methods, prefix + "/{namespace}/{pod}" + uid + tail,
                  [this, handler](Exchange& x) { return (this->*handler)(x); });
    }
  };
  with_uid("GET,POST", "/exec", "/{container}", &Api::exec);
  with_uid("GET,POST", "/attach", "/{container}", &Api::attach);
  with_uid("GET,POST", "/portForward", "", &Api::port_forward);
  with_uid("POST", "/run", "/{container}", &Api::run);
}

Awaitable<void> Api::exec(Exchange& x) {
  const auto streams = wanted_streams(x.request);
  if (!streams) co_return co_await send_error(x, streams.error());
  const bool upgrade = co_await check_upgrade(x);
  if (!upgrade) co_return;
  const auto entry = find_pod(data_, x);
  if (!entry) co_return co_await send_error(x, entry.error());
  auto id = running_container(*entry, x["container"]);
  if (!id) co_return co_await send_error(x, id.error());
  cri::v1::ExecRequest request;
  request.set_container_id(*id);
  for (auto& arg : x.request.params_named("command")) *request.add_cmd() = std::move(arg);
  request.set_stdin(streams->in);
  request.set_stdout(streams->out);
  request.set_stderr(streams->err);
  request.set_tty(streams->tty);
  const auto reply = co_await data_.runtime().exec(std::move(request));
  if (!reply) co_return co_await send_error(x, reply.error());
  co_await forward(x, reply->url());
}

Awaitable<void> Api::attach(Exchange& x) {
  auto streams = wanted_streams(x.request);
  if (!streams) co_return co_await send_error(x, streams.error());
  const bool upgrade = co_await check_upgrade(x);
  if (!upgrade) co_return;
  const auto entry = find_pod(data_, x);
  if (!entry) co_return co_await send_error(x, entry.error());
  auto id = running_container(*entry, x["container"]);
  if (!id) co_return co_await send_error(x, id.error());
  const bool tty = has_tty(*entry->pod, x["container"]);
  cri::v1::AttachRequest request;
  request.set_container_id(*id);
  request.set_stdin(streams->in);
  request.set_stdout(streams->out);
  request.set_stderr(streams->err && !tty);
  request.set_tty(tty);
  const auto reply = co_await data_.runtime().attach(std::move(request));
  if (!reply) co_return co_await send_error(x, reply.error());
  co_await forward(x, reply->url());
}

Awaitable<void> Api::port_forward(Exchange& x) {
  const bool upgrade = co_await check_upgrade(x);
  if (!upgrade) co_return;
  const auto ports = wanted_ports(x.request);
  if (!ports) co_return co_await send_error(x, ports.error());
  const auto entry = find_pod(data_, x);
  if (!entry) co_return co_await send_error(x, entry.error());
  cri::v1::PortForwardRequest request;
  request.set_pod_sandbox_id(data_.sandbox_id(entry->pod->metadata.uid));
  if (request.pod_sandbox_id().empty()) {
    Error error = make_error(Errc::internal, "pod not found (\"" + x["pod"] + "\"): it has no running sandbox");
    co_return co_await send_error(x, std::move(error));
  }
  for (const auto port : *ports) request.add_port(port);
  const auto reply = co_await data_.runtime().port_forward(std::move(request));
  if (!reply) co_return co_await send_error(x, reply.error());
  co_await forward(x, reply->url());
}

Awaitable<void> Api::run(Exchange& x) {
  const auto entry = find_pod(data_, x);
  if (!entry) co_return co_await send_error(x, entry.error());
  auto id = running_container(*entry, x["container"]);
  if (!id) co_return co_await send_error(x, id.error());
  cri::v1::ExecSyncRequest request;
  request.set_container_id(*id);
  const auto command = x.request.param("cmd").value_or("");
  for (auto& word : split(command, ' ')) *request.add_cmd() = std::move(word);
  const auto reply = co_await data_.runtime().exec_sync(std::move(request));
  if (!reply) co_return co_await send_error(x, reply.error());
  std::string text = reply->stdout() + reply->stderr();
  if (reply->exit_code() != 0) {
    text = "command '" + command + "' exited with " + std::to_string(reply->exit_code()) + ": " + text;
  }
  co_await x.response.send(reply->exit_code() == 0 ? 200 : 500, kText, std::move(text));
}

}  // namespace keelson::agent
