// An Api that plays a script and remembers what it was asked.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/notifier.hpp"
#include "kube/client/api.hpp"

namespace keelson::kube::test {

class ScriptedApi final : public Api {
 public:
  // How one request is answered: the lines (or the body) in order, then `end`. Without `end` a stream stays open.
  struct Answer {
    std::vector<std::string> lines;
    std::optional<Result<void>> end;
  };
  using Script = std::function<Answer(const ApiRequest&)>;

  ScriptedApi(const Executor& executor, Script script) : executor_(executor), script_(std::move(script)) {}

  Awaitable<Result<std::string>> send(ApiRequest request) override {
    asked.push_back(request);
    Answer answer = script_(request);
    if (answer.end && !*answer.end) co_return answer.end->error();
    co_return answer.lines.empty() ? std::string("{}") : answer.lines.front();
  }

  Awaitable<Result<void>> stream(ApiRequest request, LineHandler on_line) override {
    asked.push_back(request);
    Answer answer = script_(request);
    for (const std::string& line : answer.lines) on_line(line);
    if (answer.end) co_return *answer.end;
    ++open_streams;
    push_line = on_line;
    const OnExit leave{open_streams};
    Notifier never(executor_);
    co_await never.wait();
    co_return Result<void>();
  }

  std::vector<ApiRequest> asked;
  int open_streams = 0;
  LineHandler push_line;  // of the stream opened last

 private:
  struct OnExit {
    int& count;
    ~OnExit() { --count; }
  };
  Executor executor_;
  Script script_;
};

}  // namespace keelson::kube::test
