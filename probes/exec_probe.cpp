#include "probes/exec_probe.hpp"

#include <fmt/format.h>

#include <string_view>

#include "base/strings.hpp"
#include "kube/container.hpp"

namespace keelson::probes {
namespace {

const std::string* literal(const std::vector<kube::EnvVar>& env, std::string_view name) {
  const std::string* found = nullptr;  // of two entries the later one counts
  for (const auto& entry : env) {
    if (entry.name == name) found = entry.value_from ? nullptr : &entry.value;
  }
  return found;
}

std::string expand(std::string_view text, const std::vector<kube::EnvVar>& env) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (const auto end = text.find(')', i); text[i + 1] == '(' && end != std::string_view::npos) {
      const auto* value = literal(env, text.substr(i + 2, end - i - 2));
      out += value ? std::string_view(*value) : text.substr(i, end - i + 1);
      i = end;
    } else {
      out += '$';
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> expand_command(const std::vector<std::string>& command, const std::vector<kube::EnvVar>& env) {
  std::vector<std::string> out;
  out.reserve(command.size());
  for (const auto& word : command) out.push_back(expand(word, env));
  return out;
}

Awaitable<Outcome> exec_probe(const ExecCallback& exec, std::string container_id, std::vector<std::string> argv,
                              Nanoseconds timeout) {
  Result<ExecResult> result = co_await exec(std::move(container_id), argv, timeout);
  Outcome outcome;
  if (result) {
    outcome.kind = result->exit_code == 0 ? OutcomeKind::success : OutcomeKind::failure;
    outcome.text = limit_output(std::move(result->output));
  } else if (result.error().code == Errc::deadline_exceeded) {
    outcome.kind = OutcomeKind::failure;
    outcome.text =
        fmt::format("command timed out: \"{}\" timed out after {}", join(argv, " "), format_duration(timeout));
  } else {
    outcome.kind = OutcomeKind::error;
    outcome.text = result.error().message;
  }
  co_return outcome;
}

}  // namespace keelson::probes
