#include "agent/cli/app.hpp"

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "agent/cli/client.hpp"
#include "agent/cli/join.hpp"
#include "agent/cli/proxy_flags.hpp"
#include "agent/cli/run_flags.hpp"
#include "agent/daemon/daemon.hpp"

namespace keelson::agent {
namespace {

// Few threads allocate little: one arena serves them, and memory that a burst took goes back to the system.
void tune_allocator() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

Result<Options> prepare(const RunFlags& flags) {
  std::vector<std::string> warnings;
  TRY(auto options, resolve_options(flags, warnings));
  init_logging(options.log_level, options.log_format);
  for (const auto& warning : warnings) log_warn("configuration", {{"warning", warning}});
  return options;
}

int fail(const Error& error) {
  std::cerr << "keelson: " << error.message << "\n";
  return 1;
}

int run_daemon(const RunFlags& flags) {
  auto options = prepare(flags);
  if (!options) return fail(options.error());
  if (const auto checked = check_options(*options); !checked) return fail(checked.error());
  tune_allocator();
  return Daemon(std::move(*options)).run();
}

int run_cleanup(const RunFlags& flags) {
  auto options = prepare(flags);
  if (!options) return fail(options.error());
  options->manifests.clear();
  options->cluster = {};
  return Daemon(std::move(*options)).clean_up();
}

int run_proxy(const ProxyFlags& flags) {
  std::vector<std::string> warnings;
  auto run = resolve_proxy_run(flags, warnings);
  if (!run) return fail(run.error());
  init_logging(run->options.log_level, run->options.log_format);
  for (const auto& warning : warnings) log_warn("configuration", {{"warning", warning}});
  tune_allocator();
  ProxyDaemon daemon(std::move(*run));
  return flags.cleanup ? daemon.clean_up() : daemon.run();
}

}  // namespace

int run_command_line(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  CLI::App app{
      "keelson: a node agent for Kubernetes. Runs the pods and Services of a folder of manifests on containerd."};
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  keelson run --manifests ./manifests     run what the folder says, until Ctrl-C; pods go on running\n"
      "  keelson get pods -o wide                what runs\n"
      "  keelson explain web                     why it does not\n"
      "  keelson cleanup                         stop and remove everything");
  int exit_code = 0;

  RunFlags run_flags;
  auto* run = app.add_subcommand("run", "Run the node agent")->group("Daemon");
  run->add_option("--manifests", run_flags.manifests, "Folder of Kubernetes files to run")->group("General");
  add_run_flags(*run, run_flags);
  run->callback([&] { exit_code = run_daemon(run_flags); });

  RunFlags cleanup_flags;
  auto* cleanup =
      app.add_subcommand("cleanup", "Stop and remove all pods, their networks, volumes and files, and all rules")
          ->group("Daemon");
  add_run_flags(*cleanup, cleanup_flags);
  cleanup->callback([&] { exit_code = run_cleanup(cleanup_flags); });

  ProxyFlags proxy_flags;
  auto* proxy = app.add_subcommand("proxy", "Run the Service proxy alone, in the place of kube-proxy")->group("Daemon");
  add_proxy_flags(*proxy, proxy_flags);
  proxy->callback([&] { exit_code = run_proxy(proxy_flags); });

  JoinArgs join_args;
  auto* join =
      app.add_subcommand("join", "Prepare this machine to join a cluster, with a kubeadm-style token")->group("Daemon");
  join->add_option("API-SERVER", join_args.server, "HOST:PORT of the API server")->required();
  join->add_option("--token", join_args.token, "Bootstrap token, ID.SECRET (`kubeadm token create`)")->required();
  join->add_option("--discovery-token-ca-cert-hash", join_args.ca_hashes,
                   "sha256:HEX of the CA's public key; may be repeated");
  join->add_option("--dir", join_args.folder, "Where to write the files [/etc/keelson]");
  join->callback([&] { exit_code = run_join(join_args); });

  ClientOptions client;
  add_client_commands(app, client, exit_code);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace keelson::agent
