// Times as the API writes them: RFC 3339, in whole seconds (metav1.Time) or with a fraction (metav1.MicroTime).
#pragma once

#include <string>
#include <string_view>

#include "base/chrono.hpp"
#include "base/result.hpp"

namespace keelson::kube {

using Time = keelson::SystemTime;

// Reads RFC 3339 with an optional fraction (to the nanosecond) and "Z" or an offset, e.g. "2024-05-01T10:00:00+02:00".
[[nodiscard]] Result<Time> parse_time(std::string_view text);
// "2024-05-01T08:00:00Z": whole seconds, UTC, as metav1.Time.
[[nodiscard]] std::string format_time(Time time);
// "2024-05-01T08:00:00.123456Z": always six digits, as metav1.MicroTime (events, leases).
[[nodiscard]] std::string format_micro_time(Time time);
// "2024-05-01T08:00:00.123456789Z": always nine digits, as CRI log lines (Go's RFC3339NanoFixed).
[[nodiscard]] std::string format_nano_time(Time time);

// A Go duration of at least 0, as metav1.Duration holds it: "1h2m3.5s", "300ms", "0".
[[nodiscard]] Result<Nanoseconds> parse_duration(std::string_view text);

}  // namespace keelson::kube
