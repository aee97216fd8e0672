#include "cni/result.hpp"

#include "cni/json_util.hpp"
#include "cni/version.hpp"

namespace keelson::cni {
namespace {

Result<Dns> parse_dns(const Json& object, std::string_view path) {
  Dns dns;
  TRY(dns.nameservers, get_strings(object, "nameservers", path));
  TRY(dns.domain, get_string(object, "domain", path));
  TRY(dns.search, get_strings(object, "search", path));
  TRY(dns.options, get_strings(object, "options", path));
  return dns;
}

Result<Interface> parse_interface(const Json& object, const std::string& path) {
  Interface out;
  TRY(out.name, get_string(object, "name", path));
  TRY(out.mac, get_string(object, "mac", path));
  TRY(out.mtu, get_int(object, "mtu", path));
  TRY(out.sandbox, get_string(object, "sandbox", path));
  TRY(out.socket_path, get_string(object, "socketPath", path));
  TRY(out.pci_id, get_string(object, "pciID", path));
  return out;
}

Result<IpConfig> parse_ip(const Json& object, const std::string& path) {
  IpConfig out;
  TRY(out.address, get_string(object, "address", path));
  TRY(out.gateway, get_string(object, "gateway", path));
  TRY(out.interface, get_int(object, "interface", path));
  if (out.address.empty()) return make_error(Errc::invalid_argument, path + "address: required");
  return out;
}

Result<Route> parse_route(const Json& object, const std::string& path) {
  Route out;
  TRY(out.dst, get_string(object, "dst", path));
  TRY(out.gw, get_string(object, "gw", path));
  TRY(out.mtu, get_int(object, "mtu", path));
  TRY(out.advmss, get_int(object, "advmss", path));
  TRY(out.priority, get_int(object, "priority", path));
  TRY(out.table, get_int(object, "table", path));
  TRY(out.scope, get_int(object, "scope", path));
  if (out.dst.empty()) return make_error(Errc::invalid_argument, path + "dst: required");
  return out;
}

// Every object of the list at `key` through `parse`, which gets the path for its errors.
template <class T>
Result<void> parse_each(const Json& object, const char* key, std::string_view path, std::vector<T>& into,
                        Result<T> (*parse)(const Json&, const std::string&)) {
  TRY(auto items, get_objects(object, key, path));
  for (std::size_t i = 0; i < items.size(); ++i) {
    TRY(T item, parse(*items[i], std::string(path) + key + "[" + std::to_string(i) + "]."));
    into.push_back(std::move(item));
  }
  return {};
}

// 0.1.0 and 0.2.0: {"ip4": {"ip", "gateway", "routes"}, "ip6": {...}, "dns"}.
Result<void> parse_old_family(const Json& object, const char* key, AddResult& into) {
  const Json* family = member(object, key);
  if (!family) return {};
  if (!family->is_object()) return wrong_type(key, "object", *family);
  const std::string path = std::string(key) + ".";
  IpConfig ip;
  TRY(ip.address, get_string(*family, "ip", path));
  TRY(ip.gateway, get_string(*family, "gateway", path));
  if (ip.address.empty()) return make_error(Errc::invalid_argument, path + "ip: required");
  into.ips.push_back(ip);
  return parse_each(*family, "routes", path, into.routes, parse_route);
}

Result<void> parse_body(const Json& object, AddResult& into) {
  if (at_least(into.cni_version, "0.3.0")) {
    CHECK_OK(parse_each(object, "interfaces", "", into.interfaces, parse_interface));
    CHECK_OK(parse_each(object, "ips", "", into.ips, parse_ip));
    CHECK_OK(parse_each(object, "routes", "", into.routes, parse_route));
  } else {
    CHECK_OK(parse_old_family(object, "ip4", into));
    CHECK_OK(parse_old_family(object, "ip6", into));
  }
  if (const Json* dns = member(object, "dns")) {
    if (!dns->is_object()) return wrong_type("dns", "object", *dns);
    TRY(into.dns, parse_dns(*dns, "dns."));
  }
  return {};
}

void put(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}
void put(Json& object, const char* key, const std::optional<int>& value) {
  if (value) object[key] = *value;
}
void put(Json& object, const char* key, const std::vector<std::string>& value) {
  if (!value.empty()) object[key] = value;
}

Json render_dns(const Dns& dns) {
  Json out = Json::object();
  put(out, "nameservers", dns.nameservers);
  put(out, "domain", dns.domain);
  put(out, "search", dns.search);
  put(out, "options", dns.options);
  return out;
}

Json render_interface(const Interface& interface, bool extras) {
  Json out = {{"name", interface.name}};
  put(out, "mac", interface.mac);
  put(out, "sandbox", interface.sandbox);
  if (extras) {
    put(out, "mtu", interface.mtu);
    put(out, "socketPath", interface.socket_path);
    put(out, "pciID", interface.pci_id);
  }
  return out;
}

Json render_route(const Route& route, bool extras) {
  Json out = {{"dst", route.dst}};
  put(out, "gw", route.gw);
  if (extras) {
    put(out, "mtu", route.mtu);
    put(out, "advmss", route.advmss);
    put(out, "priority", route.priority);
    put(out, "table", route.table);
    put(out, "scope", route.scope);
  }
  return out;
}

Json render_new(const AddResult& result, std::string_view version) {
  const bool extras = at_least(version, "1.1.0");
  Json out = Json::object();
  for (const auto& i : result.interfaces) out["interfaces"].push_back(render_interface(i, extras));
  for (const auto& ip : result.ips) {
    Json object = {{"address", ip.address}};
    if (!at_least(version, "1.0.0")) object["version"] = std::string(1, ip_family(ip.address));
    put(object, "gateway", ip.gateway);
    put(object, "interface", ip.interface);
    out["ips"].push_back(std::move(object));
  }
  for (const auto& route : result.routes) out["routes"].push_back(render_route(route, extras));
  return out;
}

CniResult<void> render_old(const AddResult& result, Json& out) {
  for (const auto& ip : result.ips) {
    const char* key = ip_family(ip.address) == '4' ? "ip4" : "ip6";
    if (out.contains(key)) continue;  // these versions know one address of each family
    out[key] = {{"ip", ip.address}};
    put(out[key], "gateway", ip.gateway);
  }
  if (out.empty()) return CniError(code::kUnsupportedField, "a result without addresses cannot be told before 0.3.0");
  for (const auto& route : result.routes) {
    const char* key = ip_family(route.dst) == '4' ? "ip4" : "ip6";
    if (out.contains(key)) out[key]["routes"].push_back(render_route(route, false));
  }
  return {};
}

}  // namespace

char ip_family(std::string_view address) { return address.find(':') == std::string_view::npos ? '4' : '6'; }

CniResult<AddResult> parse_result(std::string_view text, std::string_view default_version) {
  auto parsed = parse_json(text);
  if (!parsed) return CniError(code::kDecode, "result: " + parsed.error().message);
  if (parsed->is_null()) *parsed = Json::object();
  if (!parsed->is_object()) return CniError(code::kDecode, "result: expected an object");
  AddResult result;
  auto version = get_string(*parsed, "cniVersion");
  if (!version) return CniError(code::kDecode, "result: " + version.error().message);
  result.cni_version = version->empty() ? std::string(default_version) : *version;
  if (!is_supported(result.cni_version)) {
    return CniError(code::kIncompatibleVersion, "result: cniVersion \"" + result.cni_version + "\" is not supported");
  }
  if (auto body = parse_body(*parsed, result); !body) {
    return CniError(code::kDecode, "result: " + body.error().message);
  }
  return result;
}

CniResult<std::string> render_result(const AddResult& result, std::string_view version) {
  if (!is_supported(version)) {
    return CniError(code::kIncompatibleVersion, "cniVersion \"" + std::string(version) + "\" is not supported");
  }
  Json out = Json::object();
  if (at_least(version, "0.3.0")) {
    out = render_new(result, version);
  } else {
    CHECK_OK(render_old(result, out));
  }
  out["cniVersion"] = version;
  if (Json dns = render_dns(result.dns); !dns.empty()) out["dns"] = std::move(dns);
  return dump(out);
}

}  // namespace keelson::cni
