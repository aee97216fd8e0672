#include "agent/config/proxy_options.hpp"

#include <charconv>

#include "proxy/ip.hpp"

namespace keelson::agent {
namespace {

bool is_v6(const std::string& ip) { return ip.find(':') != std::string::npos; }

}  // namespace

Result<BindAddress> parse_bind_address(std::string_view text, std::uint16_t default_port) {
  const Error refusal =
      make_error(Errc::invalid_argument, "\"" + std::string(text) + "\": expected IP, IP:PORT or [IP]:PORT");
  std::string_view ip = text, port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return refusal;
    ip = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return refusal;
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
    ip = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  BindAddress out{std::string(ip), default_port};
  if (ip != "0.0.0.0" && ip != "::" && !proxy::IpAddress::parse(ip)) return refusal;
  if (port.empty()) return out;
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (ec != std::errc() || end != port.data() + port.size()) return refusal;
  return out;
}

Result<BindAddress> proxy_healthz_address(const ProxyOptions& options) {
  const std::string standard = is_v6(options.bind_address) ? "::" : "0.0.0.0";
  const std::string& text = options.healthz_address.empty() ? standard : options.healthz_address;
  return with_context(parse_bind_address(text, kProxyHealthPort), "healthzBindAddress");
}

Result<BindAddress> proxy_metrics_address(const ProxyOptions& options) {
  const std::string standard = is_v6(options.bind_address) ? "::1" : "127.0.0.1";
  const std::string& text = options.metrics_address.empty() ? standard : options.metrics_address;
  return with_context(parse_bind_address(text, kProxyMetricsPort), "metricsBindAddress");
}

}  // namespace keelson::agent
