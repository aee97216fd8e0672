#include "agent/cli/client.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "agent/cli/commands.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kInspect = "Look";
constexpr const char* kWork = "Work with containers";

CLI::App* add_command(CLI::App& app, ClientOptions& options, const char* name, const char* what, const char* group) {
  auto* command = app.add_subcommand(name, what)->group(group);
  command->add_option("--socket", options.socket, "Socket of the daemon [/run/keelson/keelson.sock]")
      ->envname("KEELSON_SOCKET");
  return command;
}

void add_namespace(CLI::App& command, std::string& ns) {
  command.add_option("-n,--namespace", ns, "Namespace [\"default\", else the only one with such a pod]");
}

void add_get(CLI::App& app, ClientOptions& options, int& exit_code) {
  auto args = std::make_shared<GetArgs>();
  auto* c = add_command(app, options, "get", "List pods, services, workloads or problems", kInspect);
  c->add_option(
       "KIND", args->kind,
       "pods, services, endpointslices, deployments, replicasets, statefulsets, daemonsets, jobs, workloads, problems")
      ->required();
  c->add_option("NAME", args->names, "Only these [all]");
  c->add_option("-n,--namespace", args->ns, "Only this namespace [all]");
  c->add_flag("-A,--all-namespaces", args->all, "All namespaces (the default)");
  c->add_option("-o,--output", args->output, "wide or json")->check(CLI::IsMember({"wide", "json"}));
  c->add_flag("-w,--watch", args->watch, "Go on with a line for each change (pods)");
  c->footer(
      "Examples:\n  keelson get pods -o wide\n  keelson get svc\n  keelson get pods --watch\n  keelson get workloads");
  c->callback([args, &options, &exit_code] {
    if (args->all) args->ns.clear();
    exit_code = run_get(options, *args);
  });
}

void add_logs(CLI::App& app, ClientOptions& options, int& exit_code) {
  auto args = std::make_shared<LogsArgs>();
  auto* c = add_command(app, options, "logs", "Print what a container wrote", kWork);
  c->add_option("POD", args->pod, "NAME or NAMESPACE/NAME")->required();
  add_namespace(*c, args->ns);
  c->add_option("-c,--container", args->container, "Container [the first]");
  c->add_flag("-f,--follow", args->follow, "Go on until the container ends");
  c->add_flag("-p,--previous", args->previous, "Of the instance before the present one");
  c->add_option("--tail", args->tail, "Only the last lines; -1 for all");
  c->add_option("--since", args->since, "Only the last 30s, 5m, 2h, ...");
  c->add_option("--since-time", args->since_time, "Only after this time (RFC 3339)")->excludes("--since");
  c->add_flag("--timestamps", args->timestamps, "Each line's time before it");
  c->add_option("--limit-bytes", args->limit_bytes, "Stop after so many bytes")->check(CLI::PositiveNumber);
  c->callback([args, &options, &exit_code] { exit_code = run_logs(options, *args); });
}

void add_exec(CLI::App& app, ClientOptions& options, int& exit_code) {
  auto args = std::make_shared<ExecArgs>();
  auto* c = add_command(app, options, "exec", "Run a command in a container", kWork);
  c->add_option("POD", args->pod, "NAME or NAMESPACE/NAME")->required();
  add_namespace(*c, args->ns);
  c->add_option("-c,--container", args->container, "Container [the first]");
  c->add_flag("-i,--stdin", args->input, "Pass stdin on");
  c->add_flag("-t,--tty", args->tty, "With a terminal");
  c->add_option("COMMAND", args->command, "Command and its arguments, after --")->required();
  c->footer(
      "Examples:\n  keelson exec web -- ls -l /\n  keelson exec -it web -c side -- sh\nThe exit code is the "
      "command's.");
  c->callback([args, &options, &exit_code] { exit_code = run_exec(options, *args); });
}

void add_explain(CLI::App& app, ClientOptions& options, int& exit_code) {
  struct Args {
    std::string ns, subject, service;
  };
  auto args = std::make_shared<Args>();
  auto* c = add_command(app, options, "explain",
                        "Tell what was done for a pod, or how packets to a Service are handled", kInspect);
  c->add_option("POD|FILE|service", args->subject,
                "A pod, a workload, a file of the manifest folder; or the word service, with a name after it")
      ->required();
  c->add_option("SERVICE", args->service, "The Service's name, or NAMESPACE/NAME");
  c->add_option("-n,--namespace", args->ns, "Namespace [any]");
  c->footer(
      "Examples:\n  keelson explain web\n  keelson explain service web -n shop\n"
      "Of `keelson proxy`: keelson explain service web --socket /run/keelson/proxy.sock");
  c->callback([args, &options, &exit_code] {
    if (args->service.empty()) {
      exit_code = run_explain(options, args->ns, args->subject);
      return;
    }
    if (args->subject != "service" && args->subject != "services" && args->subject != "svc") {
      throw CLI::ValidationError("explain", "expected one name, or `service NAME`");
    }
    const auto slash = args->service.find('/');
    const auto ns = slash == std::string::npos ? args->ns : args->service.substr(0, slash);
    exit_code =
        run_explain_service(options, ns, slash == std::string::npos ? args->service : args->service.substr(slash + 1));
  });
}

}  // namespace

void add_client_commands(CLI::App& app, ClientOptions& options, int& exit_code) {
  add_get(app, options, exit_code);
  add_explain(app, options, exit_code);
  auto output = std::make_shared<std::string>();
  auto* status = add_command(app, options, "status", "The node: runtime, pod network, Service rules", kInspect);
  status->add_option("-o,--output", *output, "json")->check(CLI::IsMember({"json"}));
  status->callback([output, &options, &exit_code] { exit_code = run_status(options, *output); });
  add_logs(app, options, exit_code);
  add_exec(app, options, exit_code);
  auto* version =
      add_command(app, options, "version", "Versions of this program, the daemon and the runtime", kInspect);
  version->callback([&options, &exit_code] { exit_code = run_version(options); });
}

}  // namespace keelson::agent
