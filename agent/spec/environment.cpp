#include "agent/spec/environment.hpp"

#include <algorithm>

#include "agent/spec/env_file.hpp"
#include "base/strings.hpp"

namespace keelson::spec {
namespace {

constexpr std::string_view kReason = "CreateContainerConfigError";

Error config_error(Errc code, std::string message) {
  return make_error(code, std::move(message), std::string(kReason));
}

// ConfigMaps and Secrets differ in three words of their messages and in nothing else.
struct ObjectKind {
  std::string_view resource;  // as the API server's "not found" names it
  std::string_view kind;
  const kube::StringMap* (*data)(const kube::ObjectSet&, const std::string& ns, const std::string& name);
};

constexpr ObjectKind kConfigMap = {"configmap", "ConfigMap",
                                   [](const kube::ObjectSet& objects, const std::string& ns, const std::string& name) {
                                     const auto* found = objects.find_config_map(ns, name);
                                     return found ? &found->data : nullptr;
                                   }};
constexpr ObjectKind kSecret = {"secret", "Secret",
                                [](const kube::ObjectSet& objects, const std::string& ns, const std::string& name) {
                                  const auto* found = objects.find_secret(ns, name);
                                  return found ? &found->data : nullptr;
                                }};

Error not_found(const ObjectKind& kind, const std::string& name) {
  return config_error(Errc::not_found, std::string(kind.resource) + " \"" + name + "\" not found");
}

std::string variable_name(std::string_view service) { return to_upper(replace_all(service, "-", "_")); }

void add_service(Variables& out, const kube::Service& service) {
  const auto& ip = service.spec.cluster_ip;
  const auto prefix = variable_name(service.metadata.name);
  out[prefix + "_SERVICE_HOST"] = ip;
  const auto service_port = prefix + "_SERVICE_PORT";
  const auto host = ip.find(':') == std::string::npos ? ip : '[' + ip + ']';
  bool first = true;
  for (const auto& port : service.spec.ports) {
    const auto number = std::to_string(port.port);
    const auto protocol = port.protocol.empty() ? std::string("TCP") : port.protocol;
    const auto url = to_lower(protocol) + "://" + host + ':' + number;
    if (first) {
      out[service_port] = number;
      out[prefix + "_PORT"] = url;
      first = false;
    }
    if (!port.name.empty()) out[service_port + '_' + variable_name(port.name)] = number;
    const auto link = prefix + "_PORT_" + number + '_' + to_upper(protocol);
    out[link] = url;
    out[link + "_PROTO"] = to_lower(protocol);
    out[link + "_PORT"] = number;
    out[link + "_ADDR"] = ip;
  }
}

// What the variable becomes; nullopt: an optional source is not there, the variable does not exist.
using MaybeValue = std::optional<std::string>;

Result<MaybeValue> key_value(const ObjectKind& kind, const kube::KeySelector& selector, const EnvironmentInput& input) {
  const auto& ns = input.pod.metadata.ns;
  const bool optional = selector.optional.value_or(false);
  const auto* data = kind.data(input.objects, ns, selector.name);
  if (data == nullptr) {
    if (optional) return MaybeValue();
    return not_found(kind, selector.name);
  }
  const auto it = data->find(selector.key);
  if (it != data->end()) return MaybeValue(it->second);
  if (optional) return MaybeValue();
  return config_error(Errc::not_found, "couldn't find key " + selector.key + " in " + std::string(kind.kind) + ' ' +
                                           ns + '/' + selector.name);
}

Result<MaybeValue> file_value(const kube::FileKeySelector& selector, const EnvironmentInput& input) {
  if (!input.read_volume_file) {
    return config_error(Errc::not_found,
                        "cannot find the volume \"" + selector.volume_name + "\" referenced by FileKeyRef");
  }
  TRY(const auto text, input.read_volume_file(selector.volume_name, selector.path));
  TRY(auto value, with_context(env_file_value(text, selector.key), "couldn't parse env file"));
  if (!value.empty()) return MaybeValue(std::move(value));
  if (selector.optional.value_or(false)) return MaybeValue();
  return config_error(Errc::not_found,
                      "environment variable key \"" + selector.key + "\" not found in file \"" + selector.path + '"');
}

Result<MaybeValue> source_value(const kube::EnvVarSource& source, const EnvironmentInput& input) {
  if (source.field_ref) {
    TRY(auto value, field_value(*source.field_ref, input.pod, input.node, input.pod_ips));
    return MaybeValue(std::move(value));
  }
  if (source.resource_field_ref) {
    TRY(auto value, resource_field_value(*source.resource_field_ref, input.pod, input.container, input.node));
    return MaybeValue(std::move(value));
  }
  if (source.config_map_key_ref) return key_value(kConfigMap, *source.config_map_key_ref, input);
  if (source.secret_key_ref) return key_value(kSecret, *source.secret_key_ref, input);
  if (source.file_key_ref) return file_value(*source.file_key_ref, input);
  return MaybeValue(std::string());
}

Result<void> add_all(const ObjectKind& kind, const kube::EnvFromRef& ref, const std::string& prefix,
                     const EnvironmentInput& input, Environment& out) {
  const auto& ns = input.pod.metadata.ns;
  const auto* data = kind.data(input.objects, ns, ref.name);
  if (data == nullptr) {
    if (ref.optional.value_or(false)) return {};
    return not_found(kind, ref.name);
  }
  for (const auto& [key, value] : *data) {
    if (valid_variable_name(prefix + key)) {
      out.variables[prefix + key] = value;
    } else {
      out.skipped.push_back(std::string(kind.kind) + ' ' + ns + '/' + ref.name + " key " + key);
    }
  }
  return {};
}

Result<void> add_env_from(const EnvironmentInput& input, Environment& out) {
  for (const auto& source : input.container.env_from) {
    if (source.config_map_ref) CHECK_OK(add_all(kConfigMap, *source.config_map_ref, source.prefix, input, out));
    if (source.secret_ref) CHECK_OK(add_all(kSecret, *source.secret_ref, source.prefix, input, out));
  }
  return {};
}

}  // namespace

bool valid_variable_name(std::string_view name) {
  return !name.empty() && name.find('=') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

Variables service_variables(const kube::Pod& pod, const kube::ObjectSet& objects) {
  // By name, so that a "kubernetes" Service of the pod's own namespace takes the place of default's.
  std::map<std::string, const kube::Service*> chosen;
  const bool links = pod.spec.enable_service_links.value_or(true);
  for (const auto& service : objects.services) {
    if (service->spec.cluster_ip.empty() || service->spec.cluster_ip == "None") continue;
    const auto& meta = service->metadata;
    if (meta.ns == "default" && meta.name == "kubernetes") {
      chosen.emplace(meta.name, service.get());
    } else if (meta.ns == pod.metadata.ns && links) {
      chosen[meta.name] = service.get();
    }
  }
  Variables out;
  for (const auto& [name, service] : chosen) add_service(out, *service);
  return out;
}

Result<Environment> make_environment(const EnvironmentInput& input) {
  const auto services = service_variables(input.pod, input.objects);
  Environment out;
  CHECK_OK(add_env_from(input, out));
  const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    if (const auto it = out.variables.find(name); it != out.variables.end()) return it->second;
    if (const auto it = services.find(name); it != services.end()) return it->second;
    return std::nullopt;
  };
  for (const auto& variable : input.container.env) {
    if (!valid_variable_name(variable.name)) {
      return config_error(Errc::invalid_argument, "env: \"" + variable.name + "\" cannot be a variable's name");
    }
    if (!variable.value.empty() || !variable.value_from) {
      out.variables[variable.name] = expand(variable.value, lookup);
      continue;
    }
    auto value = source_value(*variable.value_from, input);
    if (!value) return std::move(value).error().with_reason(kReason);
    if (*value) out.variables[variable.name] = std::move(**value);
  }
  for (const auto& [name, value] : services) out.variables.emplace(name, value);
  return out;
}

}  // namespace keelson::spec
