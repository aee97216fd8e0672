// ListWatchCore: a list of objects kept up to date, on JSON; list_watch.hpp puts a type on it. After client-go's
// reflector (tools/cache/reflector.go), KEP-3157 (streaming lists) and KEP-956 (bookmarks).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/notifier.hpp"
#include "kube/client/api.hpp"
#include "kube/client/watch_backoff.hpp"

namespace keelson::kube {

// A UID as it is kept for each of a hundred thousand objects: 16 bytes where it is a UUID, as the API server's are.
class PackedUid {
 public:
  PackedUid() = default;
  explicit PackedUid(const std::string& text);
  [[nodiscard]] std::string text() const;
  bool operator==(const PackedUid& other) const {
    return bytes_ == other.bytes_ && (other_ ? *other_ : "") == (other.other_ ? *other.other_ : "");
  }

 private:
  std::array<std::uint8_t, 16> bytes_{};
  std::unique_ptr<const std::string> other_;  // what is no UUID in its usual spelling
};

// Which object went.
struct ObjectKey {
  std::string ns;
  std::string name;
  std::string uid;
  bool operator==(const ObjectKey&) const = default;
};

struct WatchTarget {
  std::string path;  // of the list: "/api/v1/pods"
  std::string label_selector;
  std::string field_selector;
};

struct WatchOptions {
  bool streaming_list = true;  // tried first; a server that refuses it gets pages
  int page_size = 500;
  WatchBackoffPolicy backoff;
};

// What a ListWatchCore finds. Called on the loop; may not destroy the core.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // The object is new or changed. An error is logged and the object passed over: the sink keeps what it had of it.
  virtual Result<void> set(const nlohmann::json& object) = 0;
  virtual void remove(const ObjectKey& key) = 0;
  // The first list is complete; once.
  virtual void list_complete() = 0;
  virtual void failed(const Error& error) = 0;
};

class ListWatchCore {
 public:
  // `api` and `sink` must outlive it.
  ListWatchCore(const Executor& executor, Api& api, WatchTarget target, WatchSink& sink, WatchOptions options);

  // Lists, watches, and does so again until cancelled.
  Awaitable<void> run();
  // Ends the wait after a failure, where it waits: the server was seen to answer again.
  void retry_now() {
    if (waiting_) wake_.notify();
  }
  [[nodiscard]] bool synced() const { return synced_; }

 private:
  struct Known {
    PackedUid uid;
    std::uint64_t version = 0;  // a hash of its resourceVersion
    std::uint64_t list = 0;     // the list that it was last seen in
  };
  enum class Mode { watch, streaming_list };

  Awaitable<Result<void>> list_and_watch();
  Awaitable<Result<void>> list_pages();
  Awaitable<Result<void>> stream(Mode mode);
  [[nodiscard]] std::string page_path(const std::string& next, bool paged) const;
  [[nodiscard]] std::string watch_path(Mode mode) const;

  Result<std::string> take_page(const std::string& text);
  void on_line(std::string_view line);
  void on_error_event(const nlohmann::json& status);
  void on_bookmark(const nlohmann::json& object);
  void set(const nlohmann::json& object);
  void remove(const nlohmann::json& object);
  void begin_list();
  void finish_list();

  Api& api_;
  const WatchTarget target_;
  WatchSink& sink_;
  const WatchOptions options_;
  WatchBackoff backoff_;
  Notifier wake_;
  bool waiting_ = false;

  std::map<std::string, Known> known_;  // by "namespace/name"
  std::string resource_version_;        // to resume from
  bool streaming_supported_;
  bool need_list_ = true;
  bool listing_ = false;  // a streaming list has not come to its end yet
  bool synced_ = false;
  std::uint64_t list_ = 0;  // counts lists
  std::size_t events_ = 0;  // of the stream under way
  std::optional<Error> stream_error_;
  std::string buffer_;  // kept between lines
};

}  // namespace keelson::kube
