// Probes and lifecycle hooks.
#include <algorithm>
#include <array>
#include <charconv>

#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

void check_port(const IntOrString& port, const FieldPath& at, FieldErrors& errors) {
  if (port.is_string()) {
    check_required(port.string_value(), check_port_name, at, errors);
  } else if (std::string why = check_port_number(port.int_value()); !why.empty()) {
    errors.invalid(at, port.int_value(), why);
  }
}

void check_http_get(const HttpGetAction& get, const FieldPath& at, FieldErrors& errors) {
  check_present(get.path, at / "path", errors);
  check_port(get.port, at / "port", errors);
  errors.one_of(at / "scheme", get.scheme, {"HTTP", "HTTPS"}, true);
  for (std::size_t i = 0; i < get.http_headers.size(); ++i) {
    const std::string& name = get.http_headers[i].name;
    bool token = !name.empty() && name.find_first_not_of(
                                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789-_") == std::string::npos;
    if (!token) {
      errors.invalid((at / "httpHeaders")[i] / "name", name,
                     "a valid HTTP header must consist of alphanumeric characters, '-' or '_'");
    }
  }
}

// Those that probes and hooks share. Returns how many handlers there are.
template <class Handler>
int check_common(const Handler& handler, const FieldPath& at, FieldErrors& errors) {
  int count = 0;
  if (handler.exec) {
    ++count;
    if (handler.exec->command.empty()) errors.required(at / "exec" / "command");
  }
  if (handler.http_get) {
    ++count;
    check_http_get(*handler.http_get, at / "httpGet", errors);
  }
  if (handler.tcp_socket) {
    ++count;
    check_port(handler.tcp_socket->port, at / "tcpSocket" / "port", errors);
  }
  return count;
}

void check_count(int count, const FieldPath& at, FieldErrors& errors) {
  if (count == 0) errors.required(at, "must specify a handler type");
  if (count > 1) errors.forbidden(at, "may not specify more than 1 handler type");
}

void check_hook(const LifecycleHandler& hook, std::int64_t grace_seconds, const FieldPath& at, FieldErrors& errors) {
  int count = check_common(hook, at, errors);
  if (hook.sleep) {
    ++count;
    if (hook.sleep->seconds < 0 || hook.sleep->seconds > grace_seconds) {
      errors.invalid(at / "sleep" / "seconds", hook.sleep->seconds,
                     "must be non-negative and not more than terminationGracePeriodSeconds (" +
                         std::to_string(grace_seconds) + ")");
    }
  }
  check_count(count, at, errors);
}

// The names that the API has; numbered ones are SIGRTMINPLUS1..15 and SIGRTMAXMINUS14..1.
bool is_signal_name(std::string_view name) {
  constexpr std::array<std::string_view, 35> kNames = {
      "SIGABRT", "SIGALRM",   "SIGBUS",  "SIGCHLD",   "SIGCLD",   "SIGCONT", "SIGFPE",  "SIGHUP",  "SIGILL",
      "SIGINT",  "SIGIO",     "SIGIOT",  "SIGKILL",   "SIGPIPE",  "SIGPOLL", "SIGPROF", "SIGPWR",  "SIGQUIT",
      "SIGSEGV", "SIGSTKFLT", "SIGSTOP", "SIGSYS",    "SIGTERM",  "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU",
      "SIGURG",  "SIGUSR1",   "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ", "SIGRTMIN"};
  if (name == "SIGRTMAX" || std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return true;
  const auto numbered = [&](std::string_view prefix, int max) {
    if (name.substr(0, prefix.size()) != prefix) return false;
    const std::string_view digits = name.substr(prefix.size());
    int number = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return ec == std::errc() && end == digits.data() + digits.size() && digits[0] != '0' && number >= 1 &&
           number <= max;
  };
  return numbered("SIGRTMINPLUS", 15) || numbered("SIGRTMAXMINUS", 14);
}

}  // namespace

void check_probe(const Probe& probe, ProbeKind kind, const FieldPath& at, FieldErrors& errors) {
  int count = check_common(probe, at, errors);
  if (probe.grpc) {
    ++count;
    if (std::string why = check_port_number(probe.grpc->port); !why.empty()) {
      errors.invalid(at / "grpc" / "port", probe.grpc->port, why);
    }
  }
  check_count(count, at, errors);
  errors.at_least(at / "initialDelaySeconds", probe.initial_delay_seconds, 0);
  errors.at_least(at / "timeoutSeconds", probe.timeout_seconds, 1);
  errors.at_least(at / "periodSeconds", probe.period_seconds, 1);
  errors.at_least(at / "successThreshold", probe.success_threshold, 1);
  errors.at_least(at / "failureThreshold", probe.failure_threshold, 1);
  if (kind != ProbeKind::readiness && probe.success_threshold > 1) {
    errors.invalid(at / "successThreshold", probe.success_threshold, "must be 1");
  }
  if (kind == ProbeKind::readiness && probe.termination_grace_period_seconds) {
    errors.invalid(at / "terminationGracePeriodSeconds", *probe.termination_grace_period_seconds,
                   "must not be set for readinessProbes");
  }
  check_at_least(probe.termination_grace_period_seconds, 1, at / "terminationGracePeriodSeconds", errors);
}

void check_lifecycle(const Lifecycle& lifecycle, std::int64_t grace_seconds, const FieldPath& at, FieldErrors& errors) {
  if (lifecycle.post_start) check_hook(*lifecycle.post_start, grace_seconds, at / "postStart", errors);
  if (lifecycle.pre_stop) check_hook(*lifecycle.pre_stop, grace_seconds, at / "preStop", errors);
  if (!lifecycle.stop_signal.empty() && !is_signal_name(lifecycle.stop_signal)) {
    errors.invalid(at / "stopSignal", lifecycle.stop_signal, "must be the name of a signal, such as SIGTERM");
  }
}

}  // namespace keelson::kube
