#include "agent/standalone/ephemeral_claims.hpp"

#include <catch2/catch.hpp>

#include "agent/standalone/binding.hpp"

namespace keelson::agent::test {

TEST_CASE("a pod brings a claim for each ephemeral volume, owned by it", "[ephemeral]") {
  const auto set = load_manifests({{"a.yaml", R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers: [{name: c, image: i}]
  volumes:
  - {name: plain, emptyDir: {}}
  - name: scratch
    ephemeral:
      volumeClaimTemplate:
        metadata: {labels: {tier: fast}, annotations: {a: b}}
        spec: {accessModes: [ReadWriteOnce], storageClassName: local, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], storageClassName: local, capacity: {storage: 2Gi}, hostPath: {path: /x}}
)"}});
  for (const auto& p : set.problems) FAIL(p.object << ": " << p.message);
  const auto& pod = *set.pods.at("shop/web");
  const auto claims = ephemeral_claims(pod);
  REQUIRE(claims.size() == 1);
  const auto& claim = *claims[0];
  CHECK(claim.metadata.name == "web-scratch");
  CHECK(claim.metadata.ns == "shop");
  CHECK(claim.metadata.labels == kube::StringMap{{"tier", "fast"}});
  CHECK(claim.metadata.annotations == kube::StringMap{{"a", "b"}});
  REQUIRE(claim.metadata.owner_references.size() == 1);
  const auto& owner = claim.metadata.owner_references[0];
  CHECK(owner.kind == "Pod");
  CHECK(owner.name == "web");
  CHECK(owner.uid == pod.metadata.uid);
  CHECK_FALSE(owner.uid.empty());
  CHECK(owner.controller == true);
  CHECK(claim.spec.volume_mode == "Filesystem");  // defaults reach the template

  const auto bound = bind_claims({{"shop/web-scratch", claims[0]}}, set.volumes, {});
  CHECK(bound.problems.empty());
  CHECK(bound.claims.at("shop/web-scratch")->spec.volume_name == "disk");
  const auto none = bind_claims({{"shop/web-scratch", claims[0]}}, {}, {});
  REQUIRE(none.problems.size() == 1);
  CHECK(none.problems[0].message == "PVC is not bound: the folder has no PersistentVolume");
}

}  // namespace keelson::agent::test
