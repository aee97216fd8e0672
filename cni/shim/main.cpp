// keelson-cni: the CNI plugin that a container runtime sees. It hands every call to the agent and prints the answer.
// When the agent is not there: ADD is refused with "try again later" (nobody starts pods without the agent), DEL is
// done here out of the agent's store or left as a tombstone (a pod must always be removable), STATUS says so.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cni/shim/forward.hpp"
#include "cni/shim/standalone.hpp"
#include "cni/version.hpp"

extern char** environ;

namespace keelson::cni {
namespace {

using std::chrono::milliseconds;

struct Outcome {
  int exit_code = 0;
  std::string out;
};

Outcome failure(const CniError& error) { return {1, render_error(error, kCurrentVersion)}; }

// Replies are awaited a little longer than the agent's own budgets: ADD 120 s and its rollback, DEL 60 s, STATUS 2 s.
ForwardTiming timing_for(std::string_view command, const ShimOptions& options) {
  ForwardTiming timing{milliseconds(2000), milliseconds(75'000)};
  if (command == "ADD") timing = {milliseconds(5000), milliseconds(200'000)};
  if (command == "STATUS") timing = {milliseconds(500), milliseconds(4000)};
  if (options.connect_timeout_ms) timing.connect = milliseconds(*options.connect_timeout_ms);
  return timing;
}

Result<std::string> read_stdin() {
  std::string data;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n == 0) return data;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read stdin");
    data.append(buffer, static_cast<std::size_t>(n));
    if (data.size() > kMaxMessage) return make_error(Errc::resource_exhausted, "the configuration is too large");
  }
}

ShimRequest make_request(std::string stdin_data) {
  ShimRequest request;
  request.stdin_data = std::move(stdin_data);
  for (char** entry = environ; *entry; ++entry) {
    const char* equals = std::strchr(*entry, '=');
    if (equals && std::strncmp(*entry, "CNI_", 4) == 0) {
      request.env[std::string(*entry, static_cast<std::size_t>(equals - *entry))] = equals + 1;
    }
  }
  return request;
}

Outcome answer_version() {
  std::string list;
  for (const auto& version : supported_versions()) list += (list.empty() ? "\"" : ",\"") + version + "\"";
  return {0, "{\"cniVersion\":\"" + std::string(kCurrentVersion) + "\",\"supportedVersions\":[" + list + "]}"};
}

CniResult<Attachment> parse_attachment(const ShimRequest& request) {
  const auto variable = [&request](const char* name) {
    const auto found = request.env.find(name);
    return found == request.env.end() ? std::string() : found->second;
  };
  Attachment attachment;
  attachment.container_id = variable("CNI_CONTAINERID");
  attachment.netns = variable("CNI_NETNS");
  attachment.ifname = variable("CNI_IFNAME");
  TRY(attachment.args, parse_args(variable("CNI_ARGS")));
  CHECK_OK(validate_container_id(attachment.container_id));
  CHECK_OK(validate_interface_name(attachment.ifname));
  return attachment;
}

Outcome delete_without_agent(const ShimOptions& options, const ShimRequest& request) {
  const auto attachment = parse_attachment(request);
  if (!attachment) return failure(CniError(code::kInvalidEnvironment, attachment.error().msg));
  auto done = delete_standalone(options, *attachment, request.stdin_data);
  if (done && *done == StandaloneDel::agent_is_up) {
    // It holds the state but does not listen yet, or no more: the running agent, or the next one, replays this.
    done = write_tombstone(options, *attachment, request.stdin_data);
  }
  return done ? Outcome{} : failure(done.error());
}

Outcome without_agent(const std::string& command, const ShimOptions& options, const ShimRequest& request,
                      const Error& why) {
  if (command == "DEL") return delete_without_agent(options, request);
  if (command == "GC") return {};  // the agent collects on its own when it starts
  if (command == "STATUS") {
    return failure(CniError(code::kNotAvailable, "the node agent (keelson) is not running", why.message));
  }
  return failure(CniError(code::kTryAgainLater, "the node agent (keelson) is not running", why.message));
}

Outcome run() {
  const char* command = std::getenv("CNI_COMMAND");
  if (!command) return failure(CniError(code::kInvalidEnvironment, "CNI_COMMAND: required"));
  if (std::strcmp(command, "VERSION") == 0) return answer_version();
  auto stdin_data = read_stdin();
  if (!stdin_data) return failure(stdin_data.error());
  const auto options = parse_shim_options(*stdin_data);
  if (!options) return failure(CniError(code::kDecode, "network configuration: " + options.error().message));
  const ShimRequest request = make_request(std::move(*stdin_data));
  const auto reply = forward(options->socket, request, timing_for(command, *options));
  if (reply) return {reply->exit_code, reply->stdout_data};
  const bool agent_is_gone = reply.error().code == Errc::unavailable || reply.error().code == Errc::cancelled;
  if (agent_is_gone) return without_agent(command, *options, request, reply.error());
  return failure(CniError(reply.error()));
}

int print(const Outcome& outcome) {
  std::string_view rest = outcome.out;
  while (!rest.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (n < 0 && errno != EINTR) return 1;
    if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return outcome.exit_code;
}

}  // namespace
}  // namespace keelson::cni

int main() { return keelson::cni::print(keelson::cni::run()); }
