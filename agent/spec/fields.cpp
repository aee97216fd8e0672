// fieldRef and resourceFieldRef: values of the pod's own fields and of its containers' resources.
#include <algorithm>
#include <cmath>

#include "agent/spec/environment.hpp"
#include "agent/spec/resources.hpp"
#include "base/strings.hpp"
#include "kube/names.hpp"

namespace keelson::spec {
namespace {

Error unsupported(std::string message) { return make_error(Errc::invalid_argument, std::move(message)); }

// "metadata.labels['key']" -> {"metadata.labels", "key"}.
struct Subscripted {
  std::string_view path;
  std::string key;
};

std::optional<Subscripted> split_subscript(std::string_view path) {
  if (!path.ends_with("']")) return std::nullopt;
  const auto open = path.find("['");
  if (open == std::string_view::npos || open == 0) return std::nullopt;
  return Subscripted{path.substr(0, open), std::string(path.substr(open + 2, path.size() - open - 4))};
}

Result<std::string> subscript_value(std::string_view path, const Subscripted& at, const kube::Pod& pod) {
  const bool labels = at.path == "metadata.labels";
  if (!labels && at.path != "metadata.annotations") {
    return unsupported("field label does not support subscript: " + std::string(path));
  }
  if (const auto why = kube::check_qualified_name(labels ? at.key : to_lower(at.key)); !why.empty()) {
    return unsupported("invalid key subscript in " + std::string(path) + ": " + why);
  }
  const auto& map = labels ? pod.metadata.labels : pod.metadata.annotations;
  const auto it = map.find(at.key);
  return it == map.end() ? std::string() : it->second;
}

// Go's strconv.Quote, for the text of all labels or annotations.
std::string go_quote(std::string_view text) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        continue;
      case '\\':
        out += "\\\\";
        continue;
      case '\a':
        out += "\\a";
        continue;
      case '\b':
        out += "\\b";
        continue;
      case '\f':
        out += "\\f";
        continue;
      case '\n':
        out += "\\n";
        continue;
      case '\r':
        out += "\\r";
        continue;
      case '\t':
        out += "\\t";
        continue;
      case '\v':
        out += "\\v";
        continue;
      default:
        break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string all_entries(const kube::StringMap& map) {
  std::string out;
  for (const auto& [key, value] : map) {
    if (!out.empty()) out += '\n';
    out += key + '=' + go_quote(value);
  }
  return out;
}

const kube::Container* find_container(const kube::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
    for (const auto& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

// The container's limit, else the pod's, else what the node has to give.
kube::Quantity limit_of(const std::string& name, const kube::Pod& pod, const kube::Container& container,
                        const NodeFacts& node) {
  const auto own = amount_of(container.resources.limits, name);
  if (!own.is_zero() || (name != "cpu" && name != "memory" && name != "ephemeral-storage")) return own;
  if (pod.spec.resources && name != "ephemeral-storage") {
    const auto of_pod = amount_of(pod.spec.resources->limits, name);
    if (!of_pod.is_zero()) return of_pod;
  }
  return amount_of(node.allocatable, name);
}

std::string divide_up(const std::string& name, const kube::Quantity& amount, kube::Quantity divisor) {
  if (divisor.is_zero()) divisor = kube::Quantity::of(1);
  const bool cpu = name == "cpu";
  const auto a = cpu ? amount.milli_value() : amount.value();
  const auto b = cpu ? divisor.milli_value() : divisor.value();
  return std::to_string(a / b + (a % b > 0 ? 1 : 0));  // validation allows no negative amounts
}

}  // namespace

Result<std::string> field_value(const kube::ObjectFieldSelector& selector, const kube::Pod& pod, const NodeFacts& node,
                                const std::vector<std::string>& pod_ips) {
  const auto& path = selector.field_path;
  if (!selector.api_version.empty() && selector.api_version != "v1") {
    return unsupported("unsupported pod version: " + selector.api_version);
  }
  if (const auto at = split_subscript(path)) return subscript_value(path, *at, pod);
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.ns;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "metadata.labels") return all_entries(pod.metadata.labels);
  if (path == "metadata.annotations") return all_entries(pod.metadata.annotations);
  if (path == "spec.nodeName" || path == "spec.host") {
    return pod.spec.node_name.empty() ? node.name : pod.spec.node_name;
  }
  if (path == "spec.serviceAccountName") return pod.spec.service_account_name;
  if (path == "status.hostIP") return node.ips.empty() ? std::string() : node.ips.front();
  if (path == "status.hostIPs") return join(node.ips, ",");
  if (path == "status.podIP") return pod_ips.empty() ? std::string() : pod_ips.front();
  if (path == "status.podIPs") return join(pod_ips, ",");
  if (path == "spec.restartPolicy" || path == "spec.schedulerName" || path == "status.phase") {
    return unsupported("unsupported fieldPath: " + path);
  }
  return unsupported("field label not supported: " + path);
}

Result<std::string> resource_field_value(const kube::ResourceFieldSelector& selector, const kube::Pod& pod,
                                         const kube::Container& container, const NodeFacts& node) {
  const kube::Container* from = &container;
  if (!selector.container_name.empty()) {
    from = find_container(pod, selector.container_name);
    if (from == nullptr) return unsupported("container " + selector.container_name + " not found");
  }
  if (selector.divisor.sign() < 0) {
    return unsupported("resourceFieldRef " + selector.resource + ": divisor must not be negative");
  }
  const auto dot = selector.resource.find('.');
  const auto kind = selector.resource.substr(0, dot);
  const auto name = dot == std::string::npos ? std::string() : selector.resource.substr(dot + 1);
  const bool known = name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
  if (known && kind == "limits") return divide_up(name, limit_of(name, pod, *from, node), selector.divisor);
  if (known && kind == "requests") {
    return divide_up(name, amount_of(from->resources.requests, name), selector.divisor);
  }
  return unsupported("unsupported container resource : " + selector.resource);
}

}  // namespace keelson::spec
