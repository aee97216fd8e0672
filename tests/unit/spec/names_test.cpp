#include "agent/spec/names.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "builders.hpp"
#include "printing.hpp"

namespace keelson::spec {
namespace {

using namespace test;

TEST_CASE("container_hash is the kubelet's") {
  // Computed with a Go program that repeats the steps of k8s.io/kubernetes' HashContainer with its libraries.
  struct Case {
    const char* name;
    const char* image;
    std::uint32_t hash;
  };
  const Case cases[] = {{"web", "nginx:1.25", 0x3899ff6c},
                        {"c", "a<b>&\u2028\u00e9\"\\", 0x50386da1},
                        {"main", "registry.k8s.io/pause:3.9", 0x3699a6b8}};
  for (const auto& c : cases) {
    auto one = container(c.name);
    one.image = c.image;
    CHECK(container_hash(one) == c.hash);
    one.command = {"other"};  // only image and name count
    CHECK(container_hash(one) == c.hash);
  }
}

TEST_CASE("labels") {
  auto p = pod();
  p.metadata.labels = {{"app", "web"}, {"io.kubernetes.pod.name", "forged"}};
  CHECK(sandbox_labels(p) == kube::StringMap{{"app", "web"},
                                             {"io.kubernetes.pod.name", "web"},
                                             {"io.kubernetes.pod.namespace", "shop"},
                                             {"io.kubernetes.pod.uid", "11-22-33"}});
  CHECK(container_labels(p, p.spec.containers[0]) == kube::StringMap{{"io.kubernetes.container.name", "main"},
                                                                     {"io.kubernetes.pod.name", "web"},
                                                                     {"io.kubernetes.pod.namespace", "shop"},
                                                                     {"io.kubernetes.pod.uid", "11-22-33"}});
  CHECK(pod_description(p) == "web_shop(11-22-33)");
}

TEST_CASE("container annotations say what is needed without the spec, and are read back") {
  auto p = pod();
  auto& main = p.spec.containers.front();
  main.name = "web";
  main.image = "nginx:1.25";
  const kube::StringMap least = {{"io.kubernetes.container.hash", "3899ff6c"},
                                 {"io.kubernetes.container.restartCount", "0"},
                                 {"io.kubernetes.container.terminationMessagePath", "/dev/termination-log"},
                                 {"io.kubernetes.container.terminationMessagePolicy", "File"}};
  CHECK(container_annotations(p, main, 0) == least);

  p.metadata.deletion_grace_period_seconds = 5;
  p.spec.termination_grace_period_seconds = 30;
  main.lifecycle.emplace().pre_stop.emplace().exec.emplace().command = {"sh", "-c", "bye"};
  main.ports.emplace_back().container_port = 80;
  main.ports.back().protocol = "TCP";
  const auto full = container_annotations(p, main, 7);
  auto want = least;
  want["io.kubernetes.container.restartCount"] = "7";
  want["io.kubernetes.pod.deletionGracePeriod"] = "5";
  want["io.kubernetes.pod.terminationGracePeriod"] = "30";
  want["io.kubernetes.container.preStopHandler"] = R"({"exec":{"command":["sh","-c","bye"]}})";
  want["io.kubernetes.container.ports"] = R"([{"containerPort":80,"protocol":"TCP"}])";
  CHECK(full == want);

  const auto identity = container_identity(container_labels(p, main), full);
  CHECK(identity.pod_name == "web");
  CHECK(identity.pod_namespace == "shop");
  CHECK(identity.pod_uid == "11-22-33");
  CHECK(identity.name == "web");
  CHECK(identity.hash == 0x3899ff6cU);
  CHECK(identity.restart_count == 7);
  CHECK(identity.termination_message_path == "/dev/termination-log");
  CHECK(identity.termination_message_policy == "File");
  CHECK(identity.deletion_grace_period_seconds == 5);
  CHECK(identity.termination_grace_period_seconds == 30);
  REQUIRE(identity.pre_stop);
  CHECK(*identity.pre_stop == *main.lifecycle->pre_stop);
}

TEST_CASE("foreign annotations are no reason to fail") {
  const auto identity = container_identity({}, {{"io.kubernetes.container.hash", "xyz"},
                                                {"io.kubernetes.container.restartCount", "-1"},
                                                {"io.kubernetes.pod.terminationGracePeriod", "3s"},
                                                {"io.kubernetes.container.preStopHandler", "{broken"}});
  CHECK(identity.name.empty());
  CHECK(!identity.hash);
  CHECK(identity.restart_count == 0);
  CHECK(!identity.termination_grace_period_seconds);
  CHECK(!identity.pre_stop);
}

TEST_CASE("paths") {
  const auto p = pod();
  const auto facts = node();
  CHECK(pod_log_dir(facts, p) == "/var/log/pods/shop_web_11-22-33");
  CHECK(container_log_dir(facts, p, "main") == "/var/log/pods/shop_web_11-22-33/main");
  CHECK(container_log_path("main", 3) == "main/3.log");
  CHECK(container_log_link(facts, p, "main", "abc") == "/var/log/containers/web_shop_main-abc.log");
  CHECK(pods_dir(facts) == "/var/lib/keelson/pods");
  CHECK(pod_dir(facts, "u") == "/var/lib/keelson/pods/u");
  CHECK(pod_volumes_dir(facts, "u") == "/var/lib/keelson/pods/u/volumes");
  CHECK(pod_plugins_dir(facts, "u") == "/var/lib/keelson/pods/u/plugins");
  CHECK(pod_etc_hosts(facts, "u") == "/var/lib/keelson/pods/u/etc-hosts");
  CHECK(container_dir(facts, "u", "main") == "/var/lib/keelson/pods/u/containers/main");
  CHECK(seccomp_dir(facts) == "/var/lib/keelson/seccomp");

  const auto link = container_log_link(facts, p, std::string(63, 'c'), std::string(300, 'd')).filename().string();
  CHECK(link.size() == 255);
  CHECK(link.substr(0, 12) == "web_shop_ccc");
  CHECK(link.substr(250) == "d.log");
}

TEST_CASE("a termination log is a new file that every user may write") {
  char folder[] = "/tmp/keelson-spec-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  auto facts = node();
  facts.root_dir = folder;
  const auto old_mask = ::umask(077);
  const auto first = create_termination_log(facts, "u", "main");
  const auto second = create_termination_log(facts, "u", "main");
  ::umask(old_mask);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(*first != *second);
  CHECK(first->parent_path() == container_dir(facts, "u", "main"));
  CHECK(first->filename().string().size() == 8);
  struct stat status {};
  REQUIRE(::stat(first->c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0666);
  CHECK(status.st_size == 0);
  REQUIRE(::stat(first->parent_path().c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0750);
  CHECK(remove_tree(folder));
}

}  // namespace
}  // namespace keelson::spec
