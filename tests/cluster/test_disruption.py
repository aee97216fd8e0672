"""Without the API server, and with an agent that comes and goes: what runs goes on, and what changed is caught up."""

import json
import signal
import threading
import time

import pytest

from harness.manifests import config_map, deployment, mount, pod, service, shell, testapp
from harness.node import condition, container_status, is_ready
from test_workloads import Poller, rolled_out

READY = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}}


def identities(space) -> dict[str, tuple]:
    """What must stay the same of a pod that nothing happened to."""
    return {
        name: (
            item["metadata"]["uid"],
            item["status"].get("podIP"),
            container_status(item).get("containerID"),
            container_status(item).get("restartCount"),
            next(c["lastTransitionTime"] for c in item["status"]["conditions"] if c["type"] == "Ready"),
        )
        for name, item in space.pods().items()
    }


@pytest.fixture
def without_api_server(cluster):
    """Call it to take the API server away, and what it returns to bring it back."""
    plane = cluster.plane

    def back() -> None:
        if not plane.parts["apiserver"].running():
            plane.start("apiserver")
        plane.api.close()
        for node in cluster.nodes:
            node.wait_ready()

    def away():
        plane.stop("apiserver", signal.SIGKILL)
        return back

    yield away
    back()


def test_api_server_killed_and_restarted(space, without_api_server):
    """Probes and restarts go on meanwhile; afterwards the status catches up and changes arrive."""
    # More than one failure: while the API server starts, this machine may let a healthy pod wait for a second.
    liveness = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1, "failureThreshold": 3}
    nodes = space.cluster.nodes
    space.apply(config_map("conf", k="old"))
    volumes = [{"name": "c", "configMap": {"name": "conf"}}]
    for number, node in enumerate(nodes):
        web = testapp("--http", 8080, livenessProbe=liveness, volumeMounts=[mount("c", "/c")], **READY)
        space.apply(pod(f"web-{number}", web, nodeName=node.name, volumes=volumes))
    space.apply(pod("steady", testapp("--http", 8080, **READY)))
    first, _, _ = space.wait_ready("web-0", "web-1", "steady")
    steady = identities(space)["steady"]
    back = without_api_server()
    nodes[0].fetch(f"http://{first['status']['podIP']}:8080/switch/health/off")
    container = container_status(first)["containerID"].removeprefix("containerd://")
    space.wait_for(lambda: container not in nodes[0].containerd.running_tasks(), 20, "the liveness probe still kills")
    space.wait_for(
        lambda: nodes[0].fetch(f"http://{first['status']['podIP']}:8080/health").returncode == 0, 20, "and it restarts"
    )
    back()
    space.wait_pod("web-0", lambda item: container_status(item)["restartCount"] == 1 and is_ready(item), 30)
    assert identities(space)["steady"] == steady
    space.apply(config_map("conf", k="new"))
    space.delete("Pod", "steady")
    space.apply(pod("later", testapp("--http", 8080)))
    space.wait_ready("later")
    space.wait_gone("steady")
    space.wait_for(lambda: space.exec("web-1", "cat", "/c/k").stdout == "new", 60, "the ConfigMap's change arrives")


def test_watch_cut_in_the_middle(space):
    """Every established connection to the API server is reset while pods come and go."""
    space.apply(deployment("web", 3, testapp("--http", 8080, **READY)))
    space.wait_apps("web", 3)
    for replicas in (5, 2, 4):
        for node in space.cluster.nodes:
            node.network.run("ss", "-K", "dst", "192.168.77.1", "dport", "=", "6443", check=False)
        space.patch("Deployment", "web", {"spec": {"replicas": replicas}})
        space.wait_apps("web", replicas, timeout=40)


def test_agent_restarted_twenty_times_during_a_rolling_update(space, agent_kind):
    """No container restarts, no readiness flips, every status right."""
    node = space.cluster.nodes[0]
    on_node = {"nodeSelector": {"kubernetes.io/hostname": node.name}}
    restarts = 20 if agent_kind == "keelson" else 4  # a kubelet takes seconds to be back
    space.apply(deployment("still", 3, testapp("--http", 8080, **READY), **on_node))
    fields = {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}

    def version(number: int) -> dict:
        container = testapp("--print", f"version {number}", "--http", 8080, **READY)
        return deployment("moving", 4, container, fields=fields, **on_node)

    space.apply(version(1), service("still", {"port": 80, "targetPort": 8080}))
    space.wait_apps("still", 3)
    space.wait_apps("moving", 4)
    if agent_kind == "kubelet":
        time.sleep(12)  # it flips the readiness of what had not run for ten seconds when it was restarted
    before = {name: kept for name, kept in identities(space).items() if name.startswith("still-")}
    url = f"http://{space.get('Service', 'still')['spec']['clusterIP']}/"
    flips, seen_restarts, ended = [], [], threading.Event()

    def watch() -> None:
        for kind, item in space.api.watch("Pod", space.name, timeout=200):
            name = item["metadata"]["name"]
            if name.startswith("still-") and not is_ready(item):
                flips.append((kind, name, item["status"]["conditions"]))
            if container_status(item).get("restartCount", 0):
                seen_restarts.append((name, item["status"]))
            if ended.is_set():
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    space.wait_for(lambda: node.fetch(url), 20, "the Service answers")
    with Poller(node, url) as poller:
        space.apply(version(2))
        for number in range(restarts):
            node.agent.process.stop(signal.SIGKILL if number % 2 else signal.SIGTERM)
            node.agent.start()
            time.sleep(0.3)
        space.wait_for(rolled_out(space, "moving"), 120, "rolled out")
        moved = space.wait_apps("moving", 4)
    ended.set()
    space.patch("Deployment", "still", {"metadata": {"labels": {"end": "yes"}}})
    assert all(space.kubectl("logs", name).stdout.startswith("version 2") for name in moved)
    assert {name: kept for name, kept in identities(space).items() if name.startswith("still-")} == before
    assert not flips and not seen_restarts, json.dumps([flips[:3], seen_restarts[:1]])
    assert not poller.failures, poller.failures
    for item in space.pods().values():
        assert condition(item, "Ready") == "True" and item["status"]["phase"] == "Running"


def test_pod_deleted_while_the_agent_is_down(space):
    node = space.cluster.nodes[0]
    space.apply(pod("gone", testapp("--http", 8080), nodeName=node.name))
    space.apply(pod("kept", shell("sleep 600"), nodeName=node.name))
    gone, kept = space.wait_ready("gone", "kept")
    node.agent.process.stop(signal.SIGKILL)
    space.delete("Pod", "gone", grace=0)
    node.agent.start()
    running = container_status(gone)["containerID"].removeprefix("containerd://")
    space.wait_for(lambda: running not in node.containerd.running_tasks(), 30, "the deleted pod's container ends")
    space.wait_for(lambda: not (node.root / "pods" / gone["metadata"]["uid"]).exists(), 30, "its folder is gone")
    assert container_status(space.wait_ready("kept")[0])["containerID"] == container_status(kept)["containerID"]
