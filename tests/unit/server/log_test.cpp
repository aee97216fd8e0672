#include <catch2/catch.hpp>

#include "agent/server/log_request.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

constexpr SystemTime kNow = SystemTime(std::chrono::seconds(1'700'000'000));

std::string render(const LogSelection& selection, const std::vector<std::string>& pieces) {
  LogRenderer renderer(selection);
  std::string out;
  for (const auto& piece : pieces) renderer.feed(piece, out);
  return out;
}

// Where the last n lines begin, searched in blocks of `block` bytes.
std::size_t tail(const std::string& text, std::int64_t n, std::size_t block) {
  std::int64_t found = 0;
  for (std::size_t end = text.size(); end > 0;) {
    const std::size_t begin = end > block ? end - block : 0;
    if (const auto at = find_tail(std::string_view(text).substr(begin, end - begin), end == text.size(), n, found)) {
      return begin + *at;
    }
    end = begin;
  }
  return 0;
}

ParsedLogRequest parse(const std::string& query) {
  HttpRequest request;
  request.params = parse_query(query);
  return parse_log_request(request, kNow);
}

const std::string kLog =
    "2024-05-01T10:00:00.1Z stdout F one\n"
    "2024-05-01T10:00:01.123456789Z stderr P tw\n"
    "2024-05-01T10:00:02Z stderr F o\n"
    "not a log line\n"
    "2024-05-01T10:00:03Z stdout F \n";

}  // namespace

TEST_CASE("CRI log lines") {
  const auto line = parse_log_line("2024-05-01T10:00:00.1Z stdout F a b  c");
  REQUIRE(line);
  CHECK(line->time == "2024-05-01T10:00:00.1Z");
  CHECK(line->stream == "stdout");
  CHECK_FALSE(line->partial);
  CHECK(line->text == "a b  c");
  CHECK(parse_log_line("t stderr P:x text")->partial);
  CHECK(parse_log_line("t stdout F ")->text.empty());
  for (const char* bad : {"", "t", "t stdout", "t stdout F", "t other F x", "t stdout X x"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_log_line(bad));
  }
}

TEST_CASE("Partial lines are joined, strange ones left out, however the bytes are cut") {
  CHECK(render({}, {kLog}) == "one\ntwo\n\n");
  std::vector<std::string> bytes;
  for (const char c : kLog) bytes.emplace_back(1, c);
  CHECK(render({}, bytes) == "one\ntwo\n\n");
  CHECK(render({}, {kLog.substr(0, 50), kLog.substr(50)}) == "one\ntwo\n\n");
}

TEST_CASE("Timestamps stand before whole lines, with nine digits") {
  LogSelection selection;
  selection.timestamps = true;
  CHECK(render(selection, {kLog}) ==
        "2024-05-01T10:00:00.100000000Z one\n2024-05-01T10:00:01.123456789Z two\n2024-05-01T10:00:03.000000000Z \n");
}

TEST_CASE("Since leaves out earlier lines; limitBytes cuts the output") {
  LogSelection selection;
  selection.since = *kube::parse_time("2024-05-01T10:00:02Z");
  CHECK(render(selection, {kLog}) == "o\n\n");
  selection = {};
  selection.limit_bytes = 6;
  CHECK(render(selection, {kLog}) == "one\ntw");
  LogRenderer renderer(selection);
  std::string out;
  renderer.feed(kLog, out);
  CHECK(renderer.full());
}

TEST_CASE("An unfinished line of a rotated file is not mixed with the next file") {
  LogRenderer renderer({});
  std::string out;
  renderer.feed("2024-05-01T10:00:00Z stdout F half a li", out);
  renderer.next_file();
  renderer.feed("2024-05-01T10:00:01Z stdout F next\n", out);
  CHECK(out == "next\n");
}

TEST_CASE("The tail of a file is found across blocks") {
  const std::string text = "one\ntwo\nthree\nfour\n";
  for (const std::size_t block : {1, 2, 3, 7, 100}) {
    CAPTURE(block);
    CHECK(text.substr(tail(text, 1, block)) == "four\n");
    CHECK(text.substr(tail(text, 2, block)) == "three\nfour\n");
    CHECK(text.substr(tail(text, 4, block)) == text);
    CHECK(text.substr(tail(text, 9, block)) == text);
    CHECK(text.substr(tail(text, 0, block)).empty());
    const std::string open = text + "fi";
    CHECK(open.substr(tail(open, 1, block)) == "fi");
    CHECK(open.substr(tail(open, 2, block)) == "four\nfi");
  }
}

TEST_CASE("Log requests are read and checked") {
  const auto all = parse("follow=true&previous=1&timestamps=true&tailLines=5&sinceSeconds=10&limitBytes=7");
  REQUIRE(all.request);
  CHECK(all.request->follow);
  CHECK(all.request->previous);
  CHECK(all.request->selection == LogSelection{kNow - Seconds(10), 5, 7, true});
  CHECK(parse("tail=3").request->selection.tail_lines == 3);
  CHECK(parse("tail=all").request->selection.tail_lines == std::nullopt);
  CHECK(parse("sinceTime=2024-05-01T10:00:00Z").request->selection.since == *kube::parse_time("2024-05-01T10:00:00Z"));
  CHECK(parse("stream=All").request);
  for (const char* bad : {"tailLines=x", "limitBytes=1k", "sinceTime=yesterday", "stream=Stdout"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse(bad).request);
    CHECK(parse(bad).error.status == 400);
  }
  for (const char* invalid :
       {"tailLines=-1", "sinceSeconds=0", "limitBytes=0", "sinceSeconds=5&sinceTime=2024-05-01T10:00:00Z"}) {
    CAPTURE(invalid);
    CHECK_FALSE(parse(invalid).request);
    CHECK(parse(invalid).error.status == 422);
  }
}

TEST_CASE("Which instance's log is shown, and why none is") {
  kube::Pod pod;
  pod.metadata.name = "web";
  pod.spec.containers.emplace_back().name = "app";
  kube::PodStatus status;
  const auto error = [&](bool previous) { return choose_log_instance(pod, status, "app", previous).error().message; };
  CHECK(choose_log_instance(pod, status, "nope", false).error().code == Errc::not_found);
  CHECK(error(false) == "container \"app\" in pod \"web\" is not available");

  status.container_statuses.emplace_back().name = "app";
  auto& c = status.container_statuses.front();
  c.state.waiting = {"ContainerCreating", ""};
  CHECK(error(false) == "container \"app\" in pod \"web\" is waiting to start: ContainerCreating");
  c.state.waiting->reason = "ErrImagePull";
  CHECK(error(false) == "container \"app\" in pod \"web\" is waiting to start: image can't be pulled");
  c.state.waiting->reason = "ImagePullBackOff";
  CHECK(error(false) == "container \"app\" in pod \"web\" is waiting to start: trying and failing to pull image");
  CHECK(error(true) == "previous terminated container \"app\" in pod \"web\" not found");

  c.last_state.terminated.emplace().container_id = "containerd://old";
  CHECK(*choose_log_instance(pod, status, "app", false) == "old");
  CHECK(*choose_log_instance(pod, status, "app", true) == "old");

  c.state = {};
  c.state.running.emplace();
  c.container_id = "containerd://new";
  CHECK(*choose_log_instance(pod, status, "app", false) == "new");
  CHECK(instance_runs(status, "app", "new"));
  CHECK_FALSE(instance_runs(status, "app", "old"));

  c.state = {};
  c.state.terminated.emplace();
  c.last_state = {};
  CHECK(error(false) == "container \"app\" in pod \"web\" is terminated");
}
