// Short ways to the objects that the tests of agent/spec need.
#pragma once

#include <memory>
#include <string>

#include "agent/spec/node_facts.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"

namespace keelson::spec::test {

inline kube::Quantity quantity(const char* text) { return kube::Quantity::parse(text).value(); }

inline kube::ResourceList resources(std::initializer_list<std::pair<const char*, const char*>> list) {
  kube::ResourceList out;
  for (const auto& [name, text] : list) out[name] = quantity(text);
  return out;
}

inline kube::Container container(const std::string& name, kube::ResourceList requests = {},
                                 kube::ResourceList limits = {}) {
  kube::Container out;
  out.name = name;
  out.image = "busybox:1.36";
  out.resources.requests = std::move(requests);
  out.resources.limits = std::move(limits);
  out.termination_message_path = "/dev/termination-log";
  out.termination_message_policy = "File";
  return out;
}

inline kube::Container sidecar(const std::string& name, kube::ResourceList requests = {},
                               kube::ResourceList limits = {}) {
  auto out = container(name, std::move(requests), std::move(limits));
  out.restart_policy = "Always";
  return out;
}

inline kube::Pod pod(std::vector<kube::Container> containers = {container("main")}) {
  kube::Pod out;
  out.metadata.name = "web";
  out.metadata.ns = "shop";
  out.metadata.uid = "11-22-33";
  out.spec.containers = std::move(containers);
  out.spec.dns_policy = "ClusterFirst";
  out.spec.service_account_name = "default";
  return out;
}

inline NodeFacts node() {
  NodeFacts out;
  out.name = "node-1";
  out.ips = {"10.0.0.1", "fd00::1"};
  out.memory_bytes = 8LL << 30;
  out.cpu_millis = 4000;
  out.allocatable = resources({{"cpu", "4"}, {"memory", "8Gi"}, {"ephemeral-storage", "100Gi"}});
  out.hugepage_sizes = {"2MB"};
  out.cgroup_version = 1;
  out.root_dir = "/var/lib/keelson";
  out.cluster_dns = {"10.96.0.10"};
  out.resolv_conf = ResolvConf{{"192.168.1.1"}, {"lan"}, {"timeout:2"}};
  return out;
}

inline std::shared_ptr<const kube::Service> service(const std::string& ns, const std::string& name,
                                                    const std::string& ip, std::vector<kube::ServicePort> ports = {}) {
  auto out = std::make_shared<kube::Service>();
  out->metadata.name = name;
  out->metadata.ns = ns;
  out->spec.cluster_ip = ip;
  out->spec.ports = std::move(ports);
  return out;
}

inline kube::ServicePort port(const std::string& name, int number, const std::string& protocol = "TCP") {
  kube::ServicePort out;
  out.name = name;
  out.port = number;
  out.protocol = protocol;
  return out;
}

inline void add_config_map(kube::ObjectSet& set, const std::string& ns, const std::string& name, kube::StringMap data) {
  auto map = std::make_shared<kube::ConfigMap>();
  map->metadata.name = name;
  map->metadata.ns = ns;
  map->data = std::move(data);
  set.config_maps[kube::object_key(ns, name)] = std::move(map);
}

inline void add_secret(kube::ObjectSet& set, const std::string& ns, const std::string& name, kube::StringMap data) {
  auto secret = std::make_shared<kube::Secret>();
  secret->metadata.name = name;
  secret->metadata.ns = ns;
  secret->data = std::move(data);
  set.secrets[kube::object_key(ns, name)] = std::move(secret);
}

}  // namespace keelson::spec::test
