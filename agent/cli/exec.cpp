#include <termios.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/api_client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/cli/exec_session.hpp"
#include "agent/server/http.hpp"

namespace keelson::agent {
namespace {

// The terminal passes each key on unchanged while this lives.
class RawTerminal {
 public:
  explicit RawTerminal(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &saved_) != 0) return;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(fd_, TCSADRAIN, &raw) == 0;
  }
  ~RawTerminal() {
    if (active_) ::tcsetattr(fd_, TCSADRAIN, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  termios saved_{};
  bool active_ = false;
};

}  // namespace

int run_exec(const ClientOptions& options, const ExecArgs& args) {
  const ApiClient client(options.socket);
  const auto pod = find_pod(client, args.ns, args.pod);
  if (!pod) return fail(pod.error());
  const auto& meta = pod->at("metadata");
  const auto container = args.container.empty() ? default_container(*pod) : args.container;
  std::string target = "/exec/" + percent_encode(meta.value("namespace", "default")) + "/" +
                       percent_encode(meta.value("name", "")) + "/" + percent_encode(container) + "?output=1";
  for (const auto& word : args.command) target += "&command=" + percent_encode(word);
  if (args.input) target += "&input=1";
  target += args.tty ? "&tty=1" : "&error=1";
  const auto socket = client.connect();
  if (!socket) return fail(socket.error());
  const bool terminal = args.tty && ::isatty(STDIN_FILENO) == 1;
  if (args.tty && args.input && !terminal)
    std::cerr << "keelson: stdin is no terminal; its input is passed on as it is\n";
  ExecIo io;
  io.socket = socket->get();
  io.in = args.input ? STDIN_FILENO : -1;
  io.window = terminal ? STDIN_FILENO : -1;
  io.tty = args.tty;
  const auto protocol = args.input && !args.tty ? make_spdy_protocol() : make_websocket_protocol();
  Result<int> code = 0;
  {
    std::optional<RawTerminal> raw;
    if (terminal && args.input) raw.emplace(STDIN_FILENO);
    code = run_exec_session(io, *protocol, target);
  }
  return code ? *code : fail(code.error());
}

}  // namespace keelson::agent
