// Which names the API server takes. Follows k8s.io/apimachinery/pkg/util/validation and pkg/api/validation.
// Each function: why the value is refused, or an empty text when it is fine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::kube {

[[nodiscard]] std::string check_dns_label(std::string_view value);       // RFC 1123 label, at most 63
[[nodiscard]] std::string check_dns_subdomain(std::string_view value);   // RFC 1123 subdomain, at most 253
[[nodiscard]] std::string check_dns1035_label(std::string_view value);   // as the label, and it starts with a letter
[[nodiscard]] std::string check_qualified_name(std::string_view value);  // label keys: "prefix/Name_1.x"
[[nodiscard]] std::string check_label_value(std::string_view value);
[[nodiscard]] std::string check_port_name(std::string_view value);   // IANA_SVC_NAME, at most 15, with a letter
[[nodiscard]] std::string check_port_number(std::int64_t value);     // 1-65535
[[nodiscard]] std::string check_env_name(std::string_view value);    // printable ASCII except '='
[[nodiscard]] std::string check_config_key(std::string_view value);  // keys of ConfigMaps and Secrets
[[nodiscard]] std::string check_ip(std::string_view value);          // IPv4 or IPv6
[[nodiscard]] std::string check_sysctl_name(std::string_view value);

}  // namespace keelson::kube
