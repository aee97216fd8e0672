"""What changes about a pod while it runs: its resources, its image, containers added for debugging."""

import json

from harness.manifests import pod, shell, testapp
from harness.node import condition, container_status, is_ready, restarts, waiting_reason

READ_LIMITS = (
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max; "
    "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
)


def sized(cpu: str, memory: str) -> dict:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


def resize(space, name: str, resources: dict) -> None:
    change = {"spec": {"containers": [{"name": "app", "resources": resources}]}}
    space.kubectl("patch", "pod", name, "--subresource", "resize", "--patch", json.dumps(change))


def has_resources(resources: dict):
    def check(item: dict) -> bool:
        status = container_status(item)
        return status.get("resources") == resources and status.get("allocatedResources") == resources["requests"]

    return check


def test_resize_in_place(space):
    space.apply(pod("sized", shell("sleep 600", resources=sized("100m", "64Mi"))))
    [before] = space.wait_ready("sized")
    assert space.exec("sized", "sh", "-c", READ_LIMITS).stdout.split() == [str(64 << 20), "10000"]
    larger = sized("200m", "96Mi")
    resize(space, "sized", larger)
    after = space.wait_pod("sized", has_resources(larger), what="the new resources")
    assert space.exec("sized", "sh", "-c", READ_LIMITS).stdout.split() == [str(96 << 20), "20000"]
    space.wait_event("sized", "ResizeStarted", "Pod resize started: ")
    space.wait_event("sized", "ResizeCompleted", "Pod resize completed: ")
    settled = space.wait_pod("sized", lambda item: condition(item, "PodResizeInProgress") is None)
    assert container_status(settled)["containerID"] == container_status(before)["containerID"]
    assert restarts(after) == 0 and is_ready(settled)
    smaller = sized("100m", "64Mi")
    resize(space, "sized", smaller)
    space.wait_pod("sized", has_resources(smaller), what="the old resources")
    assert space.exec("sized", "sh", "-c", READ_LIMITS).stdout.split() == [str(64 << 20), "10000"]


def test_resize_that_restarts_the_container(space):
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    space.apply(pod("again", shell("trap exit TERM; sleep 600 & wait", resources=sized("100m", "64Mi"), resizePolicy=policy)))
    space.wait_ready("again")
    larger = sized("100m", "96Mi")
    resize(space, "again", larger)
    space.wait_pod("again", lambda item: restarts(item) == 1 and is_ready(item) and has_resources(larger)(item), timeout=60)
    assert space.exec("again", "sh", "-c", READ_LIMITS).stdout.split()[0] == str(96 << 20)
    space.wait_event("again", "Killing", "Container app resize requires restart")


def test_resize_that_the_node_cannot_grant(space, cluster, agent_kind):
    space.apply(pod("greedy", shell("sleep 600", resources=sized("100m", "64Mi"))))
    [item] = space.wait_ready("greedy")
    capacity = int(cluster.node_of(item).object()["status"]["allocatable"]["cpu"].removesuffix("m").ljust(1)) * 1000
    resize(space, "greedy", sized("100", "64Mi"))

    def pending(item: dict) -> bool:
        found = [c for c in item["status"]["conditions"] if c["type"] == "PodResizePending"]
        return bool(found) and found[0]["reason"] == "Infeasible" and "cpu, requested: 100000" in found[0]["message"]

    refused = space.wait_pod("greedy", pending, what="PodResizePending")
    assert capacity > 0 and container_status(refused)["allocatedResources"]["cpu"] == "100m"
    if agent_kind == "keelson":  # the allocation outlives the agent
        node = cluster.node_of(item)
        node.agent.kill()
        node.agent.start()
        space.apply(pod("later", nodeName=node.name))
        space.wait_ready("later")  # by then it has made up its mind about the earlier one
        kept = space.wait_pod("greedy", pending)
        assert container_status(kept)["containerID"] == container_status(refused)["containerID"] and is_ready(kept)
    resize(space, "greedy", sized("200m", "64Mi"))
    settled = space.wait_pod("greedy", has_resources(sized("200m", "64Mi")), what="what it asks for now")
    space.wait_pod("greedy", lambda item: condition(item, "PodResizePending") is None)
    assert restarts(settled) == 0


def test_kubectl_debug(space):
    space.apply(pod("victim", testapp("--http", 8080)))
    space.wait_ready("victim")
    script = "ps | grep -c '[t]estapp --http'; wget -qO- http://127.0.0.1:8080/hostname; sleep 600"
    space.kubectl(
        "debug", "victim", "--image=docker.io/local/busybox:1", "--target=app", "--container=looker", "--", "sh", "-c", script
    )

    def runs(item: dict) -> bool:
        found = item["status"].get("ephemeralContainerStatuses", [])
        return bool(found) and "running" in found[0]["state"]

    shown = space.wait_pod("victim", runs, what="the ephemeral container runs")
    space.wait_for(lambda: "victim" in space.kubectl("logs", "victim", "-c", "looker").stdout)
    assert int(space.kubectl("logs", "victim", "-c", "looker").stdout.split()[0]) >= 1, "the target's processes are not seen"
    assert restarts(shown) == 0 and is_ready(shown)
    space.delete("Pod", "victim")
    space.wait_gone("victim")


def test_changed_image_restarts_the_container(space):
    space.apply(pod("moved", shell("trap exit TERM; sleep 600 & wait"), testapp("--http", 8080, name="web")))
    space.wait_ready("moved")
    space.kubectl("set", "image", "pod/moved", "app=docker.io/local/busybox:2")
    space.wait_event("moved", "Killing", "Container app definition changed, will be restarted")
    space.wait_pod("moved", lambda item: "ImagePull" in (waiting_reason(item, "app") or ""), what="the new image is missed")
    space.kubectl("set", "image", "pod/moved", "app=docker.io/local/busybox:1")
    item = space.wait_pod("moved", lambda item: is_ready(item) and restarts(item, "app") == 1, timeout=60)
    assert restarts(item, "web") == 0
