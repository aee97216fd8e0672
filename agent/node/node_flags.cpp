#include "agent/node/node_flags.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/strings.hpp"
#include "kube/names.hpp"

namespace keelson::agent {
namespace {

constexpr std::array<std::string_view, 13> kAllowedLabels = {"kubernetes.io/hostname",
                                                             "topology.kubernetes.io/zone",
                                                             "topology.kubernetes.io/region",
                                                             "failure-domain.beta.kubernetes.io/zone",
                                                             "failure-domain.beta.kubernetes.io/region",
                                                             "node.kubernetes.io/instance-type",
                                                             "beta.kubernetes.io/instance-type",
                                                             "kubernetes.io/os",
                                                             "kubernetes.io/arch",
                                                             "beta.kubernetes.io/os",
                                                             "beta.kubernetes.io/arch",
                                                             "node.kubernetes.io/exclude-from-external-load-balancers",
                                                             "node.kubernetes.io/windows-build"};

bool in_domain(std::string_view name, std::string_view domain) {
  return name == domain ||
         (name.size() > domain.size() && name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.');
}

bool may_set(std::string_view key) {
  const auto slash = key.find('/');
  const std::string_view domain = slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
  if (!in_domain(domain, "kubernetes.io") && !in_domain(domain, "k8s.io")) return true;
  if (in_domain(domain, "kubelet.kubernetes.io") || in_domain(domain, "node.kubernetes.io")) return true;
  return std::find(kAllowedLabels.begin(), kAllowedLabels.end(), key) != kAllowedLabels.end();
}

Error wrong(std::string_view what, std::string_view text, const std::string& why) {
  return make_error(Errc::invalid_argument, std::string(what) + " \"" + std::string(text) + "\": " + why);
}

Result<kube::Taint> parse_taint(const std::string& text) {
  kube::Taint taint;
  const auto parts = split(text, ':');
  if (parts.size() != 2) return wrong("taint", text, "expected KEY[=VALUE]:EFFECT");
  const auto equals = parts[0].find('=');
  taint.key = parts[0].substr(0, equals);
  if (equals != std::string::npos) taint.value = parts[0].substr(equals + 1);
  taint.effect = parts[1];
  if (const auto why = kube::check_qualified_name(taint.key); !why.empty()) return wrong("taint", text, why);
  if (const auto why = kube::check_label_value(taint.value); !why.empty()) return wrong("taint", text, why);
  for (const char* effect : {"NoSchedule", "PreferNoSchedule", "NoExecute"}) {
    if (taint.effect == effect) return taint;
  }
  return wrong("taint", text, "effect is one of NoSchedule, PreferNoSchedule, NoExecute");
}

}  // namespace

Result<kube::StringMap> parse_node_labels(std::string_view text) {
  kube::StringMap labels;
  if (trim(text).empty()) return labels;
  for (const auto& part : split(text, ',')) {
    const std::string label(trim(part));
    const auto equals = label.find('=');
    if (equals == std::string::npos) return wrong("label", label, "expected KEY=VALUE");
    const std::string key = label.substr(0, equals);
    const std::string value = label.substr(equals + 1);
    if (const auto why = kube::check_qualified_name(key); !why.empty()) return wrong("label", label, why);
    if (const auto why = kube::check_label_value(value); !why.empty()) return wrong("label", label, why);
    if (!may_set(key)) {
      return wrong("label", label,
                   "a node may not set this label of itself: in the domains kubernetes.io and k8s.io it may set those "
                   "below kubelet.kubernetes.io and node.kubernetes.io and a few well-known ones");
    }
    labels[key] = value;
  }
  return labels;
}

Result<std::vector<kube::Taint>> parse_taints(std::string_view text) {
  std::vector<kube::Taint> taints;
  if (trim(text).empty()) return taints;
  for (const auto& part : split(text, ',')) {
    TRY(auto taint, parse_taint(std::string(trim(part))));
    const bool twice = std::any_of(taints.begin(), taints.end(), [&](const kube::Taint& other) {
      return other.key == taint.key && other.effect == taint.effect;
    });
    if (twice) return wrong("taint", trim(part), "the same key and effect twice");
    taints.push_back(std::move(taint));
  }
  return taints;
}

}  // namespace keelson::agent
