"""The Node object as the cluster sees it: registration, status, conditions, lease, and a node taken out of service."""

import datetime
import os
import platform
import re

from harness.cluster_node import node_condition
from harness.manifests import config_map, deployment, mount, pod, testapp, workload
from harness.process import wait_for
from test_kubelet_api import as_api_server, ask

CONDITIONS = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}


def memory_kib() -> int:
    with open("/proc/meminfo") as file:
        return int(file.readline().split()[1])


def seconds_since(time: str) -> float:
    then = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()


def test_conditions_are_upstreams(cluster):
    for node in cluster.nodes:
        found = {
            item["type"]: (item["status"], item["reason"], item["message"])
            for item in node.object()["status"]["conditions"]
        }
        assert found == CONDITIONS


def test_labels_and_annotations(cluster):
    node = cluster.nodes[0]
    metadata = node.object()["metadata"]
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    expected = {"kubernetes.io/hostname": node.name}
    for prefix in ("", "beta."):
        expected |= {f"{prefix}kubernetes.io/os": "linux", f"{prefix}kubernetes.io/arch": arch}
    assert expected.items() <= metadata["labels"].items()
    assert metadata["annotations"]["volumes.kubernetes.io/controller-managed-attach-detach"] == "true"


def test_addresses_and_endpoint(cluster):
    node = cluster.nodes[1]
    status = node.object()["status"]
    assert {(item["type"], item["address"]) for item in status["addresses"]} == {
        ("InternalIP", node.ip),
        ("Hostname", node.name),
    }
    assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250


def test_capacity_and_allocatable(cluster):
    status = cluster.nodes[0].object()["status"]
    capacity, allocatable = status["capacity"], status["allocatable"]
    assert capacity["cpu"] == str(os.cpu_count()) and capacity["pods"] == "250"
    assert capacity["memory"] == f"{memory_kib()}Ki"
    assert re.fullmatch(r"\d+(Ki)?", capacity["ephemeral-storage"])
    assert allocatable["cpu"] == capacity["cpu"]
    # evictionHard's 100Mi is held back.
    assert int(allocatable["memory"].removesuffix("Ki")) == memory_kib() - 100 * 1024


def test_node_info(cluster):
    info = cluster.nodes[0].object()["status"]["nodeInfo"]
    assert info["kernelVersion"] == os.uname().release
    assert info["operatingSystem"] == "linux" and info["architecture"] in ("amd64", "arm64")
    assert info["containerRuntimeVersion"].startswith("containerd://1.6")
    # The scheduler and clients compare this with the control plane's own version.
    assert re.match(r"v1\.35\.\d+", info["kubeletVersion"])
    with open("/etc/os-release") as file:
        pretty = next(line for line in file if line.startswith("PRETTY_NAME")).split('"')[1]
    assert info["osImage"] == pretty
    with open("/proc/sys/kernel/random/boot_id") as file:
        assert info["bootID"] == file.read().strip()


def test_images_are_listed(cluster):
    images = cluster.nodes[0].object()["status"]["images"]
    sizes = {name: image["sizeBytes"] for image in images for name in image["names"]}
    assert sizes["docker.io/local/testapp:1"] > 100_000


def test_lease_is_renewed(cluster):
    node = cluster.nodes[0]

    def lease() -> dict:
        return cluster.api.get("Lease", node.name, "kube-node-lease")

    first = wait_for(lease, 30, "the node has a lease", every=0.2)
    assert first["spec"]["holderIdentity"] == node.name and first["spec"]["leaseDurationSeconds"] == 40
    assert seconds_since(first["spec"]["renewTime"]) < 20
    owner = first["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Node", node.name, node.object()["metadata"]["uid"])
    wait_for(lambda: lease()["spec"]["renewTime"] > first["spec"]["renewTime"], 25, "the lease is renewed", every=0.5)


def test_csi_node_belongs_to_the_node(cluster):
    node = cluster.nodes[0]
    found = wait_for(lambda: cluster.api.find("CSINode", node.name), 10, "the CSINode", every=0.2)
    assert found["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.object()["metadata"]["uid"]}
    ]
    assert found["spec"]["drivers"] in (None, [])


def test_a_runtime_class_is_looked_up_when_the_sandbox_is_made(space):
    kind = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": space.name}, "handler": "runc"}
    space.api.apply(kind)
    try:
        container = testapp("--http", 8080, volumeMounts=[mount("gate", "/gate")])
        gate = {"name": "gate", "configMap": {"name": "gate"}}
        space.apply(pod("classed", container, volumes=[gate], runtimeClassName=space.name))
        space.wait_event("classed", "FailedMount")
        space.api.delete("RuntimeClass", space.name)
        space.apply(config_map("gate", k="v"))
        space.wait_event("classed", "FailedCreatePodSandBox", f'runtimeclass.node.k8s.io "{space.name}" not found')
        space.api.apply(kind)
        space.wait_ready("classed")
    finally:
        if space.api.find("RuntimeClass", space.name):
            space.api.delete("RuntimeClass", space.name)


def test_reservations_and_debug_handlers_of_the_configuration(third_node):
    reserved = {"cpu": "200m", "memory": "64Mi"}
    node = third_node(config={"kubeReserved": reserved, "enableDebuggingHandlers": False})
    allocatable = wait_for(lambda: node.object()["status"].get("allocatable"), 20, "registered", every=0.2)
    assert allocatable["cpu"] == f"{os.cpu_count() * 1000 - 200}m"
    assert int(allocatable["memory"].removesuffix("Ki")) == memory_kib() - (100 + 64) * 1024
    for path, expected in {
        "/containerLogs/default/none/app": (405, "Debug endpoints are disabled."),
        "/runningpods/": (405, "Debug endpoints are disabled."),
        "/logs/": (405, "Debug endpoints are disabled."),
        "/configz": (404, "404 page not found"),
        "/healthz": (200, "ok"),
    }.items():
        assert ask(node, path, *as_api_server(node.plane)) == expected, path


def test_a_node_under_pressure_refuses_pods(space, third_node):
    """Those that come past the scheduler, whom the taint keeps away; what asks for memory, and what is critical, is taken."""
    node = third_node(config={"evictionHard": {"memory.available": "99.9%"}})
    node.join_network()
    node.wait_ready(timeout=6)  # with its first network, not when it next looks at the runtime
    wait_for(lambda: node_condition(node.object(), "MemoryPressure") == "True", 30, "MemoryPressure")

    def tainted() -> bool:
        return "node.kubernetes.io/memory-pressure" in {t["key"] for t in node.object()["spec"].get("taints", [])}

    wait_for(tainted, 30, "the controller's taint")
    space.apply(pod("refused", nodeName=node.name))
    status = space.wait_pod("refused", lambda found: found["status"].get("phase") == "Failed")["status"]
    message = "Pod was rejected: The node had condition: [MemoryPressure]. "
    assert (status["reason"], status["message"]) == ("Evicted", message)
    tolerations = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}]
    space.apply(pod("tolerant", nodeName=node.name, tolerations=tolerations))
    taken = space.wait_pod("tolerant", lambda found: found["status"].get("startTime"))["status"]
    assert not taken.get("message", "").startswith("Pod was rejected")
    for name in ("refused", "tolerant"):
        space.delete("Pod", name)
    space.wait_gone("refused", "tolerant")


def test_cordon_is_respected_and_undone(space):
    node, other = space.cluster.nodes
    space.plane.kubectl("cordon", node.name)

    def tainted() -> bool:
        return "node.kubernetes.io/unschedulable" in {t["key"] for t in node.object()["spec"].get("taints", [])}

    space.wait_for(tainted, what="the control plane has seen it, and not the API server alone")
    space.apply(deployment("spread", 4))
    assert {item["spec"]["nodeName"] for item in space.wait_apps("spread", 4).values()} == {other.name}
    space.plane.kubectl("uncordon", node.name)
    space.apply(pod("late", nodeSelector={"kubernetes.io/hostname": node.name}))
    space.wait_ready("late")


def test_drain_moves_pods_and_keeps_daemons(space):
    node, other = space.cluster.nodes
    space.apply(workload("DaemonSet", "drain-daemon"))
    space.apply(deployment("drain-web", 4, testapp("--http", 8080)))
    space.wait_apps("drain-daemon", 2)
    before = space.wait_apps("drain-web", 4)
    own = "--pod-selector=app in (drain-web, drain-daemon)"
    done = space.plane.kubectl("drain", node.name, own, "--ignore-daemonsets", "--timeout=60s", timeout=90)
    assert "drained" in done.stdout
    after = space.wait_apps("drain-web", 4)
    assert {item["spec"]["nodeName"] for item in after.values()} == {other.name}
    stayed = {name for name, item in before.items() if item["spec"]["nodeName"] == other.name}
    assert stayed <= set(after), "pods of the other node are left alone"
    assert {item["spec"]["nodeName"] for item in space.wait_apps("drain-daemon", 2).values()} == {node.name, other.name}
    assert node_condition(node.object(), "Ready") == "True"
    space.plane.kubectl("uncordon", node.name)


def test_describe_node(space):
    node = space.cluster.nodes[0]
    requests = {"requests": {"cpu": "150m", "memory": "64Mi"}}
    on_node = {"kubernetes.io/hostname": node.name}
    space.apply(pod("big", testapp(resources=requests), nodeSelector=on_node))
    space.wait_ready("big")
    text = space.plane.kubectl("describe", "node", node.name).stdout
    assert re.search(rf"{space.name}\s+big\s+150m", text)
    assert "KubeletReady" in text


def test_events_of_the_start(cluster):
    node = cluster.nodes[0]
    selector = f"involvedObject.kind=Node,involvedObject.name={node.name}"
    reasons = ("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady")

    def told() -> dict | None:
        events = cluster.api.list("Event", "default", fieldSelector=selector)
        found = {item["reason"]: item["message"] for item in events if item["source"].get("component") == "kubelet"}
        return found if {"Starting", *reasons} <= found.keys() else None

    found = wait_for(told, what="the events, which follow the status")
    assert found["Starting"] == "Starting kubelet."
    for reason in reasons:
        assert found[reason] == f"Node {node.name} status is now: {reason}"
