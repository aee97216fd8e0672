"""Volumes that need the API server or its controllers: claims of generic ephemeral volumes, kinds that are refused."""

import pytest

from harness.manifests import mount, pod, shell


def disk(space, name: str) -> dict:
    """A PersistentVolume over a folder that both nodes see."""
    folder = space.folder / name
    folder.mkdir()
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{space.name}-{name}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": space.name,
            "hostPath": {"path": str(folder)},
        },
    }


def wanted(space) -> dict:
    storage = {"requests": {"storage": "1Gi"}}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": space.name, "resources": storage}


def ephemeral_pod(space, name: str, **fields) -> dict:
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": wanted(space)}}}]
    container = shell("touch /data/file; sleep 600", volumeMounts=[mount("data", "/data")])
    return pod(name, container, volumes=volumes, **fields)


def test_a_generic_ephemeral_volume_is_the_pods_own_claim(space):
    volume = disk(space, "disk")
    space.apply(volume)
    try:
        space.apply(ephemeral_pod(space, "web"))
        [web] = space.wait_ready("web", timeout=60)
        claim = space.get("PersistentVolumeClaim", "web-data")
        assert claim["status"]["phase"] == "Bound"
        assert claim["metadata"]["ownerReferences"][0]["uid"] == web["metadata"]["uid"]
        space.wait_for(lambda: (space.folder / "disk" / "file").exists(), what="the file on the disk")
        space.delete("Pod", "web")
        space.wait_gone("web")
    finally:
        space.api.delete("PersistentVolume", volume["metadata"]["name"])


def test_a_claim_that_the_pod_does_not_own_is_not_mounted(space):
    metadata = {"name": "web-data"}
    space.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted(space)})
    # Past the scheduler, which looks at the owner, too.
    space.apply(ephemeral_pod(space, "web", nodeName=space.cluster.nodes[0].name))
    text = f"PVC {space.name}/web-data was not created for pod {space.name}/web (pod is not owner)"
    space.wait_event("web", "FailedMount", text)
    assert space.pod("web")["status"]["phase"] == "Pending"


@pytest.mark.parametrize(
    "kind,source", [("cephfs", {"monitors": ["10.0.0.1"]}), ("rbd", {"monitors": ["10.0.0.1"], "image": "i"})]
)
def test_kinds_that_a_node_does_not_have_are_refused_by_their_field(space, agent_kind, kind, source):
    if agent_kind != "keelson":
        pytest.skip("a kubelet says: no volume plugin matched")
    container = shell("sleep 600", volumeMounts=[mount("x", "/x")])
    node = space.cluster.nodes[0].name
    space.apply(pod("odd", container, volumes=[{"name": "x", kind: source}], nodeName=node))
    space.wait_event("odd", "FailedMount", f"spec.volumes[0].{kind}: this node does not support this kind of volume")
    assert space.pod("odd")["status"]["phase"] == "Pending"
