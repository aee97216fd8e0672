#include "kube/client/resource.hpp"

#include <nlohmann/json.hpp>

#include "base/strings.hpp"

namespace keelson::kube {

std::string resource_of(std::string_view kind) {
  std::string name = to_lower(kind);
  if (name == "endpoints") return name;
  if (name.ends_with('s')) return name + "es";
  if (name.ends_with('y')) {
    name.pop_back();
    return name + "ies";
  }
  return name + "s";
}

std::string url_encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alphanumeric || std::string_view("-._~").find(c) != std::string_view::npos)
      out += c;
    else
      out.append({'%', kHex[byte >> 4U], kHex[byte & 15U]});
  }
  return out;
}

std::string api_path(std::string_view api_version, std::string_view resource, std::string_view ns,
                     std::string_view name, std::string_view subresource) {
  std::string path = api_version.find('/') == std::string_view::npos ? "/api/" : "/apis/";
  path.append(api_version);
  if (!ns.empty()) path.append("/namespaces/").append(url_encode(ns));
  path.append("/").append(resource);
  if (!name.empty()) path.append("/").append(url_encode(name));
  if (!subresource.empty()) path.append("/").append(subresource);
  return path;
}

std::string with_query(std::string path, std::string_view name, std::string_view value) {
  if (value.empty()) return path;
  path += path.find('?') == std::string::npos ? '?' : '&';
  return path.append(name).append("=").append(url_encode(value));
}

std::string encode_delete_options(const DeleteOptions& options) {
  nlohmann::json json{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  if (options.grace_period_seconds) json["gracePeriodSeconds"] = *options.grace_period_seconds;
  if (!options.uid.empty()) json["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) json["preconditions"]["resourceVersion"] = options.resource_version;
  if (!options.propagation_policy.empty()) json["propagationPolicy"] = options.propagation_policy;
  return to_text(json);
}

Result<std::shared_ptr<const nlohmann::json>> parse_answer(const std::string& text) {
  auto json = std::make_shared<nlohmann::json>(nlohmann::json::parse(text, nullptr, false));
  if (json->is_discarded()) return make_error(Errc::internal, "the server's answer is not JSON");
  return std::shared_ptr<const nlohmann::json>(std::move(json));
}

std::string to_text(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace keelson::kube
