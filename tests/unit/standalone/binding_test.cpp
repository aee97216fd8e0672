#include "agent/standalone/binding.hpp"

#include <catch2/catch.hpp>

namespace keelson::agent::test {
namespace {

using Bound = std::map<std::string, std::string>;

std::string pv(const std::string& name, const std::string& size, const std::string& more = "",
               const std::string& labels = "") {
  return "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " + name + ", labels: {" + labels +
         "}}\nspec: {capacity: {storage: " + size + "}, hostPath: {path: /x}, " +
         (more.find("accessModes") == std::string::npos ? "accessModes: [ReadWriteOnce, ReadOnlyMany]" : "") +
         (more.empty() ? "" : (more.find("accessModes") == std::string::npos ? ", " : "") + more) + "}\n---\n";
}

std::string pvc(const std::string& name, const std::string& size, const std::string& more = "") {
  return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: " + name +
         "}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: " + size + "}}" +
         (more.empty() ? "" : ", " + more) + "}\n---\n";
}

Bindings bind_all(const std::string& yaml, const Bound& previous = {}) {
  const auto set = load_manifests({{"a.yaml", yaml}});
  for (const auto& p : set.problems) FAIL(p.object << ": " << p.message);
  return bind_claims(set.claims, set.volumes, previous);
}

}  // namespace

TEST_CASE("a claim and its volume know each other", "[binding]") {
  const auto b = bind_all(pv("disk", "2Gi") + pv("spare", "9Gi") + pvc("data", "1Gi"));
  CHECK(b.problems.empty());
  CHECK(b.bound == Bound{{"default/data", "disk"}});
  const auto& claim = *b.claims.at("default/data");
  CHECK(claim.status.phase == "Bound");
  CHECK(claim.spec.volume_name == "disk");
  CHECK(claim.status.capacity.at("storage").to_string() == "2Gi");
  CHECK(claim.metadata.uid.size() == 36);
  const auto& volume = *b.volumes.at("disk");
  CHECK(volume.status.phase == "Bound");
  REQUIRE(volume.spec.claim_ref);
  CHECK(volume.spec.claim_ref->kind == "PersistentVolumeClaim");
  CHECK(volume.spec.claim_ref->ns == "default");
  CHECK(volume.spec.claim_ref->name == "data");
  CHECK(volume.spec.claim_ref->uid == claim.metadata.uid);
  CHECK(b.volumes.at("spare")->status.phase == "Available");
  CHECK_FALSE(b.volumes.at("spare")->spec.claim_ref);
}

TEST_CASE("which volume a claim gets, and why none", "[binding]") {
  struct Row {
    const char* what;
    std::string yaml;
    const char* volume;  // or null
    const char* reason;
  };
  const auto row = GENERATE(values<Row>({
      {"the smallest that fits", pv("a", "5Gi") + pv("b", "1Gi") + pv("c", "2Gi") + pvc("data", "2Gi"), "c", ""},
      {"no volumes at all", pvc("data", "1Gi"), nullptr, "the folder has no PersistentVolume"},
      {"too small", pv("a", "1Gi") + pvc("data", "2Gi"), nullptr, "a: capacity 1Gi is less than 2Gi"},
      {"another class", pv("a", "1Gi", "storageClassName: fast") + pvc("data", "1Gi", "storageClassName: slow"),
       nullptr, "a: storageClassName \"fast\" is not \"slow\""},
      {"no class is not any class", pv("a", "1Gi", "storageClassName: fast") + pvc("data", "1Gi"), nullptr,
       "storageClassName \"fast\" is not \"\""},
      {"the class",
       pv("a", "1Gi") + pv("b", "9Gi", "storageClassName: fast") + pvc("data", "1Gi", "storageClassName: fast"), "b",
       ""},
      {"an access mode is missing", pv("a", "1Gi", "accessModes: [ReadOnlyMany]") + pvc("data", "1Gi"), nullptr,
       "a: it has no access mode ReadWriteOnce"},
      {"volumeMode", pv("a", "1Gi") + pvc("data", "1Gi", "volumeMode: Block"), nullptr, "a: volumeMode is Filesystem"},
      {"a selector",
       pv("a", "1Gi") + pv("b", "2Gi", "", "disk: ssd") + pvc("data", "1Gi", "selector: {matchLabels: {disk: ssd}}"),
       "b", ""},
      {"a selector that nothing meets", pv("a", "1Gi") + pvc("data", "1Gi", "selector: {matchLabels: {disk: ssd}}"),
       nullptr, "a: the claim's selector does not match its labels"},
      {"the one it names", pv("a", "1Gi") + pv("b", "9Gi") + pvc("data", "1Gi", "volumeName: b"), "b", ""},
      {"the one it names does not fit", pv("a", "9Gi") + pv("b", "1Gi") + pvc("data", "2Gi", "volumeName: b"), nullptr,
       "PersistentVolume b: capacity 1Gi is less than 2Gi"},
      {"the one it names is not there", pv("a", "9Gi") + pvc("data", "2Gi", "volumeName: b"), nullptr,
       "PersistentVolume b is not in the folder"},
      {"the one that names it, of whatever class",
       pv("a", "1Gi") + pv("b", "9Gi", "storageClassName: manual, claimRef: {namespace: default, name: data}") +
           pvc("data", "1Gi"),
       "b", ""},
      {"the one that names it is too small",
       pv("a", "1Gi", "claimRef: {namespace: default, name: data}") + pvc("data", "2Gi"), nullptr,
       "a: capacity 1Gi is less than 2Gi"},
      {"reserved for another", pv("a", "1Gi", "claimRef: {namespace: default, name: other}") + pvc("data", "1Gi"),
       nullptr, "a: reserved for another claim"},
      {"named, but reserved for another",
       pv("a", "1Gi", "claimRef: {namespace: other, name: data}") + pvc("data", "1Gi", "volumeName: a"), nullptr,
       "PersistentVolume a is reserved for another claim"},
      {"taken by one that names it", pv("a", "1Gi") + pvc("data", "1Gi") + pvc("zz", "1Gi", "volumeName: a"), nullptr,
       "a: bound to default/zz"},
  }));
  INFO(row.what);
  const auto b = bind_all(row.yaml);
  const auto& claim = *b.claims.at("default/data");
  if (row.volume != nullptr) {
    CHECK(claim.spec.volume_name == row.volume);
    CHECK(b.problems.empty());
    return;
  }
  CHECK(claim.status.phase == "Pending");
  CHECK(b.bound.count("default/data") == 0);
  REQUIRE(b.problems.size() == 1);
  CHECK(b.problems[0].object == "PersistentVolumeClaim default/data");
  INFO(b.problems[0].message);
  CHECK(b.problems[0].message.starts_with("PVC is not bound: "));
  CHECK(b.problems[0].message.find(row.reason) != std::string::npos);
}

TEST_CASE("each volume has one claim", "[binding]") {
  const auto b = bind_all(pv("a", "1Gi") + pv("b", "1Gi") + pvc("c1", "1Gi") + pvc("c2", "1Gi") + pvc("c3", "1Gi"));
  CHECK(b.bound == Bound{{"default/c1", "a"}, {"default/c2", "b"}});
  REQUIRE(b.problems.size() == 1);
  CHECK(b.problems[0].message ==
        "PVC is not bound: no PersistentVolume fits: a: bound to default/c1; b: bound to default/c2");
}

TEST_CASE("a claim keeps its volume", "[binding]") {
  const Bound previous = {{"default/data", "big"}};
  SECTION("when a better one comes") {
    CHECK(bind_all(pv("big", "9Gi") + pv("small", "1Gi") + pvc("data", "1Gi"), previous).bound == previous);
  }
  SECTION("when another claim, first in order, wants it by name") {
    const auto b = bind_all(pv("big", "9Gi") + pvc("data", "1Gi") + pvc("aa", "1Gi", "volumeName: big"), previous);
    CHECK(b.bound == previous);
    REQUIRE(b.problems.size() == 1);
    CHECK(b.problems[0].message == "PVC is not bound: PersistentVolume big is bound to default/data");
  }
  SECTION("unless it asks for another, or the volume is gone or somebody else's") {
    CHECK(bind_all(pv("big", "9Gi") + pv("small", "1Gi") + pvc("data", "1Gi", "volumeName: small"), previous).bound ==
          Bound{{"default/data", "small"}});
    CHECK(bind_all(pv("small", "1Gi") + pvc("data", "1Gi"), previous).bound == Bound{{"default/data", "small"}});
    CHECK(
        bind_all(pv("big", "9Gi", "claimRef: {namespace: default, name: x}") + pv("small", "1Gi") + pvc("data", "1Gi"),
                 previous)
            .bound == Bound{{"default/data", "small"}});
  }
  SECTION("until it leaves the folder") {
    CHECK(bind_all(pv("big", "9Gi") + pvc("other", "1Gi"), previous).bound == Bound{{"default/other", "big"}});
  }
}

}  // namespace keelson::agent::test
