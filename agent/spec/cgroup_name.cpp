#include "agent/spec/cgroup_name.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace keelson::spec {
namespace {

constexpr std::string_view kPodPrefix = "pod";
constexpr std::string_view kSliceSuffix = ".slice";

}  // namespace

std::string cgroup_path(const CgroupName& name, CgroupDriver driver) {
  if (name.empty()) return "/";
  std::string path;
  if (driver == CgroupDriver::cgroupfs) {
    for (const auto& part : name) path += '/' + part;
    return path;
  }
  std::string prefix;  // a slice's name holds the names of all its parents
  for (auto part : name) {
    std::replace(part.begin(), part.end(), '-', '_');
    prefix += prefix.empty() ? part : '-' + part;
    path.append("/").append(prefix).append(kSliceSuffix);
  }
  return path;
}

CgroupName kubepods_cgroup(std::string_view cgroup_root) {
  CgroupName name;
  for (auto& part : split(cgroup_root, '/')) {
    if (!part.empty()) name.push_back(std::move(part));
  }
  name.emplace_back("kubepods");
  return name;
}

CgroupName qos_cgroup(std::string_view cgroup_root, Qos qos) {
  auto name = kubepods_cgroup(cgroup_root);
  if (qos != Qos::guaranteed) name.push_back(to_lower(to_string(qos)));
  return name;
}

CgroupName pod_cgroup(std::string_view cgroup_root, Qos qos, std::string_view uid) {
  auto name = qos_cgroup(cgroup_root, qos);
  name.push_back(std::string(kPodPrefix).append(uid));
  return name;
}

std::string cgroup_parent(const kube::Pod& pod, const NodeFacts& node) {
  return cgroup_path(pod_cgroup(node.cgroup_root, qos_class(pod), pod.metadata.uid), node.cgroup_driver);
}

std::optional<std::string> pod_uid_of_cgroup(std::string_view last_component, CgroupDriver driver) {
  std::string_view part = last_component;
  if (driver == CgroupDriver::systemd) {
    if (!part.ends_with(kSliceSuffix)) return std::nullopt;
    part.remove_suffix(kSliceSuffix.size());
    part = part.substr(part.rfind('-') + 1);  // npos + 1 is 0: no parent's name in it
  }
  if (!part.starts_with(kPodPrefix) || part.size() == kPodPrefix.size()) return std::nullopt;
  std::string uid(part.substr(kPodPrefix.size()));
  if (driver == CgroupDriver::systemd) std::replace(uid.begin(), uid.end(), '_', '-');
  return uid;
}

}  // namespace keelson::spec
