// What one attempt of a probe found, and the few words that all kinds of attempts share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/async.hpp"

namespace keelson::probes {

enum class OutcomeKind : std::uint8_t {
  success,
  warning,  // counts as success, and is worth an event
  failure,
  error,  // the attempt itself could not be made; says nothing about the container
};

struct Outcome {
  OutcomeKind kind = OutcomeKind::error;
  std::string text;  // what the event shows; for a success often empty
};

// How the User-Agent headers name us: servers tell probes by "kube-probe/".
inline constexpr std::string_view kProbeUserAgent = "kube-probe/1.35";
inline constexpr std::string_view kLifecycleUserAgent = "kube-lifecycle/1.35";

// Bytes kept of a response body or of a command's output.
inline constexpr std::size_t kMaxOutput = 10 * 1024;

// `text` cut to kMaxOutput.
[[nodiscard]] std::string limit_output(std::string text);

// A duration as Go prints it, which probe messages show: "1s", "1m30s", "1h0m0s", "250ms", "1.5s".
[[nodiscard]] std::string format_duration(Nanoseconds duration);

// "HOST:PORT", an IPv6 host in brackets.
[[nodiscard]] std::string join_host_port(std::string_view host, unsigned port);

// The error's words in lower case, without the system's capital letter: "connection refused".
[[nodiscard]] std::string error_words(const boost::system::error_code& error);

}  // namespace keelson::probes
