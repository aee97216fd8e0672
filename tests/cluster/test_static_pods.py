"""Static pods: run from the node's folder, shown in the API server by mirror pods that command nothing."""

import json

import pytest

from harness.manifests import pod, testapp
from harness.node import container_status, is_ready


@pytest.fixture
def static(space):
    """A static pod on the first node in the space's namespace: (node, file, name of the mirror pod)."""
    node = space.cluster.nodes[0]
    item = pod("solo", testapp("--http", 8080))
    item["metadata"]["namespace"] = space.name
    file = node.static / f"{space.name}.json"
    file.write_text(json.dumps(item))
    yield node, file, f"solo-{node.name}"
    file.unlink(missing_ok=True)
    space.wait_for(lambda: f"solo-{node.name}" not in space.pods(), 60, "the mirror pod goes with its file")


def test_mirror_pod_shows_the_static_pod(space, static):
    node, _, name = static
    space.wait_for(lambda: name in space.pods(), 30, "the mirror pod")
    mirror = space.wait_ready(name)[0]
    notes = mirror["metadata"]["annotations"]
    assert notes["kubernetes.io/config.source"] == "file"
    assert notes["kubernetes.io/config.mirror"] == notes["kubernetes.io/config.hash"]
    owner = mirror["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Node", node.name, True)
    assert mirror["spec"]["nodeName"] == node.name
    assert {"operator": "Exists", "effect": "NoExecute"} in mirror["spec"]["tolerations"]
    url = f"http://{mirror['status']['podIP']}:8080/hostname"
    space.wait_for(lambda: node.fetch(url).stdout == f"{name}\n", what="the pod answers by the name of its mirror")


def test_deleting_the_mirror_leaves_the_pod_alone(space, static):
    _, _, name = static
    space.wait_for(lambda: name in space.pods(), 30, "the mirror pod")
    before = space.wait_ready(name)[0]
    space.delete("Pod", name, grace=0)

    def again():
        pods = space.pods()
        return name in pods and pods[name]["metadata"]["uid"] != before["metadata"]["uid"] and is_ready(pods[name])

    space.wait_for(again, 60, "a new mirror pod of the same pod")
    assert container_status(space.pod(name))["containerID"] == container_status(before)["containerID"]


def test_a_changed_file_replaces_the_pod(space, static):
    _, file, name = static
    space.wait_for(lambda: name in space.pods(), 30, "the mirror pod")
    before = space.wait_ready(name)[0]
    item = json.loads(file.read_text())
    item["spec"]["containers"][0]["args"] += ["--print", "changed"]
    file.write_text(json.dumps(item))

    def replaced():
        found = space.pods().get(name)
        return found and found["metadata"]["uid"] != before["metadata"]["uid"] and is_ready(found)

    space.wait_for(replaced, 60, "the changed pod")
    space.wait_for(lambda: "changed" in space.kubectl("logs", name).stdout, what="its log")
