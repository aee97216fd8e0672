#include <boost/asio/experimental/awaitable_operators.hpp>

#include "agent/server/api.hpp"
#include "agent/server/log_file.hpp"
#include "agent/server/log_request.hpp"

namespace keelson::agent {
namespace {

// One log on its way to one client.
struct LogStream {
  LogStream(ServerData& d, ChangeHub& hub, const Executor& executor, Exchange& exchange, LogRequest r, LogFile f)
      : data(d), changes(hub, executor), x(exchange), request(r), file(std::move(f)), renderer(r.selection) {}

  // Until the end of the file, or of the client's patience; false when there is nothing more to do.
  Awaitable<bool> drain();
  Awaitable<void> follow();
  [[nodiscard]] bool running() {
    const auto entry = data.find_pod(x["namespace"], x["pod"]);
    return entry && entry->status && instance_runs(*entry->status, x["container"], container_id);
  }

  ServerData& data;
  ChangeHub::Subscription changes;
  Exchange& x;
  LogRequest request;
  LogFile file;
  LogRenderer renderer;
  std::string container_id;
};

Awaitable<bool> LogStream::drain() {
  for (;;) {
    auto bytes = co_await file.read();
    if (!bytes) co_return false;
    if (bytes->empty()) co_return true;
    std::string out;
    renderer.feed(*bytes, out);
    const auto written = co_await x.response.write(std::move(out));
    if (!written || renderer.full()) co_return false;
  }
}

// What was written before the end was seen is shown too, so the look at the container comes before the last drain.
Awaitable<void> LogStream::follow() {
  for (bool ended = false;;) {
    const bool more = co_await drain();
    if (!more) co_return;
    const auto rotated = co_await file.follow_rotation();
    if (rotated && *rotated) {
      renderer.next_file();
      continue;
    }
    if (ended) co_return;
    ended = !running();
    if (!ended) co_await changes.wake().wait();
  }
}

}  // namespace

void Api::add_logs() {
  router_.add("GET", "/containerLogs/{namespace}/{pod}/{container}", [this](Exchange& x) { return get_logs(x); });
}

Awaitable<void> Api::get_logs(Exchange& x) {
  using boost::asio::experimental::awaitable_operators::operator||;
  auto parsed = parse_log_request(x.request, data_.now());
  if (!parsed.request) {
    co_await x.response.send(parsed.error.status, kJson, std::move(parsed.error.message));
    co_return;
  }
  const auto entry = data_.find_pod(x["namespace"], x["pod"]);
  if (!entry) {
    Error error = make_error(Errc::not_found, "pod \"" + x["pod"] + "\" does not exist");
    co_return co_await send_error(x, std::move(error));
  }
  const kube::PodStatus none;
  const auto id =
      choose_log_instance(*entry->pod, entry->status ? *entry->status : none, x["container"], parsed.request->previous);
  if (!id) co_return co_await send_error(x, id.error());
  const auto path = data_.log_path(entry->pod->metadata.uid, *id);
  if (!path) {
    Error error = make_error(Errc::not_found, "the runtime no longer holds container " + *id);
    co_return co_await send_error(x, std::move(error));
  }
  // The watch comes before the first read, so that nothing falls between.
  std::optional<LogWatch> watch;
  if (parsed.request->follow) {
    auto opened = LogWatch::open(executor_, std::filesystem::path(*path).parent_path());
    if (!opened) co_return co_await send_error(x, opened.error());
    watch.emplace(std::move(*opened));
  }
  auto file = co_await LogFile::open(data_.pool(), *path, parsed.request->selection.tail_lines);
  if (!file) co_return co_await send_error(x, file.error());
  LogStream stream(data_, changes_, executor_, x, *parsed.request, std::move(*file));
  stream.container_id = *id;
  const auto started = co_await x.response.start(200, kText);
  if (!started) co_return;
  if (watch) {
    co_await (stream.follow() || watch->run(stream.changes.wake()) || x.response.client_gone());
  } else {
    co_await stream.drain();
  }
  co_await x.response.finish();
}

}  // namespace keelson::agent
