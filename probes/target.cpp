#include "probes/target.hpp"

#include <fmt/format.h>

#include <charconv>

#include "kube/container.hpp"
#include "probes/dial.hpp"
#include "probes/grpc_probe.hpp"
#include "probes/http_probe.hpp"
#include "probes/tcp_probe.hpp"

namespace keelson::probes {

Result<std::uint16_t> resolve_port(const kube::IntOrString& port, const kube::Container& container) {
  std::int64_t number = port.int_value();
  if (port.is_string()) {
    const std::string name = port.string_value();
    bool found = false;
    for (const auto& candidate : container.ports) {
      if (candidate.name != name) continue;
      number = candidate.container_port;
      found = true;
      break;
    }
    if (!found) {
      const auto* end = name.data() + name.size();
      const auto parsed = std::from_chars(name.data(), end, number);
      if (parsed.ec != std::errc() || parsed.ptr != end) {
        return make_error(Errc::invalid_argument,
                          fmt::format("port \"{}\" is no named port of container {}", name, container.name));
      }
    }
  }
  if (number < 1 || number > 65535) {
    return make_error(Errc::invalid_argument, fmt::format("invalid port number: {}", number));
  }
  return static_cast<std::uint16_t>(number);
}

Result<Target> make_target(const kube::Probe& probe, const kube::Container& container, const std::string& pod_ip) {
  if (probe.exec) {
    auto target = std::make_shared<ExecTarget>();
    target->argv = expand_command(probe.exec->command, container.env);
    return Target(std::move(target));
  }
  if (probe.http_get) {
    TRY(const auto port, resolve_port(probe.http_get->port, container));
    TRY(auto target, make_http_target(*probe.http_get, pod_ip, port));
    return Target(std::make_shared<HttpTarget>(std::move(target)));
  }
  if (probe.tcp_socket) {
    auto target = std::make_shared<TcpTarget>();
    TRY(target->port, resolve_port(probe.tcp_socket->port, container));
    target->host = probe.tcp_socket->host.empty() ? pod_ip : probe.tcp_socket->host;
    target->address = address_literal(target->host);
    return Target(std::move(target));
  }
  if (probe.grpc) {
    auto target = std::make_shared<GrpcTarget>();
    TRY(const auto port, resolve_port(kube::IntOrString(probe.grpc->port), container));
    target->address = join_host_port(pod_ip, port);
    target->service = probe.grpc->service;
    return Target(std::move(target));
  }
  return make_error(Errc::invalid_argument, "missing probe handler for container " + container.name);
}

bool needs_pod_ip(const kube::Probe& probe) {
  if (probe.exec) return false;
  if (probe.http_get) return probe.http_get->host.empty();
  if (probe.tcp_socket) return probe.tcp_socket->host.empty();
  return probe.grpc.has_value();
}

Awaitable<Outcome> attempt(Target target, const ExecCallback& exec, std::string container_id, Nanoseconds timeout) {
  if (auto* http = std::get_if<std::shared_ptr<const HttpTarget>>(&target))
    return http_probe(std::move(*http), timeout);
  if (auto* tcp = std::get_if<std::shared_ptr<const TcpTarget>>(&target)) return tcp_probe(std::move(*tcp), timeout);
  if (auto* rpc = std::get_if<std::shared_ptr<const GrpcTarget>>(&target)) return grpc_probe(std::move(*rpc), timeout);
  auto argv = std::get<std::shared_ptr<const ExecTarget>>(target)->argv;
  return exec_probe(exec, std::move(container_id), std::move(argv), timeout);
}

}  // namespace keelson::probes
