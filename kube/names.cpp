#include "kube/names.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace keelson::kube {
namespace {

constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kSubdomainMax = 253;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
bool is_alnum(char c) { return is_lower_alnum(c) || is_upper(c); }

std::string too_long(std::size_t max) { return "must be no more than " + std::to_string(max) + " characters"; }

// Not empty, `edge` characters at both ends, `edge` ones or those of `inner` between.
bool shaped(std::string_view value, bool (*edge)(char), std::string_view inner) {
  if (value.empty() || !edge(value.front()) || !edge(value.back())) return false;
  return std::all_of(value.begin(), value.end(),
                     [&](char c) { return edge(c) || inner.find(c) != std::string_view::npos; });
}

// Every part between the dots has the shape of a label.
bool labels_shaped(std::string_view value, std::string_view inner) {
  while (true) {
    std::size_t dot = value.find('.');
    if (!shaped(value.substr(0, dot), is_lower_alnum, inner)) return false;
    if (dot == std::string_view::npos) return true;
    value.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string check_dns_label(std::string_view value) {
  if (value.size() > kLabelMax) return too_long(kLabelMax);
  if (shaped(value, is_lower_alnum, "-")) return {};
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
         "end with an alphanumeric character";
}

std::string check_dns_subdomain(std::string_view value) {
  if (value.size() > kSubdomainMax) return too_long(kSubdomainMax);
  if (labels_shaped(value, "-")) return {};
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
         "start and end with an alphanumeric character";
}

std::string check_dns1035_label(std::string_view value) {
  if (value.size() > kLabelMax) return too_long(kLabelMax);
  if (shaped(value, is_lower_alnum, "-") && is_lower(value.front())) return {};
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
         "character, and end with an alphanumeric character";
}

std::string check_qualified_name(std::string_view value) {
  std::string_view name = value;
  if (std::size_t slash = value.find('/'); slash != std::string_view::npos) {
    if (std::string why = check_dns_subdomain(value.substr(0, slash)); !why.empty()) return "prefix part: " + why;
    name = value.substr(slash + 1);
  }
  if (name.size() > kLabelMax) return "name part " + too_long(kLabelMax);
  if (shaped(name, is_alnum, "-_.")) return {};
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric character";
}

std::string check_label_value(std::string_view value) {
  if (value.empty()) return {};
  if (value.size() > kLabelMax) return too_long(kLabelMax);
  if (shaped(value, is_alnum, "-_.")) return {};
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
         "start and end with an alphanumeric character";
}

std::string check_port_name(std::string_view value) {
  if (value.size() > 15) return too_long(15);
  if (!shaped(value, is_lower_alnum, "-")) {
    return "must contain only lower case alphanumeric characters and hyphens, and not begin or end with a hyphen";
  }
  if (std::none_of(value.begin(), value.end(), is_lower)) return "must contain at least one letter (a-z)";
  return value.find("--") == std::string_view::npos ? "" : "must not contain consecutive hyphens";
}

std::string check_port_number(std::int64_t value) {
  return value >= 1 && value <= 65535 ? "" : "must be between 1 and 65535, inclusive";
}

std::string check_env_name(std::string_view value) {
  bool fine = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~' && c != '='; });
  return fine ? "" : "environment variable names must be printable ASCII characters other than '='";
}

std::string check_config_key(std::string_view value) {
  if (value.size() > kSubdomainMax) return too_long(kSubdomainMax);
  bool fine = !value.empty() && std::all_of(value.begin(), value.end(),
                                            [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
  if (!fine) return "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
  if (value == ".") return "must not be '.'";
  return value.substr(0, 2) == ".." ? "must not start with '..'" : "";
}

std::string check_ip(std::string_view value) {
  std::string text(value);
  in6_addr address{};
  bool fine = inet_pton(AF_INET, text.c_str(), &address) == 1 || inet_pton(AF_INET6, text.c_str(), &address) == 1;
  return fine ? "" : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

std::string check_sysctl_name(std::string_view value) {
  if (value.size() > kSubdomainMax) return too_long(kSubdomainMax);
  std::string dotted(value);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  return labels_shaped(dotted, "-_") ? "" : "must consist of lower case names joined by '.' or '/'";
}

}  // namespace keelson::kube
