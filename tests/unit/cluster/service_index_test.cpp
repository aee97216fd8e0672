// What pods see of the cluster's Services after they were packed.
#include "agent/cluster/service_index.hpp"

#include <catch2/catch.hpp>

using namespace keelson;
using agent::ServiceIndex;

namespace {

kube::Service service(const std::string& ns, const std::string& name, const std::string& ip) {
  kube::Service out;
  out.metadata.ns = ns;
  out.metadata.name = name;
  out.spec.cluster_ip = ip;
  for (const auto& [port_name, protocol, number] :
       {std::tuple<const char*, const char*, int>{"http", "TCP", 80}, {"", "UDP", 53}}) {
    auto& port = out.spec.ports.emplace_back();
    port.name = port_name;
    port.protocol = protocol;
    port.port = number;
  }
  return out;
}

std::vector<std::string> names(const ServiceIndex& index, const std::string& ns) {
  std::vector<std::string> out;
  for (const auto& s : index.visible_from(ns)) out.push_back(kube::object_key(s->metadata));
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a pod sees its namespace's Services and default/kubernetes", "[service_index]") {
  ServiceIndex index;
  index.set(service("default", "kubernetes", "10.96.0.1"));
  index.set(service("default", "other", "10.96.0.2"));
  index.set(service("ns", "b", "10.96.0.3"));
  index.set(service("ns", "a", "fd00::4"));
  index.set(service("ns", "headless", "None"));
  index.set(service("ns", "pending", ""));
  CHECK(index.size() == 4);
  CHECK(names(index, "ns") == Names{"ns/a", "ns/b", "default/kubernetes"});
  CHECK(names(index, "default") == Names{"default/kubernetes", "default/other"});
  CHECK(names(index, "empty") == Names{"default/kubernetes"});

  const auto a = index.visible_from("ns").front();
  CHECK(a->spec.cluster_ip == "fd00::4");
  REQUIRE(a->spec.ports.size() == 2);
  CHECK(a->spec.ports[0].name == "http");
  CHECK(a->spec.ports[0].protocol == "TCP");
  CHECK(a->spec.ports[0].port == 80);
  CHECK(a->spec.ports[1].name.empty());
  CHECK(a->spec.ports[1].protocol == "UDP");
  CHECK(a->spec.ports[1].port == 53);
}

TEST_CASE("Services that change or go are seen so", "[service_index]") {
  ServiceIndex index;
  index.set(service("ns", "a", "10.96.0.3"));
  index.set(service("ns", "a", "10.96.0.4"));
  CHECK(index.size() == 1);
  CHECK(index.visible_from("ns").front()->spec.cluster_ip == "10.96.0.4");
  index.set(service("ns", "a", "None"));  // made anew as a headless one
  CHECK(index.size() == 0);
  index.set(service("ns", "a", "10.96.0.4"));
  index.remove("ns/b");
  index.remove("none/a");
  index.remove("a");
  CHECK(index.size() == 1);
  index.remove("ns/a");
  CHECK(index.size() == 0);
  CHECK(names(index, "ns").empty());
}
