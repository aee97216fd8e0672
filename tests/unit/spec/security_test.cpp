#include "agent/spec/security.hpp"

#include <catch2/catch.hpp>

#include "builders.hpp"
#include "cri/api.pb.h"
#include "printing.hpp"

namespace keelson::spec {
namespace {

using namespace test;

struct Fixture {
  kube::Pod p = pod();
  NodeFacts facts = node();
  ImageUser user{0, ""};

  Fixture() {
    p.spec.security_context.emplace();
    main().security_context.emplace();
  }
  kube::Container& main() { return p.spec.containers.front(); }
  kube::SecurityContext& own() { return *main().security_context; }
  kube::PodSecurityContext& of_pod() { return *p.spec.security_context; }
  Result<v1::LinuxContainerSecurityContext> make(const PodSecurityFacts& extra = {}, const std::string& target = {}) {
    return make_security_context(p, main(), user, facts, extra, target);
  }
};

template <class Repeated>
std::vector<typename Repeated::value_type> list(const Repeated& field) {
  return {field.begin(), field.end()};
}

TEST_CASE("defaults without any security context") {
  const auto p = pod();
  const auto got = make_security_context(p, p.spec.containers[0], {0, ""}, node(), {}, "");
  REQUIRE(got);
  CHECK(got->run_as_user().value() == 0);
  CHECK(!got->has_run_as_group());
  CHECK(!got->privileged());
  CHECK(!got->readonly_rootfs());
  CHECK(!got->no_new_privs());
  CHECK(!got->has_capabilities());
  CHECK(got->seccomp().profile_type() == v1::SecurityProfile::Unconfined);
  CHECK(!got->has_apparmor());
  CHECK(got->supplemental_groups().empty());
  CHECK(got->namespace_options().network() == v1::POD);
  CHECK(got->namespace_options().ipc() == v1::POD);
  CHECK(got->namespace_options().pid() == v1::CONTAINER);
  CHECK(!got->namespace_options().has_userns_options());
  CHECK(list(got->masked_paths()) ==
        std::vector<std::string>{"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                                 "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                                 "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"});
  CHECK(list(got->readonly_paths()) ==
        std::vector<std::string>{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
}

TEST_CASE_METHOD(Fixture, "the container's settings come before the pod's") {
  of_pod().run_as_user = 1000;
  of_pod().run_as_group = 2000;
  of_pod().se_linux_options = kube::SeLinuxOptions{"u", "r", "t", "pod"};
  CHECK(make()->run_as_user().value() == 1000);
  CHECK(make()->run_as_group().value() == 2000);
  CHECK(make()->selinux_options().level() == "pod");
  own().run_as_user = 0;
  own().run_as_group = 5;
  own().se_linux_options = kube::SeLinuxOptions{"", "", "", "own"};
  own().privileged = true;
  own().read_only_root_filesystem = true;
  own().allow_privilege_escalation = false;
  own().capabilities = kube::Capabilities{{"NET_ADMIN"}, {"ALL"}};
  const auto got = make();
  REQUIRE(got);
  CHECK(got->run_as_user().value() == 0);
  CHECK(got->run_as_username().empty());
  CHECK(got->run_as_group().value() == 5);
  CHECK(got->selinux_options().level() == "own");
  CHECK(got->selinux_options().user().empty());
  CHECK(got->privileged());
  CHECK(got->readonly_rootfs());
  CHECK(got->no_new_privs());
  CHECK(list(got->capabilities().add_capabilities()) == std::vector<std::string>{"NET_ADMIN"});
  CHECK(list(got->capabilities().drop_capabilities()) == std::vector<std::string>{"ALL"});
  own().allow_privilege_escalation = true;
  CHECK(!make()->no_new_privs());
}

TEST_CASE_METHOD(Fixture, "the image's user stands in where the spec has none") {
  user = {std::nullopt, "nginx"};
  CHECK(!make()->has_run_as_user());
  CHECK(make()->run_as_username() == "nginx");
  user = {33, ""};
  CHECK(make()->run_as_user().value() == 33);

  v1::Image image;
  CHECK(image_user(image).uid == 0);
  image.set_username("app");
  CHECK(!image_user(image).uid);
  CHECK(image_user(image).username == "app");
  image.mutable_uid()->set_value(7);
  CHECK(image_user(image).uid == 7);
  CHECK(image_user(image).username.empty());
}

TEST_CASE_METHOD(Fixture, "runAsNonRoot") {
  const std::string where = " (pod: \"web_shop(11-22-33)\", container: main)";
  const auto check = [&] { return verify_non_root(p, main(), user); };
  CHECK(check());  // not asked for
  of_pod().run_as_non_root = true;
  CHECK(check().error().message == "container has runAsNonRoot and image will run as root" + where);
  CHECK(check().error().reason == "CreateContainerConfigError");
  user = {std::nullopt, "nginx"};
  CHECK(check().error().message ==
        "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root" + where);
  user = {5000000000, ""};
  CHECK_THAT(check().error().message,
             Catch::StartsWith("container has runAsNonRoot and image has an invalid user id (5000000000). (Must be "
                               "1-(2147483647)): "));
  user = {101, ""};
  CHECK(check());
  own().run_as_user = 0;
  CHECK(check().error().message == "container's runAsUser breaks non-root policy" + where);
  own().run_as_user = 1;
  user = {0, ""};
  CHECK(check());
  own().run_as_user.reset();
  own().run_as_non_root = false;  // the container's word
  CHECK(check());
}

TEST_CASE_METHOD(Fixture, "procMount") {
  facts.thermal_throttle_paths = {"/sys/devices/system/cpu/cpu0/thermal_throttle"};
  CHECK(make()->masked_paths_size() == 13);
  CHECK(make()->masked_paths(12) == "/sys/devices/system/cpu/cpu0/thermal_throttle");
  own().proc_mount = "Default";
  CHECK(make()->masked_paths_size() == 13);
  own().proc_mount = "Unmasked";
  CHECK(make()->masked_paths_size() == 0);
  CHECK(make()->readonly_paths_size() == 0);
}

TEST_CASE_METHOD(Fixture, "seccomp") {
  facts.seccomp_default = true;
  CHECK(make()->seccomp().profile_type() == v1::SecurityProfile::RuntimeDefault);
  of_pod().seccomp_profile = kube::SeccompProfile{"Unconfined", ""};
  CHECK(make()->seccomp().profile_type() == v1::SecurityProfile::Unconfined);
  own().seccomp_profile = kube::SeccompProfile{"Localhost", "profiles/audit.json"};
  CHECK(make()->seccomp().profile_type() == v1::SecurityProfile::Localhost);
  CHECK(make()->seccomp().localhost_ref() == "/var/lib/keelson/seccomp/profiles/audit.json");
  own().seccomp_profile->localhost_profile.clear();
  CHECK(make().error().message == "localhostProfile must be set if seccompProfile type is Localhost.");
  own().seccomp_profile = kube::SeccompProfile{"RuntimeDefault", ""};
  CHECK(make()->seccomp().profile_type() == v1::SecurityProfile::RuntimeDefault);
}

std::string apparmor_text(const v1::LinuxContainerSecurityContext& context) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return context.apparmor_profile();
#pragma GCC diagnostic pop
}

TEST_CASE_METHOD(Fixture, "AppArmor: container field, annotation, pod field") {
  of_pod().app_armor_profile = kube::AppArmorProfile{"RuntimeDefault", ""};
  CHECK(make()->apparmor().profile_type() == v1::SecurityProfile::RuntimeDefault);
  CHECK(apparmor_text(*make()) == "runtime/default");
  p.metadata.annotations["container.apparmor.security.beta.kubernetes.io/main"] = "localhost/strict";
  CHECK(make()->apparmor().profile_type() == v1::SecurityProfile::Localhost);
  CHECK(make()->apparmor().localhost_ref() == "strict");
  CHECK(apparmor_text(*make()) == "localhost/strict");
  own().app_armor_profile = kube::AppArmorProfile{"Unconfined", ""};
  CHECK(make()->apparmor().profile_type() == v1::SecurityProfile::Unconfined);
  CHECK(apparmor_text(*make()) == "unconfined");
  own().app_armor_profile = kube::AppArmorProfile{"Localhost", ""};
  CHECK(make().error().message == "missing localhost apparmor profile name");
  own().app_armor_profile = kube::AppArmorProfile{"Other", ""};
  CHECK(make().error().message == "unknown apparmor profile type: \"Other\"");
}

TEST_CASE_METHOD(Fixture, "supplemental groups") {
  of_pod().supplemental_groups = {4, 5};
  of_pod().fs_group = 2000;
  PodSecurityFacts extra;
  extra.extra_groups = {777};
  CHECK(list(make(extra)->supplemental_groups()) == std::vector<std::int64_t>{2000, 4, 5, 777});
  CHECK(make()->supplemental_groups_policy() == v1::Merge);
  of_pod().supplemental_groups_policy = "Strict";
  CHECK(make()->supplemental_groups_policy() == v1::Strict);
  of_pod().supplemental_groups_policy = "Odd";
  CHECK(make().error().message == "unsupported supplementalGroupsPolicy: Odd");
}

TEST_CASE_METHOD(Fixture, "namespaces") {
  p.spec.share_process_namespace = true;
  CHECK(make()->namespace_options().pid() == v1::POD);
  CHECK(make({}, "abc")->namespace_options().pid() == v1::POD);  // a target is only needed where PIDs are not shared
  p.spec.host_pid = true;
  p.spec.host_ipc = true;
  p.spec.host_network = true;
  CHECK(make()->namespace_options().pid() == v1::NODE);
  CHECK(make()->namespace_options().ipc() == v1::NODE);
  CHECK(make()->namespace_options().network() == v1::NODE);
  p.spec.host_pid = false;
  p.spec.share_process_namespace = false;
  CHECK(make({}, "abc")->namespace_options().pid() == v1::TARGET);
  CHECK(make({}, "abc")->namespace_options().target_id() == "abc");
}

TEST_CASE_METHOD(Fixture, "user namespaces") {
  p.spec.host_users = false;
  CHECK(make().error().message ==
        "spec.hostUsers is false, but no user namespace was allocated for pod web_shop(11-22-33)");
  PodSecurityFacts extra;
  extra.user_namespace_base = 131072;
  const auto got = make(extra);
  REQUIRE(got);
  const auto& users = got->namespace_options().userns_options();
  CHECK(users.mode() == v1::POD);
  REQUIRE(users.uids_size() == 1);
  CHECK(users.uids(0).host_id() == 131072);
  CHECK(users.uids(0).container_id() == 0);
  CHECK(users.uids(0).length() == 65536);
  CHECK(users.gids(0).host_id() == 131072);
}

TEST_CASE_METHOD(Fixture, "privileged containers of every kind count") {
  CHECK(!has_privileged_container(p));
  p.spec.init_containers = {container("init")};
  p.spec.init_containers[0].security_context.emplace().privileged = true;
  CHECK(has_privileged_container(p));
  p.spec.init_containers.clear();
  p.spec.ephemeral_containers.emplace_back().security_context.emplace().privileged = true;
  CHECK(has_privileged_container(p));
}

}  // namespace
}  // namespace keelson::spec
