#include "kube/client/list_watch_core.hpp"

#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "kube/client/resource.hpp"
#include "kube/client/status.hpp"
#include "kube/meta.hpp"
#include "kube/text_member.hpp"

namespace keelson::kube {
namespace {

using Json = nlohmann::json;

constexpr auto kListTimeout = Seconds(60);
// Servers send a bookmark about every minute. A stream this quiet is taken up anew.
constexpr auto kQuietTimeout = Seconds(150);
constexpr int kWatchSeconds =
    300;  // a watch lasts one to two times that, at random, so that they do not all end at once
constexpr auto kVeryShortWatch = Seconds(1);
constexpr const char* kInitialEventsEnd = "k8s.io/initial-events-end";

std::mt19937& randomness() {
  static thread_local std::mt19937 engine{std::random_device{}()};
  return engine;
}
double random_unit() { return std::uniform_real_distribution<double>(0, 1)(randomness()); }

const Json& member(const Json& object, const char* field) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto it = object.find(field);
  return it != object.end() ? *it : nothing;
}

constexpr bool is_dash_of_uuid(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The line with the list of metadata.managedFields emptied: nobody here reads it, and it is half of most objects. The
// pattern cannot match inside a string, where its quotes would be escaped.
std::string_view without_managed_fields(std::string_view line, std::string& buffer) {
  constexpr std::string_view kStart = "\"managedFields\":[";
  const auto at = line.find(kStart);
  if (at == std::string_view::npos) return line;
  const std::size_t inside = at + kStart.size();
  int depth = 1;
  bool in_string = false;
  for (std::size_t i = inside; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
    } else if (c == '[') {
      ++depth;
    } else if (c == ']' && --depth == 0) {
      buffer.assign(line.substr(0, inside)).append(line.substr(i));
      return buffer;
    }
  }
  return line;
}

bool is_expired(const Error& error) { return error.reason == "Expired" || error.reason == "Gone"; }

SteadyTime now() { return std::chrono::steady_clock::now(); }

}  // namespace

PackedUid::PackedUid(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size() && digits < 32; ++i) {
    if (is_dash_of_uuid(i)) continue;
    const int value = hex_value(text[i]);
    if (value < 0) break;
    bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | value);
    ++digits;
  }
  bytes_ = bytes;
  if (this->text() == text) return;
  bytes_ = {};
  other_ = std::make_unique<const std::string>(text);
}

std::string PackedUid::text() const {
  if (other_) return *other_;
  std::string out;
  for (const std::uint8_t byte : bytes_) {
    if (is_dash_of_uuid(out.size())) out += '-';
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

ListWatchCore::ListWatchCore(const Executor& executor, Api& api, WatchTarget target, WatchSink& sink,
                             WatchOptions options)
    : api_(api),
      target_(std::move(target)),
      sink_(sink),
      options_(options),
      backoff_(options.backoff),
      wake_(executor),
      streaming_supported_(options.streaming_list) {}

Awaitable<void> ListWatchCore::run() {
  for (;;) {
    Result<void> ended = co_await list_and_watch();
    if (ended) continue;
    const Error& error = ended.error();
    if (is_expired(error) && !need_list_) {  // no failure: history has an end
      log_info("the watch is too old, listing again", {{"path", target_.path}});
      need_list_ = true;
    } else {
      sink_.failed(error);
    }
    const SteadyTime until = now() + backoff_.next(now(), random_unit());
    waiting_ = true;
    co_await wake_.wait_until(until);
    waiting_ = false;
  }
}

Awaitable<Result<void>> ListWatchCore::list_and_watch() {
  if (need_list_ && streaming_supported_) {
    Result<void> streamed = co_await stream(Mode::streaming_list);
    const bool refused = !streamed && streamed.error().code == Errc::invalid_argument && events_ == 0;
    if (!refused) co_return streamed;
    streaming_supported_ = false;
    log_debug("no streaming lists here", {{"path", target_.path}, {"error", streamed.error()}});
  }
  if (need_list_) {
    Result<void> listed = co_await list_pages();
    if (!listed) co_return listed;
  }
  Result<void> watched = co_await stream(Mode::watch);
  co_return watched;
}

std::string ListWatchCore::page_path(const std::string& next, bool paged) const {
  std::string path = with_query(target_.path, "labelSelector", target_.label_selector);
  path = with_query(std::move(path), "fieldSelector", target_.field_selector);
  if (paged) path = with_query(std::move(path), "limit", std::to_string(options_.page_size));
  return with_query(std::move(path), "continue", next);
}

std::string ListWatchCore::watch_path(Mode mode) const {
  std::string path = with_query(target_.path, "watch", "1");
  path = with_query(std::move(path), "labelSelector", target_.label_selector);
  path = with_query(std::move(path), "fieldSelector", target_.field_selector);
  path = with_query(std::move(path), "allowWatchBookmarks", "true");
  const int seconds = kWatchSeconds + static_cast<int>(kWatchSeconds * random_unit());
  path = with_query(std::move(path), "timeoutSeconds", std::to_string(seconds));
  if (mode == Mode::watch) return with_query(std::move(path), "resourceVersion", resource_version_);
  path = with_query(std::move(path), "sendInitialEvents", "true");
  return with_query(std::move(path), "resourceVersionMatch", "NotOlderThan");
}

// Lists consistently (no resourceVersion): what an earlier watch has shown can never be taken back by a stale cache.
Awaitable<Result<void>> ListWatchCore::list_pages() {
  begin_list();
  std::string next;
  bool paged = true;
  for (;;) {
    ApiRequest request;
    request.path = page_path(next, paged);
    request.timeout = kListTimeout;
    Result<std::string> text = co_await api_.send(std::move(request));
    const bool pages_expired = !text && is_expired(text.error()) && !next.empty();
    if (!text && !pages_expired) co_return text.error();
    if (pages_expired) {  // we were too slow for the server's history: all at once then
      paged = false;
      next.clear();
      continue;
    }
    Result<std::string> more = take_page(*text);
    if (!more) co_return more.error().context(target_.path);
    next = std::move(*more);
    if (next.empty()) break;
  }
  finish_list();
  co_return Result<void>();
}

// Hands on the page's objects one at a time, so that only one of them stands in memory decoded. Returns the token of
// the next page.
Result<std::string> ListWatchCore::take_page(const std::string& text) {
  std::string section;
  const auto on_value = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth == 1 && event == Json::parse_event_t::key) section = value.get<std::string>();
    if (depth != 2 || event != Json::parse_event_t::object_end || section != "items") return true;
    set(value);
    return false;
  };
  const Json list = Json::parse(text, on_value, false);
  if (!list.is_object()) return make_error(Errc::internal, "the list is not JSON");
  const Json& metadata = member(list, "metadata");
  resource_version_ = text_member(metadata, "resourceVersion");
  return text_member(metadata, "continue");
}

Awaitable<Result<void>> ListWatchCore::stream(Mode mode) {
  ApiRequest request;
  request.path = watch_path(mode);
  request.timeout = kQuietTimeout;
  events_ = 0;
  stream_error_.reset();
  if (mode == Mode::streaming_list) begin_list();
  listing_ = mode == Mode::streaming_list;
  const SteadyTime started = now();
  Api::LineHandler handler = [this](std::string_view line) { on_line(line); };
  Result<void> ended = co_await api_.stream(std::move(request), std::move(handler));
  if (stream_error_) co_return *stream_error_;
  const bool went_quiet = !ended && ended.error().code == Errc::deadline_exceeded && events_ > 0;
  if (!ended && !went_quiet) co_return ended;
  if (listing_) co_return make_error(Errc::unavailable, "the list ended in its middle");
  if (now() - started < kVeryShortWatch) co_return make_error(Errc::unavailable, "the watch ended at once");
  co_return Result<void>();
}

void ListWatchCore::on_line(std::string_view line) {
  if (stream_error_) return;
  const std::string_view text = without_managed_fields(line, buffer_);
  const Json event = Json::parse(text.begin(), text.end(), nullptr, false);
  const std::string type = text_member(event, "type");
  const Json& object = member(event, "object");
  if (type == "ERROR") {
    on_error_event(object);
    return;
  }
  ++events_;
  if (type == "BOOKMARK")
    on_bookmark(object);
  else if (type == "ADDED" || type == "MODIFIED")
    set(object);
  else if (type == "DELETED")
    remove(object);
  else
    log_warn("watch event of no known type", {{"path", target_.path}, {"type", type}});
  const std::string version = text_member(member(object, "metadata"), "resourceVersion");
  if (!version.empty()) resource_version_ = version;
}

void ListWatchCore::on_error_event(const Json& status) { stream_error_ = error_of_status(to_text(status)); }

void ListWatchCore::on_bookmark(const Json& object) {
  const Json& annotations = member(member(object, "metadata"), "annotations");
  if (listing_ && text_member(annotations, kInitialEventsEnd) == "true") finish_list();
}

void ListWatchCore::begin_list() { ++list_; }

void ListWatchCore::finish_list() {
  for (auto it = known_.begin(); it != known_.end();) {
    if (it->second.list == list_) {
      ++it;
      continue;
    }
    const auto gone = known_.extract(it++);
    const auto slash = gone.key().find('/');
    const bool spaced = slash != std::string::npos;
    sink_.remove({spaced ? gone.key().substr(0, slash) : "", spaced ? gone.key().substr(slash + 1) : gone.key(),
                  gone.mapped().uid.text()});
  }
  need_list_ = false;
  listing_ = false;
  if (!std::exchange(synced_, true)) sink_.list_complete();
}

void ListWatchCore::set(const Json& object) {
  const Json& metadata = member(object, "metadata");
  const std::string ns = text_member(metadata, "namespace");
  const std::string name = text_member(metadata, "name");
  Known now{PackedUid(text_member(metadata, "uid")), fnv64a(text_member(metadata, "resourceVersion")), list_};
  Known& known = known_[object_key(ns, name)];
  const bool is_known = known.list != 0;
  const bool unchanged = is_known && known.uid == now.uid && known.version == now.version;
  // Deleted and made again while nobody looked: two objects, for whoever keeps state by UID.
  if (is_known && !(known.uid == now.uid)) sink_.remove({ns, name, known.uid.text()});
  known = std::move(now);
  if (unchanged) return;
  const Result<void> taken = sink_.set(object);
  if (!taken) {
    log_warn("object passed over",
             {{"path", target_.path}, {"object", object_key(ns, name)}, {"error", taken.error()}});
  }
}

void ListWatchCore::remove(const Json& object) {
  const Json& metadata = member(object, "metadata");
  const std::string ns = text_member(metadata, "namespace");
  const std::string name = text_member(metadata, "name");
  if (known_.erase(object_key(ns, name)) > 0) sink_.remove({ns, name, text_member(metadata, "uid")});
}

}  // namespace keelson::kube
