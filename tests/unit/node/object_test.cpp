#include <catch2/catch.hpp>

#include "fixture.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;

namespace {

const kube::NodeCondition& condition(const kube::Node& node, const char* type) {
  const auto* found = kube::find_condition(node.status, type);
  REQUIRE(found != nullptr);
  return *found;
}

std::vector<std::string> reasons(const std::vector<NodeEvent>& events) {
  std::vector<std::string> out;
  for (const auto& event : events) out.push_back(event.reason);
  return out;
}

std::string amount(const kube::ResourceList& list, const char* name) { return list.at(name).to_string(); }

}  // namespace

TEST_CASE("a new node carries labels, taints, annotation and providerID") {
  auto c = config();
  c.labels = {{"pool", "a"}, {"kubernetes.io/hostname", "other"}};
  c.taints = {{"dedicated", "x", "NoExecute", std::nullopt}};
  c.provider_id = "cloud://1";
  c.external_cloud_provider = true;
  const auto node = initial_node(c, input());
  CHECK(node.metadata.name == "n1");
  CHECK(node.metadata.labels == kube::StringMap{{"kubernetes.io/hostname", "other"},
                                                {"kubernetes.io/os", "linux"},
                                                {"kubernetes.io/arch", "amd64"},
                                                {"beta.kubernetes.io/os", "linux"},
                                                {"beta.kubernetes.io/arch", "amd64"},
                                                {"pool", "a"}});
  CHECK(node.metadata.annotations == kube::StringMap{{kAttachDetachAnnotation, "true"}});
  REQUIRE(node.spec.taints.size() == 2);
  CHECK(node.spec.taints[0].key == "dedicated");
  CHECK(node.spec.taints[1] ==
        kube::Taint{"node.cloudprovider.kubernetes.io/uninitialized", "true", "NoSchedule", std::nullopt});
  CHECK(node.spec.provider_id == "cloud://1");
}

TEST_CASE("conditions come in upstream's order, Ready last, with its texts") {
  const auto node = initial_node(config(), input());
  std::vector<std::string> types;
  for (const auto& c : node.status.conditions) types.push_back(c.type);
  CHECK(types == std::vector<std::string>{"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"});
  CHECK(condition(node, "MemoryPressure").reason == "KubeletHasSufficientMemory");
  CHECK(condition(node, "DiskPressure").message == "kubelet has no disk pressure");
  CHECK(condition(node, "PIDPressure").status == "False");
  CHECK(condition(node, "Ready").reason == "KubeletReady");
  CHECK(condition(node, "Ready").message == "kubelet is posting ready status");
}

TEST_CASE("the last transition stays while the status does, the heartbeat goes on") {
  const auto before = initial_node(config(), input());
  const auto later = kStart + Seconds(60);
  auto in = input(later);
  in.disk_pressure = true;
  const auto after = updated_node(config(), before, in);
  CHECK(condition(after, "Ready").last_transition_time == kStart);
  CHECK(condition(after, "Ready").last_heartbeat_time == later);
  CHECK(condition(after, "DiskPressure").last_transition_time == later);
  CHECK(condition(after, "DiskPressure").status == "True");
  CHECK(condition(after, "DiskPressure").reason == "KubeletHasDiskPressure");
}

TEST_CASE("a controller's Unknown is answered with the truth, and other conditions are left alone") {
  auto before = initial_node(config(), input());
  for (auto& c : before.status.conditions) c.status = "Unknown", c.reason = "NodeStatusUnknown";
  kube::NodeCondition foreign;
  foreign.type = "NetworkUnavailable";
  foreign.status = "False";
  before.status.conditions.insert(before.status.conditions.begin(), foreign);
  const auto after = updated_node(config(), before, input(kStart + Seconds(5)));
  CHECK(after.status.conditions.front() == foreign);
  CHECK(condition(after, "MemoryPressure").reason == "KubeletHasSufficientMemory");
  CHECK(condition(after, "Ready").status == "True");
  CHECK(condition(after, "Ready").last_transition_time == kStart + Seconds(5));
}

TEST_CASE("Ready says everything that is wrong, each thing once") {
  auto in = input();
  in.errors = {"container runtime is down"};
  CHECK(condition(initial_node(config(), in), "Ready").message == "container runtime is down");
  in.errors = {"a", "b", "a"};
  in.size.ephemeral_storage_bytes = 0;
  const auto node = initial_node(config(), in);
  CHECK(condition(node, "Ready").reason == "KubeletNotReady");
  CHECK(condition(node, "Ready").message == "[a, b, missing node capacity for resources: ephemeral-storage]");
}

TEST_CASE("addresses: found, given, and a cloud provider's") {
  using A = kube::NodeAddress;
  auto c = config();
  SECTION("one of those found") {
    CHECK(initial_node(c, input()).status.addresses == std::vector<A>{{"InternalIP", "10.0.0.1"}, {"Hostname", "n1"}});
  }
  SECTION("both of those given") {
    c.node_ips = {"10.9.9.9", "fd99::1"};
    const auto node = initial_node(c, input());
    CHECK(node.status.addresses ==
          std::vector<A>{{"InternalIP", "10.9.9.9"}, {"InternalIP", "fd99::1"}, {"Hostname", "n1"}});
    CHECK(node.metadata.annotations.count(kProvidedIpAnnotation) == 0);
  }
  SECTION("none now: what was known stands") {
    const auto before = initial_node(c, input());
    auto in = input();
    in.ips.clear();
    CHECK(updated_node(c, before, in).status.addresses == before.status.addresses);
  }
  SECTION("an external provider sets them") {
    c.external_cloud_provider = true;
    auto node = initial_node(c, input());
    CHECK(node.status.addresses == std::vector<A>{{"Hostname", "n1"}});
    node.status.addresses = {{"ExternalIP", "1.2.3.4"}};
    CHECK(updated_node(c, node, input()).status.addresses == std::vector<A>{{"ExternalIP", "1.2.3.4"}});
    c.node_ips = {"10.9.9.9", "fd99::1"};
    CHECK(initial_node(c, input()).metadata.annotations.at(kProvidedIpAnnotation) == "10.9.9.9,fd99::1");
  }
}

TEST_CASE("capacity and allocatable") {
  auto c = config();
  c.resources.system_reserved["cpu"] = *kube::Quantity::parse("100m");
  c.resources.kube_reserved["memory"] = *kube::Quantity::parse("1Gi");
  auto in = input();
  in.size.huge_pages["hugepages-2Mi"] = *kube::Quantity::parse("512Mi");
  const auto node = initial_node(c, in);
  CHECK(amount(node.status.capacity, "cpu") == "2");
  CHECK(amount(node.status.capacity, "memory") == "4Gi");
  CHECK(amount(node.status.capacity, "pods") == "110");
  CHECK(amount(node.status.allocatable, "cpu") == "1900m");
  CHECK(amount(node.status.allocatable, "memory") == "2460Mi");  // 4096 - 1024 - 100 - 512
  CHECK(amount(node.status.allocatable, "ephemeral-storage") == "87890625Ki");
  CHECK(amount(node.status.allocatable, "hugepages-2Mi") == "512Mi");
  CHECK(check_reservations(c.resources, node.status.capacity).has_value());

  c.resources.pods_per_core = 10;
  c.resources.kube_reserved["memory"] = *kube::Quantity::parse("8Gi");
  const auto small = initial_node(c, in);
  CHECK(amount(small.status.capacity, "pods") == "20");
  CHECK(amount(small.status.allocatable, "memory") == "0");
  const auto wrong = check_reservations(c.resources, small.status.capacity);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().message.find("Resource \"memory\" has a reservation of 8292Mi but capacity of 4Gi.") !=
        std::string::npos);
}

TEST_CASE("extended resources of others stay, and are allocatable") {
  auto before = initial_node(config(), input());
  before.status.capacity["example.com/gpu"] = kube::Quantity::of(3);
  before.status.allocatable["example.com/gone"] = kube::Quantity::of(1);
  const auto after = updated_node(config(), before, input());
  CHECK(amount(after.status.capacity, "example.com/gpu") == "3");
  CHECK(amount(after.status.allocatable, "example.com/gpu") == "3");
  CHECK(after.status.allocatable.count("example.com/gone") == 0);
}

TEST_CASE("eviction thresholds") {
  CHECK(parse_eviction_threshold("10%")->of(kube::Quantity::of(1000)).value() == 100);
  CHECK(parse_eviction_threshold("1Gi")->of(kube::Quantity::of(1000)).to_string() == "1Gi");
  for (const char* bad : {"", "x", "-1Gi", "101%", "%", "1x%"}) CHECK_FALSE(parse_eviction_threshold(bad).has_value());
}

TEST_CASE("images: biggest first, bounded in number and names, in a stable order") {
  auto c = config();
  c.max_images = 2;
  auto in = input();
  in.images = {{{}, {"small:1"}, 1}, {{"b@x"}, {"b:1"}, 50}, {{"a@x"}, {"a:1", "a:2", "a:3", "a:4", "a:5"}, 50}};
  const auto images = initial_node(c, in).status.images;
  REQUIRE(images.size() == 2);
  CHECK(images[0].names == std::vector<std::string>{"a@x", "a:1", "a:2", "a:3", "a:4"});
  CHECK(images[1].names == std::vector<std::string>{"b@x", "b:1"});
  c.max_images = -1;
  CHECK(initial_node(c, in).status.images.size() == 3);
}

TEST_CASE("nodeInfo") {
  auto in = input();
  in.size.swap_bytes = 1024;
  const auto info = initial_node(config(), in).status.node_info;
  CHECK(info.container_runtime_version == "containerd://1.7.2");
  CHECK(info.kubelet_version == kKubeletVersion);
  CHECK(info.kube_proxy_version.empty());
  CHECK(info.operating_system == "linux");
  CHECK(info.swap->capacity == 1024);
  in.runtime_version.clear();
  CHECK(initial_node(config(), in).status.node_info.container_runtime_version == "containerd://Unknown");
}

TEST_CASE("volumes in use are not touched before they are known") {
  auto before = initial_node(config(), input());
  before.status.volumes_in_use = {"kubernetes.io/csi/d^v"};
  auto in = input();
  CHECK(updated_node(config(), before, in).status.volumes_in_use == before.status.volumes_in_use);
  in.volumes_in_use.emplace();
  CHECK(updated_node(config(), before, in).status.volumes_in_use.empty());
}

TEST_CASE("a node that was there before keeps what is the cluster's") {
  auto existing = initial_node(config(), input());
  existing.metadata.labels["kubernetes.io/hostname"] = "wrong";
  existing.metadata.labels["mine"] = "1";
  existing.metadata.annotations.erase(kAttachDetachAnnotation);
  existing.spec.taints = {{"a", "", "NoSchedule", std::nullopt}};
  existing.spec.unschedulable = true;
  existing.status.capacity["hugepages-1Gi"] = kube::Quantity::of(1);
  auto c = config();
  c.labels["node.kubernetes.io/instance-type"] = "big";
  c.labels["pool"] = "new";
  const auto now = reconciled_node(initial_node(c, input()), existing);
  CHECK(now.metadata.labels.at("kubernetes.io/hostname") == "n1");
  CHECK(now.metadata.labels.at("node.kubernetes.io/instance-type") == "big");
  CHECK(now.metadata.labels.at("mine") == "1");
  CHECK(now.metadata.labels.count("pool") == 0);
  CHECK(now.metadata.annotations.at(kAttachDetachAnnotation) == "true");
  CHECK(now.spec == existing.spec);
  CHECK(now.status.capacity.count("hugepages-1Gi") == 0);
}

TEST_CASE("events of a change") {
  const kube::Node nothing;
  const auto first = initial_node(config(), input());
  CHECK(reasons(node_events(nothing, first)) ==
        std::vector<std::string>{"NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"});
  CHECK(node_events(first, first).empty());
  auto in = input();
  in.errors = {"x"};
  in.memory_pressure = true;
  in.machine.boot_id = "boot-2";
  auto bad = updated_node(config(), first, in);
  bad.spec.unschedulable = true;
  const auto events = node_events(first, bad);
  CHECK(reasons(events) ==
        std::vector<std::string>{"Rebooted", "NodeHasInsufficientMemory", "NodeNotReady", "NodeNotSchedulable"});
  CHECK(events[0] == NodeEvent{"Warning", "Rebooted", "Node n1 has been rebooted, boot id: boot-2"});
  CHECK(events[2] == NodeEvent{"Normal", "NodeNotReady", "Node n1 status is now: NodeNotReady"});
  CHECK(reasons(node_events(bad, first)).back() == "NodeSchedulable");
}
