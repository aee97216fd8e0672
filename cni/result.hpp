// What an ADD returns, in the shape of the newest spec, and its JSON in every older one.
// CNI spec section 5 "ADD Success"; libcni pkg/types/{020,040,100}.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cni/error.hpp"

namespace keelson::cni {

struct Interface {
  std::string name;
  std::string mac;
  std::optional<int> mtu;  // 1.1.0, as socket_path and pci_id
  std::string sandbox;     // netns path; empty for an interface of the host
  std::string socket_path;
  std::string pci_id;
};

struct IpConfig {
  std::string address;           // CIDR
  std::string gateway;           // empty: none
  std::optional<int> interface;  // index into interfaces
};

struct Route {
  std::string dst;                                         // CIDR
  std::string gw;                                          // empty: none
  std::optional<int> mtu, advmss, priority, table, scope;  // 1.1.0
};

struct Dns {
  std::vector<std::string> nameservers;
  std::string domain;
  std::vector<std::string> search;
  std::vector<std::string> options;
};

struct AddResult {
  std::string cni_version;  // of the text it was parsed from
  std::vector<Interface> interfaces;
  std::vector<IpConfig> ips;
  std::vector<Route> routes;
  Dns dns;
};

// A plugin's stdout. An absent cniVersion means `default_version` (libcni fills in the config's); "null" is an empty
// result. Malformed JSON, a wrong type (named by its path) or an unknown version is code 6 or 1.
CniResult<AddResult> parse_result(std::string_view text, std::string_view default_version);

// The result's JSON in `version`. What a version cannot say is left out: below 1.1.0 mtu, socketPath, pciID and the
// routes' extras; below 0.3.0 everything but the first address of each family, and a result without any address is an
// error there (as in libcni).
CniResult<std::string> render_result(const AddResult& result, std::string_view version);

// "4" or "6" by the address's look.
[[nodiscard]] char ip_family(std::string_view address);

}  // namespace keelson::cni
