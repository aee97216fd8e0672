#include "agent/standalone/endpoints.hpp"

#include "tests/unit/standalone/fixture.hpp"

namespace keelson::agent::test {
namespace {

struct PodOptions {
  std::string name = "web-1", ip = "10.0.0.1", labels = "app: web", spec = "", ns = "default";
  bool ready = true, stopping = false;
  const char* phase = "Running";
  std::string second_ip;
};

ExistingPod pod(const PodOptions& o) {
  const auto set = load("apiVersion: v1\nkind: Pod\nmetadata: {name: " + o.name + ", namespace: " + o.ns +
                        ", labels: {" + o.labels + "}}\nspec: {" + (o.spec.empty() ? "" : o.spec + ", ") +
                        (o.spec.find(" containers:") == std::string::npos && !o.spec.starts_with("containers:")
                             ? "containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]"
                             : "terminationGracePeriodSeconds: 1") +
                        "}\n");
  auto s = status(o.phase, o.ready);
  for (const auto& ip : {o.ip, o.second_ip}) {
    if (!ip.empty()) s.pod_ips.push_back({ip});
  }
  return {set.pods.begin()->second, std::make_shared<const kube::PodStatus>(std::move(s)), o.stopping};
}

using Slices = std::vector<std::shared_ptr<const kube::EndpointSlice>>;

Slices slices(const std::string& spec, const std::vector<ExistingPod>& pods, const std::string& other = "") {
  const auto set = load("apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {team: a}}\nspec: {" + spec +
                        "}\n---\n" + other);
  std::vector<std::shared_ptr<const kube::Service>> services;
  for (const auto& [key, s] : set.services) services.push_back(s);
  return make_slices(services, pods, set.slices, "node1");
}

const kube::EndpointSlice& only(const Slices& s) {
  REQUIRE(s.size() == 1);
  return *s[0];
}

const std::string kSelect = "selector: {app: web}, ports: [{port: 80, targetPort: 8080}]";

}  // namespace

TEST_CASE("a Service leads to the ready pods that it selects", "[endpoints]") {
  const auto all = slices("clusterIP: 10.96.0.10, " + kSelect,
                          {pod({.name = "web-2", .ip = "10.0.0.2"}), pod({}), pod({.name = "db", .labels = "app: db"}),
                           pod({.name = "far", .ns = "other"})});
  const auto& slice = only(all);
  CHECK(slice.metadata.ns == "default");
  CHECK(slice.metadata.name.starts_with("web-"));
  CHECK(slice.metadata.name.size() == 9);
  CHECK(slice.metadata.labels.at("kubernetes.io/service-name") == "web");
  CHECK(slice.metadata.labels.at("team") == "a");
  CHECK(slice.metadata.labels.count("service.kubernetes.io/headless") == 0);
  CHECK(slice.address_type == "IPv4");
  REQUIRE(slice.ports.size() == 1);
  CHECK(slice.ports[0].port == 8080);
  CHECK(slice.ports[0].protocol == "TCP");
  CHECK(slice.ports[0].name == "");
  REQUIRE(slice.endpoints.size() == 2);
  const auto& e = slice.endpoints[0];
  CHECK(e.addresses == std::vector<std::string>{"10.0.0.1"});
  CHECK(e.conditions.ready == true);
  CHECK(e.conditions.serving == true);
  CHECK(e.conditions.terminating == false);
  CHECK(e.node_name == "node1");
  CHECK_FALSE(e.hostname);
  REQUIRE(e.target_ref);
  CHECK(e.target_ref->kind == "Pod");
  CHECK(e.target_ref->name == "web-1");
  CHECK(slice.endpoints[1].addresses[0] == "10.0.0.2");
}

TEST_CASE("the conditions of an endpoint", "[endpoints]") {
  struct Row {
    bool pod_ready, stopping, publish, ready, serving;
  };
  const auto row = GENERATE(values<Row>({
      {true, false, false, true, true},
      {false, false, false, false, false},
      {true, true, false, false, true},
      {false, true, false, false, false},
      {false, false, true, true, false},
      {false, true, true, true, false},
  }));
  CAPTURE(row.pod_ready, row.stopping, row.publish);
  const auto all = slices(kSelect + (row.publish ? ", publishNotReadyAddresses: true" : ""),
                          {pod({.ready = row.pod_ready, .stopping = row.stopping})});
  const auto& c = only(all).endpoints.at(0).conditions;
  CHECK(c.ready == row.ready);
  CHECK(c.serving == row.serving);
  CHECK(c.terminating == row.stopping);
}

TEST_CASE("pods that are no endpoints", "[endpoints]") {
  CHECK(slices(kSelect, {}).empty());
  CHECK(slices(kSelect, {pod({.ip = ""})}).empty());
  CHECK(
      slices(kSelect, {pod({.ready = false, .phase = "Succeeded"}), pod({.ready = false, .phase = "Failed"})}).empty());
  auto unknown = pod({});
  unknown.status = nullptr;
  CHECK(slices(kSelect, {unknown}).empty());
}

TEST_CASE("where ports lead to", "[endpoints]") {
  struct Row {
    const char *ports, *pod;
    std::vector<int> expected;
  };
  const auto row = GENERATE(values<Row>({
      {"{port: 80}", "", {80}},
      {"{port: 80, targetPort: 8080}", "", {8080}},
      {"{port: 80, targetPort: http}", "", {8080}},
      {"{port: 80, targetPort: nope}", "", {}},
      {"{port: 80, targetPort: http, protocol: UDP}", "", {}},
      {"{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: nope}, {name: c, port: 82}",
       "",
       {8080, 82}},
      {"{port: 80, targetPort: m}",
       "containers: [{name: a, image: i}, {name: b, image: i, ports: [{name: m, containerPort: 9}]}]",
       {9}},
      {"{port: 80, targetPort: m}",
       "initContainers: [{name: b, image: i, restartPolicy: Always, ports: [{name: m, containerPort: 9}]}], "
       "containers: "
       "[{name: a, image: i}]",
       {9}},
      {"{port: 80, targetPort: m}",
       "initContainers: [{name: b, image: i, ports: [{name: m, containerPort: 9}]}], containers: [{name: a, image: i}]",
       {}},
  }));
  INFO(row.ports << " | " << row.pod);
  const auto all = slices(std::string("selector: {app: web}, ports: [") + row.ports + "]", {pod({.spec = row.pod})});
  std::vector<int> found;
  for (const auto& p : only(all).ports) found.push_back(p.port.value_or(-1));
  CHECK(found == row.expected);
  CHECK(only(all).endpoints.size() == 1);
}

TEST_CASE("pods whose named ports differ have slices of their own", "[endpoints]") {
  const std::string named = "selector: {app: web}, ports: [{port: 80, targetPort: http}]";
  const std::string other = "containers: [{name: c, image: i, ports: [{name: http, containerPort: 9090}]}]";
  const auto all = slices(named, {pod({}), pod({.name = "web-2", .ip = "10.0.0.2", .spec = other})});
  REQUIRE(all.size() == 2);
  CHECK(all[0]->ports.at(0).port == 8080);
  CHECK(all[1]->ports.at(0).port == 9090);
  CHECK(all[0]->metadata.name != all[1]->metadata.name);
  const auto one = slices(named, {pod({.ready = false})});  // a slice's name does not depend on its endpoints
  CHECK(only(one).metadata.name == all[0]->metadata.name);
}

TEST_CASE("headless Services have slices too", "[endpoints]") {
  const auto all = slices("clusterIP: None, selector: {app: web}", {pod({})});
  CHECK(only(all).ports.empty());
  CHECK(only(all).metadata.labels.count("service.kubernetes.io/headless") == 1);
  CHECK(only(all).endpoints.size() == 1);
}

TEST_CASE("a pod that names the Service as its subdomain has a hostname there", "[endpoints]") {
  CHECK(only(slices(kSelect, {pod({.spec = "hostname: db-0, subdomain: web"})})).endpoints[0].hostname == "db-0");
  CHECK_FALSE(only(slices(kSelect, {pod({.spec = "hostname: db-0, subdomain: other"})})).endpoints[0].hostname);
  CHECK_FALSE(only(slices(kSelect, {pod({.spec = "subdomain: web"})})).endpoints[0].hostname);
}

TEST_CASE("address families", "[endpoints]") {
  const auto dual = pod({.second_ip = "fd00::1"});
  const auto types = [&](const std::string& spec) {
    std::string out;
    for (const auto& s : slices(spec + kSelect, {dual}))
      out += s->address_type + " " + s->endpoints.at(0).addresses.at(0) + ";";
    return out;
  };
  CHECK(types("clusterIP: 10.96.0.10, ") == "IPv4 10.0.0.1;");
  CHECK(types("clusterIP: \"fd01::1\", ") == "IPv6 fd00::1;");
  CHECK(types("clusterIP: None, ") == "IPv4 10.0.0.1;IPv6 fd00::1;");
  CHECK(types("clusterIP: 10.96.0.10, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv6], ") ==
        "IPv4 10.0.0.1;IPv6 fd00::1;");
}

TEST_CASE("pods on the host's network are endpoints by the node's address", "[endpoints]") {
  const auto all =
      slices(kSelect, {pod({.ip = "192.168.1.5", .spec = "hostNetwork: true, containers: [{name: c, image: i}]"})});
  CHECK(only(all).endpoints.at(0).addresses.at(0) == "192.168.1.5");
}

TEST_CASE("Services without a selector have the slices of the folder", "[endpoints]") {
  const std::string given =
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-x, labels: "
      "{kubernetes.io/service-name: "
      "web}}\naddressType: IPv4\nports: [{port: 5432}]\nendpoints: [{addresses: [10.9.9.9]}]\n";
  const auto all = slices("ports: [{port: 80}]", {pod({})}, given);
  CHECK(only(all).metadata.name == "web-x");
  CHECK(only(all).endpoints.at(0).addresses.at(0) == "10.9.9.9");
  CHECK(slices("ports: [{port: 80}]", {pod({})}).empty());
  CHECK(slices("type: ExternalName, externalName: example.org, selector: {app: web}", {pod({})}).empty());
}

}  // namespace keelson::agent::test
