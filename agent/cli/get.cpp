#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/api_client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/cli/pod_row.hpp"
#include "agent/cli/tables.hpp"
#include "base/clock.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

// "NAME", or "NS/NAME".
bool named(const GetArgs& args, const std::string& ns, const std::string& name) {
  if (!args.ns.empty() && ns != args.ns) return false;
  if (args.names.empty()) return true;
  return std::any_of(args.names.begin(), args.names.end(),
                     [&](const std::string& wanted) { return wanted == name || wanted == ns + "/" + name; });
}

bool wanted_object(const GetArgs& args, const json& object) {
  const auto& meta = json_object(object, "metadata");
  return named(args, meta.value("namespace", "default"), meta.value("name", ""));
}

// A list of `items` without those not asked for. With names given, one that does not exist is an error.
Result<json> select(const GetArgs& args, json items) {
  json out = json::array();
  for (auto& item : items) {
    const bool wanted = item.contains("metadata")
                            ? wanted_object(args, item)
                            : named(args, item.value("namespace", "default"), item.value("name", ""));
    if (wanted) out.push_back(std::move(item));
  }
  if (!args.names.empty() && out.empty()) {
    return make_error(Errc::not_found, args.kind + " \"" + args.names.front() + "\" not found");
  }
  return json_result(std::move(out));
}

void print_json(const json& items, const char* kind) {
  const json document = {{"apiVersion", "v1"}, {"kind", kind}, {"metadata", json::object()}, {"items", items}};
  std::cout << document.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

// The table, then what is wrong with the manifests.
int print_table(const ApiClient& client, const std::string& table, bool empty) {
  if (empty) {
    std::cerr << "No resources found\n";
  } else {
    std::cout << table;
  }
  const auto problems = client.get_json("/keelson/problems");
  if (!problems) return fail(problems.error());
  const auto lines = problem_lines(*problems, false);
  if (!lines.empty()) std::cout << (empty ? "" : "\n") << lines;
  return 0;
}

std::string pod_table(const json& pods, bool with_namespace, bool wide) {
  Table table(pod_header(with_namespace, wide));
  for (const auto& pod : pods) table.add(pod_row(pod, with_namespace, wide, system_clock().now()));
  return table.take();
}

// A row (or with -o json a line) for each change, until interrupted.
int watch_pods(const ApiClient& client, const GetArgs& args) {
  const bool with_namespace = args.ns.empty(), wide = args.output == "wide";
  Table table(pod_header(with_namespace, wide));
  std::string pending;
  std::map<std::string, Table::Row> shown;  // by UID
  const auto take_line = [&](const std::string& line) {
    const auto event = json::parse(line, nullptr, false);
    if (event.is_discarded() || !event.contains("object") || !wanted_object(args, event["object"])) return;
    if (args.output == "json") {
      std::cout << line << "\n";
      return;
    }
    auto row = pod_row(event["object"], with_namespace, wide, system_clock().now());
    // A change that no column shows, or only the age, is no news.
    auto news = row;
    news[with_namespace ? 5 : 4].clear();
    news.push_back(event.value("type", "") == "DELETED" ? "gone" : "");
    if (std::exchange(shown[json_object(event["object"], "metadata").value("uid", "")], news) != news)
      table.add(std::move(row));
  };
  const auto done = client.stream("/pods?watch=1", [&](std::string_view piece) {
    pending.append(piece);
    for (std::size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
      take_line(pending.substr(0, end));
    }
    if (!table.empty()) std::cout << table.take();
    std::cout << std::flush;
    return std::cout.good();
  });
  return done ? 0 : fail(done.error());
}

int get_pods(const ApiClient& client, const GetArgs& args) {
  if (args.watch) return watch_pods(client, args);
  auto list = client.get_json("/pods");
  if (!list) return fail(list.error());
  const auto pods = select(args, std::move((*list)["items"]));
  if (!pods) return fail(pods.error());
  if (args.output == "json") {
    print_json(*pods, "PodList");
    return 0;
  }
  return print_table(client, pod_table(*pods, args.ns.empty(), args.output == "wide"), pods->empty());
}

int get_services(const ApiClient& client, const GetArgs& args, bool slices) {
  auto all = client.get_json("/keelson/services");
  if (!all) return fail(all.error());
  const auto items = select(args, std::move((*all)[slices ? "endpointSlices" : "services"]));
  if (!items) return fail(items.error());
  if (args.output == "json") {
    print_json(*items, "List");
    return 0;
  }
  const auto now = system_clock().now();
  const auto text = slices ? slice_table(*items, args.ns.empty(), now)
                           : service_table(*items, args.ns.empty(), args.output == "wide", now);
  return print_table(client, text, items->empty());
}

int get_workloads(const ApiClient& client, const GetArgs& args, const std::string& kind) {
  auto all = client.get_json("/keelson/workloads");
  if (!all) return fail(all.error());
  const auto wanted = workload_kind(kind);
  json of_kind = json::array();
  for (auto& w : *all) {
    if (wanted.empty() || w.value("kind", "") == wanted) of_kind.push_back(std::move(w));
  }
  const auto items = select(args, std::move(of_kind));
  if (!items) return fail(items.error());
  if (args.output == "json") {
    print_json(*items, "List");
    return 0;
  }
  return print_table(client, workload_table(*items, args.ns.empty()), items->empty());
}

int get_problems(const ApiClient& client, const GetArgs& args) {
  const auto problems = client.get_json("/keelson/problems");
  if (!problems) return fail(problems.error());
  if (args.output == "json") {
    print_json(*problems, "List");
  } else if (problems->empty()) {
    std::cerr << "No problems\n";
  } else {
    std::cout << problem_lines(*problems, true);
  }
  return 0;
}

}  // namespace

int run_get(const ClientOptions& options, const GetArgs& args) {
  const auto kind = canonical_kind(args.kind);
  if (!kind) {
    return fail(
        make_error(Errc::invalid_argument, "get \"" + args.kind +
                                               "\": one of pods, services, endpointslices, deployments, replicasets, "
                                               "statefulsets, daemonsets, jobs, workloads, problems"));
  }
  if (args.watch && *kind != "pods")
    return fail(make_error(Errc::invalid_argument, "--watch: only pods can be watched"));
  const ApiClient client(options.socket);
  if (*kind == "pods") return get_pods(client, args);
  if (*kind == "services" || *kind == "endpointslices") return get_services(client, args, *kind == "endpointslices");
  if (*kind == "problems") return get_problems(client, args);
  return get_workloads(client, args, *kind);
}

}  // namespace keelson::agent
