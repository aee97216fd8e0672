#include "kube/names.hpp"

#include <catch2/catch.hpp>

using namespace keelson::kube;

TEST_CASE("names") {
  struct Row {
    std::string (*check)(std::string_view);
    std::string value;
    bool fine;
  };
  auto row = GENERATE(values<Row>({
      {check_dns_label, "a-1", true},
      {check_dns_label, "1a", true},
      {check_dns_label, "", false},
      {check_dns_label, "a.b", false},
      {check_dns_label, "-a", false},
      {check_dns_label, "A", false},
      {check_dns_label, std::string(63, 'a'), true},
      {check_dns_label, std::string(64, 'a'), false},
      {check_dns_subdomain, "a.b-c.d", true},
      {check_dns_subdomain, "a..b", false},
      {check_dns_subdomain, "a.", false},
      {check_dns_subdomain, std::string(254, 'a'), false},
      {check_dns1035_label, "a1", true},
      {check_dns1035_label, "1a", false},
      {check_qualified_name, "App_1.x", true},
      {check_qualified_name, "example.com/app", true},
      {check_qualified_name, "/app", false},
      {check_qualified_name, "a/", false},
      {check_qualified_name, "a/b/c", false},
      {check_qualified_name, std::string(64, 'a'), false},
      {check_label_value, "", true},
      {check_label_value, "A.b_c-1", true},
      {check_label_value, "_a", false},
      {check_port_name, "http-1", true},
      {check_port_name, "8080", false},
      {check_port_name, "a--b", false},
      {check_port_name, "abcdefghijklmnop", false},
      {check_env_name, "MY.var-1 ", true},
      {check_env_name, "a=b", false},
      {check_env_name, "\xc3\xa9", false},
      {check_config_key, "a.b_c-D", true},
      {check_config_key, ".", false},
      {check_config_key, "..a", false},
      {check_config_key, "a/b", false},
      {check_ip, "10.0.0.1", true},
      {check_ip, "::1", true},
      {check_ip, "10.0.0", false},
      {check_sysctl_name, "net.ipv4.ip_forward", true},
      {check_sysctl_name, "net/ipv4/conf.x", true},
      {check_sysctl_name, "Net", false},
  }));
  CAPTURE(row.value);
  CHECK(row.check(row.value).empty() == row.fine);
}

TEST_CASE("port numbers") {
  CHECK(check_port_number(1).empty());
  CHECK(check_port_number(65535).empty());
  CHECK_FALSE(check_port_number(0).empty());
  CHECK_FALSE(check_port_number(65536).empty());
}
