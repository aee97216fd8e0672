// Which volumes a pod needs and how claims resolve; the container's mounts. No I/O.
#include <catch2/catch.hpp>

#include "temp_root.hpp"
#include "volumes/mounts.hpp"
#include "volumes/plan.hpp"

namespace keelson::volumes {
namespace {

struct Claimed {
  Claimed() {
    pod.metadata.name = "web-0";
    pod.metadata.ns = "shop";
    pod.metadata.uid = "pod-uid";
    kube::Volume volume;
    volume.name = "data";
    volume.persistent_volume_claim.emplace();
    volume.persistent_volume_claim->claim_name = "data-web-0";
    pod.spec.volumes.push_back(volume);
    kube::Container container;
    container.name = "web";
    container.volume_mounts.push_back({});
    container.volume_mounts[0].name = "data";
    container.volume_mounts[0].mount_path = "/data";
    pod.spec.containers.push_back(container);
    claim.metadata.name = "data-web-0";
    claim.metadata.ns = "shop";
    claim.metadata.uid = "claim-uid";
    claim.spec.volume_name = "pv1";
    claim.status.phase = "Bound";
    pv.metadata.name = "pv1";
    pv.spec.claim_ref.emplace();
    pv.spec.claim_ref->uid = "claim-uid";
    pv.spec.local.emplace();
    pv.spec.local->path = "/mnt/disk";
    node.name = "n1";
  }
  [[nodiscard]] VolumePlan plan() const {
    auto objects = std::make_shared<kube::ObjectSet>();
    if (!no_claim) objects->claims["shop/data-web-0"] = std::make_shared<const kube::PersistentVolumeClaim>(claim);
    if (!no_pv) objects->volumes["pv1"] = std::make_shared<const kube::PersistentVolume>(pv);
    return plan_volumes({std::make_shared<const kube::Pod>(pod), objects}, node);
  }
  [[nodiscard]] std::string error() const {
    const VolumePlan result = plan();
    return result.failures.empty() ? "ok" : result.failures[0].error.message;
  }
  kube::Pod pod;
  kube::PersistentVolumeClaim claim;
  kube::PersistentVolume pv;
  NodeFacts node;
  bool no_claim = false;
  bool no_pv = false;
};

TEST_CASE("a bound claim becomes a volume of its PersistentVolume's kind and name") {
  Claimed world;
  world.pv.metadata.annotations["pv.beta.kubernetes.io/gid"] = "1234";
  world.pod.spec.security_context.emplace();
  world.pod.spec.security_context->fs_group = 2000;
  world.pod.spec.security_context->fs_group_change_policy = "OnRootMismatch";
  world.pod.spec.volumes[0].persistent_volume_claim->read_only = true;
  const VolumePlan plan = world.plan();
  REQUIRE(plan.requests.size() == 1);
  const VolumeRequest& request = plan.requests[0];
  CHECK(request.plugin == "kubernetes.io/local-volume");
  CHECK(request.inner_name == "pv1");
  CHECK(request.read_only);
  CHECK(request.fs_group == 2000);
  CHECK(request.fs_group_on_root_mismatch);
  CHECK(supplemental_groups(request) == std::vector<std::int64_t>{1234});
}

TEST_CASE("claims that cannot be used say why") {
  const std::string prefix = "error processing PVC shop/data-web-0: ";
  Claimed world;
  CHECK(world.error() == "ok");
  SECTION("no claim") {
    world.no_claim = true;
    CHECK(world.error() == prefix + "persistentvolumeclaim \"data-web-0\" not found");
  }
  SECTION("pending") {
    world.claim.status.phase = "Pending";
    CHECK(world.error() == prefix + "PVC is not bound");
    const Error error = failed_to_process(world.plan().failures);
    CHECK(error.message ==
          "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], "
          "failed to process volumes=[data]: " +
              prefix + "PVC is not bound");
    CHECK(error.reason == "FailedMount");
  }
  SECTION("going away") {
    world.claim.metadata.deletion_timestamp.emplace();
    CHECK(world.error() == prefix + "PVC is being deleted");
    world.claim.metadata.finalizers = {"kubernetes.io/pvc-protection"};
    CHECK(world.error() == "ok");
  }
  SECTION("no name") {
    world.claim.spec.volume_name.clear();
    CHECK(world.error() == prefix + "PVC has empty pvc.Spec.VolumeName");
  }
  SECTION("no volume") {
    world.no_pv = true;
    CHECK(world.error() == prefix + "persistentvolume \"pv1\" not found");
  }
  SECTION("volume of another claim") {
    world.pv.spec.claim_ref->uid = "other";
    CHECK(world.error() ==
          prefix + "found PV object pv1 but its pv.Spec.ClaimRef.UID other does not point to claim.UID claim-uid");
  }
  SECTION("volume not bound back") {
    world.pv.spec.claim_ref.reset();
    CHECK(world.error().find("nil pv.Spec.ClaimRef") != std::string::npos);
  }
  SECTION("block volume mounted as a filesystem") {
    world.pv.spec.volume_mode = "Block";
    CHECK(world.error() == prefix + "volume data has volumeMode Block, but is specified in volumeMounts");
  }
  SECTION("another node's disk") {
    kube::NodeSelectorTerm term;
    term.match_expressions.push_back({"kubernetes.io/hostname", "In", {"n2"}});
    world.pv.spec.node_affinity.emplace();
    world.pv.spec.node_affinity->required.emplace();
    world.pv.spec.node_affinity->required->node_selector_terms.push_back(term);
    world.node.labels["kubernetes.io/hostname"] = "n1";
    CHECK(world.error() == prefix + "NodeAffinity check failed for volume \"pv1\": no matching NodeSelectorTerms");
    world.node.labels["kubernetes.io/hostname"] = "n2";
    CHECK(world.error() == "ok");
  }
  SECTION("a source that no plugin carries") {
    world.pv.spec.local.reset();
    world.pv.spec.other_sources = {"cephfs"};
    CHECK(world.error() ==
          prefix + "PersistentVolume pv1: spec.cephfs: this node does not support this kind of volume");
  }
}

TEST_CASE("volumes that no container uses are not looked at") {
  Claimed world;
  world.no_claim = true;
  world.pod.spec.containers[0].volume_mounts.clear();
  CHECK(world.plan().failures.empty());
  CHECK(world.plan().requests.empty());
}

TEST_CASE("an ephemeral volume's claim must be the pod's own") {
  Claimed world;
  world.pod.spec.volumes[0].persistent_volume_claim.reset();
  world.pod.spec.volumes[0].ephemeral.emplace();
  world.pod.metadata.name = "x";  // its claim would be x-data
  CHECK(world.error() == "error processing PVC shop/x-data: persistentvolumeclaim \"x-data\" not found");
  world.pod.metadata.name = "data";
  world.pod.spec.volumes[0].name = "web-0";
  world.pod.spec.containers[0].volume_mounts[0].name = "web-0";
  CHECK(world.error() ==
        "error processing PVC shop/data-web-0: PVC shop/data-web-0 was not created for pod shop/data "
        "(pod is not owner)");
  world.claim.metadata.owner_references.push_back({});
  world.claim.metadata.owner_references[0].uid = "pod-uid";
  CHECK_FALSE(world.error() == "ok");  // an owner, but not the one that made it
  world.claim.metadata.owner_references[0].controller = true;
  CHECK(world.error() == "ok");
}

TEST_CASE("kinds that this node does not have are refused by their field") {
  Claimed world;
  kube::Volume& volume = world.pod.spec.volumes[0];
  volume.persistent_volume_claim.reset();
  volume.other_sources = {"cephfs"};
  const std::string head =
      "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process "
      "volumes=[data]: ";
  CHECK(failed_to_process(world.plan().failures).message ==
        head + "spec.volumes[0].cephfs: this node does not support this kind of volume");
  volume.other_sources.clear();
  volume.csi.emplace();
  world.pod.spec.volumes.insert(world.pod.spec.volumes.begin(), kube::Volume{});
  CHECK(world.error() == "spec.volumes[1].csi: this node does not support this kind of volume");
  CHECK(world.plan().failures[0].error.code == Errc::unimplemented);
}

TEST_CASE("PersistentVolumes of kinds that this node does not have are refused by their field") {
  Claimed world;
  world.pv.spec.local.reset();
  world.pv.spec.csi.emplace();
  CHECK(world.error() ==
        "error processing PVC shop/data-web-0: PersistentVolume pv1: spec.csi: this node does not support this kind "
        "of volume");
  world.pv.spec.csi.reset();
  world.pv.spec.other_sources = {"rbd"};
  CHECK(world.error() ==
        "error processing PVC shop/data-web-0: PersistentVolume pv1: spec.rbd: this node does not support this kind "
        "of volume");
}

struct Mounted {
  Mounted() {
    container.name = "web";
    container.volume_mounts.resize(1);
    mount().name = "data";
    mount().mount_path = "/data";
    MountedVolume volume;
    volume.name = "data";
    volume.inner_name = "pv1";
    volume.host_path = "/host/data";
    volumes["data"] = volume;
  }
  kube::VolumeMount& mount() { return container.volume_mounts[0]; }
  [[nodiscard]] Result<std::vector<ContainerMount>> make(const SubPathMounts& sub_paths = {}, bool rro = false) const {
    return make_mounts(container, volumes, sub_paths, {rro});
  }
  kube::Container container;
  MountedVolumes volumes;
};

TEST_CASE("make_mounts") {
  Mounted world;
  ContainerMount expected{"data", "/host/data", "/data", false, false, Propagation::private_, false};
  CHECK(*world.make() == std::vector{expected});

  world.mount().mount_path = "data";
  world.mount().mount_propagation = "Bidirectional";
  world.volumes["data"].read_only = true;
  world.volumes["data"].selinux_relabel = true;
  expected.read_only = true;
  expected.selinux_relabel = true;
  expected.propagation = Propagation::bidirectional;
  CHECK(*world.make() == std::vector{expected});

  world.mount().mount_propagation = "Sideways";
  CHECK(outcome(world.make()) == "volumeMount \"data\": invalid MountPropagation mode: \"Sideways\"");
  world.mount().name = "other";
  CHECK(outcome(world.make()) == "cannot find volume \"other\" to mount into container \"web\"");
}

TEST_CASE("image volumes are mounted by the runtime, always read-only, subPath and all") {
  Mounted world;
  world.volumes["data"].host_path.clear();
  world.volumes["data"].image = "sha256:1234";
  world.volumes["data"].read_only = true;
  ContainerMount expected{"data", "", "/data", true, false, Propagation::private_, false, "sha256:1234", ""};
  CHECK(*world.make() == std::vector{expected});

  const ExpandSubPath expand = [](const std::string& text) -> Result<std::string> { return "etc/" + text; };
  CHECK(image_sub_paths(world.container, world.volumes, expand)->empty());
  world.mount().sub_path_expr = "conf";
  CHECK(sub_path_requests(world.container, world.volumes, expand)->empty());  // nothing for us to bind
  const auto paths = image_sub_paths(world.container, world.volumes, expand);
  REQUIRE(outcome(paths) == "ok");
  expected.image_sub_path = "etc/conf";
  CHECK(*world.make(*paths) == std::vector{expected});
  world.mount().sub_path_expr = "../x";
  const auto refused = image_sub_paths(world.container, world.volumes, expand);
  CHECK(outcome(refused) == "unable to provision SubPath `etc/../x`: must not contain '..'");
  CHECK(refused.error().reason == "CreateContainerConfigError");
}

TEST_CASE("which runtimes have image volumes") {
  CHECK(has_image_volumes("containerd", "2.1.0"));
  CHECK(has_image_volumes("containerd", "v2.2.9"));
  CHECK(has_image_volumes("containerd", "3.0.1"));
  CHECK(has_image_volumes("cri-o", "1.31.2"));
  for (const char* version : {"1.6.20~ds1", "1.7.27", "2.0.5", "v2", "", "2.", "x.y"}) {
    INFO(version);
    CHECK_FALSE(has_image_volumes("containerd", version));
  }
  CHECK_FALSE(has_image_volumes("cri-o", "1.30.0"));
  CHECK_FALSE(has_image_volumes("other", "9.9"));
}

TEST_CASE("recursiveReadOnly") {
  Mounted world;
  world.mount().read_only = true;
  world.mount().recursive_read_only = "IfPossible";
  CHECK_FALSE(world.make({}, false)->at(0).recursive_read_only);
  CHECK(world.make({}, true)->at(0).recursive_read_only);
  world.mount().recursive_read_only = "Enabled";
  CHECK(world.make({}, true)->at(0).recursive_read_only);
  CHECK(outcome(world.make({}, false)).find("does not support recursive read-only") != std::string::npos);
  world.mount().read_only = false;
  CHECK_FALSE(world.make({}, true).has_value());
}

TEST_CASE("subPath requests are checked, expanded, and used by make_mounts") {
  Mounted world;
  const ExpandSubPath expand = [](const std::string& text) -> Result<std::string> {
    if (text == "$(POD)/x") return std::string("web-0/x");
    return make_error(Errc::invalid_argument, "no such variable");
  };
  CHECK(sub_path_requests(world.container, world.volumes, expand)->empty());
  world.mount().sub_path_expr = "$(POD)/x";
  const SubPathRequest expected{"web", 0, "data", "pv1", "/host/data", "web-0/x"};
  CHECK(*sub_path_requests(world.container, world.volumes, expand) == std::vector{expected});
  CHECK(world.make({{0, "/prepared"}})->at(0).host_path == "/prepared");
  CHECK_FALSE(world.make().has_value());
  world.mount().sub_path_expr = "$(NOPE)";
  CHECK(outcome(sub_path_requests(world.container, world.volumes, expand)) == "no such variable");
  world.mount().sub_path_expr.clear();
  world.mount().sub_path = "/etc";
  CHECK(outcome(sub_path_requests(world.container, world.volumes, expand)) ==
        "error SubPath `/etc` must not be an absolute path");
  world.mount().sub_path = "a/../b";
  CHECK(outcome(sub_path_requests(world.container, world.volumes, expand)) ==
        "unable to provision SubPath `a/../b`: must not contain '..'");
}

TEST_CASE("make_devices") {
  Mounted world;
  world.container.volume_devices.push_back({"data", "/dev/xvda"});
  CHECK(outcome(make_devices(world.container, world.volumes)) ==
        "cannot find volume \"data\" to pass into container \"web\"");
  world.volumes["data"].device_path = "/dev/loop7";
  CHECK(make_devices(world.container, world.volumes)->at(0) == ContainerDevice{"/dev/loop7", "/dev/xvda", "mrw"});
}

}  // namespace
}  // namespace keelson::volumes
