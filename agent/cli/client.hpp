// The commands that ask a running daemon over its socket: get, logs, exec, explain, status, version.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace keelson::agent {

struct ClientOptions {
  std::string socket = "/run/keelson/keelson.sock";
};

// Declares the commands on `app`. A command that runs sets `exit_code`; `options` and `exit_code` must outlive the
// parse.
void add_client_commands(CLI::App& app, ClientOptions& options, int& exit_code);

}  // namespace keelson::agent
