#include "agent/spec/node_support.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/spec/builders.hpp"
#include "tests/unit/spec/temp_tree.hpp"

namespace keelson::spec {
namespace {

using test::container;

struct Fixture {
  kube::Pod p = test::pod();
  NodeFacts facts = test::node();
  kube::PodSecurityContext& of_pod() {
    return p.spec.security_context ? *p.spec.security_context : p.spec.security_context.emplace();
  }
  [[nodiscard]] std::string reason() const {
    const auto refusal = unsupported_here(p, facts);
    return refusal ? refusal->reason : "";
  }
};

TEST_CASE_METHOD(Fixture, "a plain pod needs nothing special") { CHECK(!unsupported_here(p, facts)); }

TEST_CASE_METHOD(Fixture, "supplementalGroupsPolicy Strict needs the runtime") {
  of_pod().supplemental_groups_policy = "Merge";
  CHECK(reason().empty());
  of_pod().supplemental_groups_policy = "Strict";
  CHECK(unsupported_here(p, facts) == Refusal{"SupplementalGroupsPolicyNotSupported",
                                              "SupplementalGroupsPolicy=Strict is not supported in this node"});
  facts.supplemental_groups_policy = true;
  CHECK(reason().empty());
}

TEST_CASE_METHOD(Fixture, "AppArmor needs the kernel") {
  const Refusal refusal{"AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"};
  SECTION("of the pod, even where every container says Unconfined") {
    of_pod().app_armor_profile = kube::AppArmorProfile{"RuntimeDefault", ""};
    p.spec.containers[0].security_context.emplace().app_armor_profile = kube::AppArmorProfile{"Unconfined", ""};
    CHECK(unsupported_here(p, facts) == refusal);
  }
  SECTION("of an init container") {
    p.spec.init_containers = {container("init")};
    p.spec.init_containers[0].security_context.emplace().app_armor_profile = kube::AppArmorProfile{"Localhost", "x"};
    CHECK(unsupported_here(p, facts) == refusal);
  }
  SECTION("by the older annotation") {
    p.metadata.annotations["container.apparmor.security.beta.kubernetes.io/main"] = "runtime/default";
    CHECK(unsupported_here(p, facts) == refusal);
  }
  SECTION("Unconfined asks for nothing") {
    of_pod().app_armor_profile = kube::AppArmorProfile{"Unconfined", ""};
    p.metadata.annotations["container.apparmor.security.beta.kubernetes.io/main"] = "unconfined";
    CHECK(!unsupported_here(p, facts));
  }
  facts.apparmor = true;
  CHECK(!unsupported_here(p, facts));
}

TEST_CASE_METHOD(Fixture, "resource claims and stop signals") {
  p.spec.containers[0].lifecycle.emplace().stop_signal = "SIGUSR1";
  CHECK(unsupported_here(p, facts)->message ==
        "Pod requires node features that are not available: lifecycle.stopSignal of container main, which this "
        "container runtime does not have");
  facts.stop_signals = true;
  CHECK(reason().empty());
  p.spec.containers[0].resources.claims = {{"gpu", ""}};
  CHECK(unsupported_here(p, facts)->message ==
        "Pod requires node features that are not available: resources.claims of container main");
  p.spec.resource_claims = {{"gpu", "claim", {}}};
  CHECK(unsupported_here(p, facts)->message ==
        "Pod requires node features that are not available: spec.resourceClaims[gpu] (dynamic resource allocation)");
  CHECK(reason() == "PodFeatureUnsupported");
}

TEST_CASE_METHOD(Fixture, "sysctls: safe ones, allowed ones, others") {
  const auto refused = [&](const char* name) {
    of_pod().sysctls = {{name, "1"}};
    return refuse_sysctls(p, {"kernel.msg*", "net.core.somaxconn"});
  };
  CHECK(!refuse_sysctls(test::pod(), {}));
  CHECK(!refused("kernel.shm_rmid_forced"));
  CHECK(!refused("net/ipv4/tcp_rmem"));
  CHECK(!refused("kernel.msgmax"));
  CHECK(!refused("net/core/somaxconn"));
  CHECK(refused("net.core.somaxconn2"));
  CHECK(refused("vm/swappiness") == Refusal{"SysctlForbidden", "forbidden sysctl: \"vm/swappiness\" not allowlisted"});
}

TEST_CASE_METHOD(Fixture, "user namespaces by the runtime's handler") {
  CHECK(check_user_namespace(p, "", facts).has_value());
  p.spec.host_users = true;
  CHECK(check_user_namespace(p, "", facts).has_value());
  p.spec.host_users = false;
  CHECK(check_user_namespace(p, "", facts).error().message ==
        "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
  facts.user_namespace_handlers = {""};
  CHECK(check_user_namespace(p, "", facts).has_value());
  CHECK(check_user_namespace(p, "gvisor", facts).error().message ==
        "can't set `spec.hostUsers: false`, RuntimeClass handler \"gvisor\" does not support user namespaces");
}

TEST_CASE("which runtimes obey stop_signal") {
  CHECK(has_stop_signals("containerd", "v2.3.0"));
  CHECK(has_stop_signals("containerd", "3.0.1"));
  CHECK(has_stop_signals("cri-o", "1.33.0"));
  CHECK(!has_stop_signals("containerd", "v2.2.9"));
  CHECK(!has_stop_signals("containerd", "1.6.20~ds1"));
  CHECK(!has_stop_signals("cri-o", "1.32.9"));
  CHECK(!has_stop_signals("other", "9.9.9"));
  for (const char* odd : {"", "v", "2", "2.", ".3", "two.three"}) CHECK(!has_stop_signals("containerd", odd));
}

TEST_CASE("AppArmor of the kernel") {
  test::TempTree tree;
  CHECK(!has_apparmor(tree.path("enabled")));
  tree.write("enabled", "N\n");
  CHECK(!has_apparmor(tree.path("enabled")));
  tree.write("enabled", "Y\n");
  CHECK(has_apparmor(tree.path("enabled")));
}

}  // namespace
}  // namespace keelson::spec
