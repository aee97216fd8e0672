// What the client commands do, once the command line is read. Each returns the process' exit code, and says what went
// wrong in one line on stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/client.hpp"

namespace keelson::agent {

struct GetArgs {
  std::string kind;                // pods, services, deployments, ..., in any form that kubectl takes
  std::vector<std::string> names;  // none: all
  std::string ns;                  // empty: all
  bool all = false;                // asks for all, whatever ns says
  std::string output;              // "", wide, json
  bool watch = false;
};
int run_get(const ClientOptions& options, const GetArgs& args);

struct LogsArgs {
  std::string pod, ns, container;
  bool follow = false, previous = false, timestamps = false;
  std::optional<std::int64_t> tail, limit_bytes;
  std::string since, since_time;
};
int run_logs(const ClientOptions& options, const LogsArgs& args);

struct ExecArgs {
  std::string pod, ns, container;
  bool input = false, tty = false;
  std::vector<std::string> command;
};
// The exit code is the command's own.
int run_exec(const ClientOptions& options, const ExecArgs& args);

int run_explain(const ClientOptions& options, const std::string& ns, const std::string& subject);
// How packets to a Service are handled on this node.
int run_explain_service(const ClientOptions& options, const std::string& ns, const std::string& name);
int run_status(const ClientOptions& options, const std::string& output);
int run_version(const ClientOptions& options);

}  // namespace keelson::agent
