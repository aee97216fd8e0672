// The composition root: the one place that knows every module. It makes them, connects them, starts them in an order
// that the log shows by name, and stops them in reverse. Data flow:
//   manifest folder -> ManifestSource -> PodManager -> PodWorker -> runtime, volumes, probes
//   runtime events -> EventStream -> PodManager;  probe verdicts -> ProbeManager -> PodManager
//   pod statuses -> ManifestSource (endpoints) -> Services -> Proxier -> iptables
//   shim (inside RunPodSandbox) -> Network -> CNI plugins
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "agent/config/options.hpp"
#include "base/async.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {

class Daemon {
 public:
  explicit Daemon(Options options);
  ~Daemon();

  // Runs until SIGTERM or SIGINT, leaving every pod as it is; the process' exit code. A start that fails is logged.
  int run();
  // Stops and removes every pod that the runtime holds, everything on disk of them, their networks and all rules, then
  // returns: `keelson cleanup`.
  int clean_up();

  struct Parts;

 private:
  Result<void> claim_root_dir();
  Result<void> load_providers();
  Awaitable<Result<void>> start();
  Awaitable<Result<void>> connect_runtime();
  Awaitable<void> serve();
  Awaitable<void> remove_all();
  Awaitable<void> stop();
  int drive(Awaitable<void> main);

  Options options_;
  UniqueFd root_lock_;
  asio::io_context loop_{1};
  std::unique_ptr<Parts> parts_;
  int exit_code_ = 0;
};

}  // namespace keelson::agent
