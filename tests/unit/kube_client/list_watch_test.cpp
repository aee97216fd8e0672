#include "kube/client/list_watch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "../loop.hpp"
#include "base/task_group.hpp"
#include "kube/config.hpp"
#include "scripted_api.hpp"

#include "printing.hpp"
using namespace keelson;
using namespace keelson::kube;
using test::ScriptedApi;
using Answer = ScriptedApi::Answer;
using Strings = std::vector<std::string>;

namespace {

std::string object(const std::string& name, const std::string& uid, int version) {
  return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"d","name":")" + name + R"(","uid":")" + uid +
         R"(","resourceVersion":")" + std::to_string(version) + R"("}})";
}
std::string event(const std::string& type, const std::string& body) {
  return R"({"type":")" + type + R"(","object":)" + body + "}";
}
std::string bookmark(int version, bool initial_end = false) {
  const std::string annotations = initial_end ? R"(,"annotations":{"k8s.io/initial-events-end":"true"})" : "";
  return event("BOOKMARK", R"({"kind":"ConfigMap","metadata":{"resourceVersion":")" + std::to_string(version) + "\"" +
                               annotations + "}}");
}
std::string status(int code, const std::string& reason) {
  return R"({"kind":"Status","code":)" + std::to_string(code) + R"(,"reason":")" + reason + R"(","message":"m"})";
}
std::string list(const Strings& objects, int version, const std::string& next = {}) {
  std::string items;
  for (const auto& o : objects) items += (items.empty() ? "" : ",") + o;
  return R"({"kind":"ConfigMapList","metadata":{"resourceVersion":")" + std::to_string(version) + R"(","continue":")" +
         next + R"("},"items":[)" + items + "]}";
}
bool has(const ApiRequest& request, const std::string& part) { return request.path.find(part) != std::string::npos; }
bool is_streaming_list(const ApiRequest& request) { return has(request, "sendInitialEvents=true"); }
bool is_watch(const ApiRequest& request) { return has(request, "watch=1") && !is_streaming_list(request); }

// A ListWatch<ConfigMap> that runs, and what it told.
struct Watcher {
  Watcher(ScriptedApi::Script script, WatchOptions options = {})
      : api(loop.executor(), std::move(script)),
        watch(loop.executor(), api, {}, handlers(), fast(options)),
        tasks(loop.executor()) {
    tasks.spawn("watch", watch.run());
  }
  ~Watcher() {
    tasks.cancel();
    loop.pump_until([&] { return tasks.size() == 0; });
  }
  static WatchOptions fast(WatchOptions options) {
    options.backoff.initial = Milliseconds(1);
    return options;
  }
  ListWatch<ConfigMap>::Handlers handlers() {
    return {[this](auto o) {
              told.push_back("set " + o->metadata.name + "/" + o->metadata.uid + "@" + o->metadata.resource_version);
            },
            [this](const ObjectKey& k) { told.push_back("delete " + k.ns + "/" + k.name + "/" + k.uid); },
            [this] { told.push_back("synced"); }, [this](const Error& e) { errors.push_back(e); }};
  }
  void until_told(std::size_t count) {
    loop.pump_until([&] { return told.size() >= count; });
  }

  keelson::testing::Loop loop;
  ScriptedApi api;
  Strings told;
  std::vector<Error> errors;
  ListWatch<ConfigMap> watch;
  TaskGroup tasks;
};

Result<void> invalid() { return make_error(Errc::invalid_argument, "forbidden", "Invalid"); }

}  // namespace

TEST_CASE("a streaming list is a list and a watch in one", "[list_watch]") {
  Watcher w([](const ApiRequest&) -> Answer {
    return {{event("ADDED", object("a", "1", 5)), event("ADDED", object("b", "2", 6)), bookmark(9, true),
             event("MODIFIED", object("a", "1", 10)), event("DELETED", object("b", "2", 11))},
            std::nullopt};
  });
  w.until_told(5);
  CHECK(w.told == Strings{"set a/1@5", "set b/2@6", "synced", "set a/1@10", "delete d/b/2"});
  REQUIRE(w.api.asked.size() == 1);
  const std::string& path = w.api.asked[0].path;
  CHECK(path.starts_with("/api/v1/configmaps?watch=1&"));
  CHECK(path.find("resourceVersionMatch=NotOlderThan") != std::string::npos);
  CHECK(path.find("allowWatchBookmarks=true") != std::string::npos);
  CHECK(w.watch.synced());
  CHECK(w.errors.empty());
}

TEST_CASE("a server without streaming lists gets pages", "[list_watch]") {
  Watcher w(
      [](const ApiRequest& request) -> Answer {
        if (is_streaming_list(request)) return {{}, invalid()};
        if (is_watch(request)) return {{}, std::nullopt};
        if (has(request, "continue=next%2F1")) return {{list({object("b", "2", 6)}, 9)}, Result<void>()};
        return {{list({object("a", "1", 5)}, 9, "next/1")}, Result<void>()};
      },
      {.page_size = 1});
  w.loop.pump_until([&] { return w.api.open_streams == 1; });
  CHECK(w.told == Strings{"set a/1@5", "set b/2@6", "synced"});
  CHECK(has(w.api.asked[1], "limit=1"));
  CHECK(has(w.api.asked.back(), "resourceVersion=9"));
  CHECK(w.errors.empty());
}

TEST_CASE("pages that expired are asked for all at once", "[list_watch]") {
  Watcher w(
      [](const ApiRequest& request) -> Answer {
        if (is_watch(request)) return {{}, std::nullopt};
        if (has(request, "continue=")) {
          return {{}, Result<void>(make_error(Errc::failed_precondition, "too old", "Expired"))};
        }
        if (has(request, "limit=")) return {{list({object("a", "1", 5)}, 9, "x")}, Result<void>()};
        return {{list({object("a", "1", 5), object("b", "2", 6)}, 12)}, Result<void>()};
      },
      {.streaming_list = false});
  w.loop.pump_until([&] { return w.api.open_streams == 1; });
  CHECK(w.told == Strings{"set a/1@5", "set b/2@6", "synced"});
  CHECK(has(w.api.asked.back(), "resourceVersion=12"));
}

TEST_CASE("a broken watch resumes where it was", "[list_watch]") {
  int watches = 0;
  Watcher w(
      [&](const ApiRequest& request) -> Answer {
        if (!is_watch(request)) return {{list({object("a", "1", 5)}, 9)}, Result<void>()};
        if (++watches == 1) {
          return {{event("MODIFIED", object("a", "1", 12)), bookmark(20)},
                  Result<void>(make_error(Errc::unavailable, "cut"))};
        }
        return {{}, std::nullopt};
      },
      {.streaming_list = false});
  w.loop.pump_until([&] { return w.api.open_streams == 1; });
  CHECK(w.told == Strings{"set a/1@5", "synced", "set a/1@12"});
  CHECK(has(w.api.asked.back(), "resourceVersion=20"));
  REQUIRE(w.errors.size() == 1);
  CHECK(w.errors[0].message == "cut");
}

TEST_CASE("410 lists again and tells what vanished, came and was made anew", "[list_watch]") {
  int lists = 0;
  Watcher w([&](const ApiRequest&) -> Answer {
    if (++lists == 1) {
      return {{event("ADDED", object("a", "1", 5)), event("ADDED", object("b", "2", 6)),
               event("ADDED", object("c", "3", 7)), bookmark(9, true), event("ERROR", status(410, "Expired"))},
              Result<void>()};
    }
    return {{event("ADDED", object("a", "1", 5)), event("ADDED", object("c", "4", 30)), bookmark(31, true)},
            std::nullopt};
  });
  w.until_told(7);
  w.told.erase(w.told.begin(), w.told.begin() + 4);
  CHECK(w.told == Strings{"delete d/c/3", "set c/4@30", "delete d/b/2"});  // and nothing of a, which is as it was
  CHECK(w.errors.empty());
}

TEST_CASE("a streaming list cut in its middle deletes nothing", "[list_watch]") {
  int lists = 0;
  Watcher w([&](const ApiRequest&) -> Answer {
    ++lists;
    if (lists == 1) {
      return {{event("ADDED", object("a", "1", 5)), event("ADDED", object("b", "2", 6)), bookmark(9, true),
               event("ERROR", status(410, "Gone"))},
              Result<void>()};
    }
    if (lists == 2) return {{event("ADDED", object("b", "2", 6))}, Result<void>(make_error(Errc::unavailable, "cut"))};
    return {{event("ADDED", object("a", "1", 5)), event("ADDED", object("b", "2", 8)), bookmark(9, true)},
            std::nullopt};
  });
  w.loop.pump_until([&] { return w.api.open_streams == 1; });
  CHECK(w.told == Strings{"set a/1@5", "set b/2@6", "synced", "set b/2@8"});
}

TEST_CASE("an object that does not decode is passed over", "[list_watch]") {
  Watcher w([](const ApiRequest&) -> Answer {
    return {{event("ADDED", R"({"metadata":{"namespace":"d","name":"x","uid":"9","resourceVersion":"4"},"data":3})"),
             "not json", event("ADDED", object("a", "1", 5)), bookmark(9, true)},
            std::nullopt};
  });
  w.until_told(2);
  CHECK(w.told == Strings{"set a/1@5", "synced"});
}

TEST_CASE("managed fields are passed over, whatever they look like", "[list_watch]") {
  const auto managed = [](const std::string& fields) {
    return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"d","name":"a","uid":"1","managedFields":[)" +
           fields + R"(],"resourceVersion":"5"},"data":{"k":"\"managedFields\":[ not those"}})";
  };
  const std::string odd = R"({"manager":"x]\"[","fieldsV1":{"f:a":[{"b":["]"]}]}},{"manager":"\\"})";
  std::string value;
  keelson::testing::Loop loop;
  ScriptedApi api(loop.executor(), [&](const ApiRequest&) -> Answer {
    return {{event("ADDED", managed(odd)), bookmark(9, true)}, std::nullopt};
  });
  std::string version;
  ListWatch<ConfigMap> watch(loop.executor(), api, {},
                             {.on_set =
                                  [&](const auto& o) {
                                    value = o->data.at("k");
                                    version = o->metadata.resource_version;
                                  },
                              .on_delete = {},
                              .on_synced = {},
                              .on_error = {}});
  TaskGroup tasks(loop.executor());
  tasks.spawn("watch", watch.run());
  loop.pump_until([&] { return watch.synced(); });
  CHECK(value == R"("managedFields":[ not those)");
  CHECK(version == "5");
  tasks.cancel();
  loop.pump_until([&] { return tasks.size() == 0; });
}

TEST_CASE("UIDs come back as they were", "[list_watch]") {
  for (const char* text : {"", "u", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "0A1B2C3D-4e5f-6071-8293-a4b5c6d7e8f9",
                           "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9x", "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "weird uid"}) {
    CHECK(PackedUid(text).text() == text);
    CHECK(PackedUid(text) == PackedUid(text));
  }
  CHECK_FALSE(PackedUid("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9") == PackedUid("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f8"));
  CHECK_FALSE(PackedUid("a") == PackedUid("b"));
}

TEST_CASE("another error in a watch is reported and tried again", "[list_watch]") {
  int streams = 0;
  Watcher w([&](const ApiRequest& request) -> Answer {
    if (++streams == 1) return {{bookmark(9, true), event("ERROR", status(500, "InternalError"))}, Result<void>()};
    CHECK(has(request, "resourceVersion=9"));
    return {{}, std::nullopt};
  });
  w.loop.pump_until([&] { return w.api.open_streams == 1; });
  REQUIRE(w.errors.size() == 1);
  CHECK(w.errors[0].reason == "InternalError");
}

TEST_CASE("retry_now ends the wait after a failure", "[list_watch]") {
  keelson::testing::Loop loop;
  bool up = false;
  ScriptedApi api(loop.executor(), [&](const ApiRequest&) -> Answer {
    if (up) return {{bookmark(1, true)}, std::nullopt};
    return {{}, Result<void>(make_error(Errc::unavailable, "down"))};
  });
  int failures = 0;
  ListWatch<Secret> watch(loop.executor(), api, single_object("ns", "n"),
                          {{}, {}, {}, [&](const Error&) { ++failures; }});
  TaskGroup tasks(loop.executor());
  tasks.spawn("watch", watch.run());
  loop.pump_until([&] { return failures == 1; });
  CHECK(has(api.asked[0], "/api/v1/namespaces/ns/secrets?"));
  CHECK(has(api.asked[0], "fieldSelector=metadata.name%3Dn"));
  loop.pump_for(Milliseconds(50));
  CHECK(api.asked.size() == 1);  // 0.8 s at least
  up = true;
  watch.retry_now();
  loop.pump_until([&] { return watch.synced(); });
  tasks.cancel();
  loop.pump_until([&] { return tasks.size() == 0; });
  CHECK(api.open_streams == 0);
}

TEST_CASE("the backoff doubles to 30 s and forgets after 2 minutes", "[list_watch]") {
  WatchBackoff backoff{{}};
  SteadyTime now{std::chrono::hours(1)};
  CHECK(backoff.next(now, 0) == Milliseconds(800));
  CHECK(backoff.next(now, 0.5) == Milliseconds(2400));
  CHECK(backoff.next(now, 0) == Milliseconds(3200));
  for (int i = 0; i < 10; ++i) static_cast<void>(backoff.next(now, 0));
  CHECK(backoff.next(now, 0) == Seconds(15));
  CHECK(backoff.next(now, 0.999) <= Seconds(30));
  now += Seconds(121);
  CHECK(backoff.next(now, 0) == Milliseconds(800));
}
