// The flags of `keelson proxy`, which are kube-proxy's, and how they come together with --config.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/proxy/daemon.hpp"

namespace CLI {
class App;
}

namespace keelson::agent {

// What was given on the command line.
struct ProxyFlags {
  std::vector<std::string> config;
  std::map<std::string, std::string> fields;   // by the KubeProxyConfiguration field that the flag stands for
  std::map<std::string, std::string> ignored;  // kube-proxy's flags that have nothing to do here, by name
  std::optional<std::string> socket, log_level, log_format, verbosity;
  std::string api_server;
  bool cleanup = false, init_only = false;
};

// Declares the flags on `command`; they write to `flags`, which must outlive the parse.
void add_proxy_flags(CLI::App& command, ProxyFlags& flags);

// Defaults, then the files of --config, then the flags. Errors name file or flag.
Result<ProxyRun> resolve_proxy_run(const ProxyFlags& flags, std::vector<std::string>& warnings);

}  // namespace keelson::agent
