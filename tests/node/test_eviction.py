"""Pods that end because something runs short: their own limits of storage, the pods' memory, the node's."""

import pathlib
import re

import pytest

from harness.manifests import mount, pod, shell, testapp
from harness.node import IMAGES, container_status, is_ready, kubelet_config

CGROUP = pathlib.Path("/sys/fs/cgroup")
MEMORY = int(re.search(r"MemTotal: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024


def evicted(found: dict) -> bool:
    return found["status"].get("phase") == "Failed" and found["status"].get("reason") == "Evicted"


def wait_evicted(node, name: str, timeout: float = 40) -> str:
    """The message of the eviction, after everything else about it has been checked."""
    status = node.wait_pod(name, evicted, timeout)["status"]
    [target] = [item for item in status["conditions"] if item["type"] == "DisruptionTarget"]
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    assert target["message"] == status["message"]
    assert "Evicted" in node.explain(name) and status["message"].strip() in node.explain(name)
    return status["message"]


def test_empty_dir_beyond_its_limit(node):
    write = "head -c {} /dev/zero > /data/file; sleep 600"
    volume = {"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}
    for name, size in (("big", 3 << 20), ("small", 1 << 19)):
        writer = shell(write.format(size), volumeMounts=[mount("data", "/data")])
        node.apply(f"{name}.yaml", pod(name, writer, volumes=[volume]))
    assert wait_evicted(node, "big") == 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '
    node.wait_ready("small")
    state = container_status(node.pod("big"))["state"]
    assert "terminated" in state


def test_container_beyond_its_storage_limit(node):
    """What a container writes to its log counts."""
    limits = {"limits": {"ephemeral-storage": "1Mi"}}
    node.apply(
        "talks.yaml",
        pod(
            "talks",
            shell("yes 0123456789 | head -c 3000000; sleep 600", resources=limits),
            shell("sleep 600", name="other", resources={"limits": {"ephemeral-storage": "100Mi"}}),
        ),
    )
    assert wait_evicted(node, "talks") == 'Container app exceeded its local ephemeral storage limit "1Mi". '


def test_pod_beyond_the_limits_of_its_containers(node):
    limits = {"limits": {"ephemeral-storage": "1Mi"}}
    node.apply(
        "fills.yaml",
        pod(
            "fills",
            shell(
                "head -c 3000000 /dev/zero > /data/file; sleep 600",
                resources=limits,
                volumeMounts=[mount("data", "/data")],
            ),
            volumes=[{"name": "data", "emptyDir": {}}],
        ),
    )
    message = wait_evicted(node, "fills")
    assert message == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "


@pytest.mark.agent(config=[kubelet_config(evictionHard={})])
def test_node_without_enough_memory(node):
    """A threshold that is always met: one pod after the other goes, the least important first, critical ones never."""
    node.apply("idle.yaml", pod("idle", shell("sleep 600"), priority=10))
    node.apply("eater.yaml", pod("eater", testapp("--alloc", 60, "--print", "full", "--sleep", 600), priority=10))
    node.apply("unimportant.yaml", pod("unimportant", shell("sleep 600")))
    node.apply("critical.yaml", pod("critical", shell("sleep 600"), priority=2000001000))
    for name in ("idle", "eater", "unimportant", "critical"):
        node.wait_phase(name, "Running")
    node.wait_for(lambda: node.logs("eater") == "full\n", what="the eater has its memory")
    node.reconfigure(kubelet_config(evictionHard={"memory.available": "99%"}))
    message = wait_evicted(node, "eater")
    assert re.fullmatch(
        r"The node was low on resource: memory\. Threshold quantity: \d+(Ki)?, available: \d+(Ki|Mi|Gi)?\. "
        r"Container app was using \d+(Ki|Mi)?, request is 0, has larger consumption of memory\. ",
        message,
    ), message
    wait_evicted(node, "unimportant")
    wait_evicted(node, "idle")
    modest = {"resources": {"requests": {"cpu": "10m"}}}
    node.apply("later.yaml", pod("later", shell("sleep 600")), pod("asks", shell("sleep 600", **modest)))
    node.wait_for(
        lambda: "Evicted: The node had condition: [MemoryPressure]." in node.explain("later"), what="why it does not start"
    )
    wait_evicted(node, "asks")  # it was taken: only BestEffort pods are kept away
    assert "later" not in node.pods()

    def ended(name: str) -> str:
        return container_status(node.pod(name))["state"]["terminated"]["finishedAt"]

    assert ended("unimportant") <= ended("eater") <= ended("idle")
    assert is_ready(node.pod("critical"))
    log = node.agent.log_text()
    assert "MemoryPressure" in log and "Attempting to reclaim memory" in log


@pytest.fixture
def all_images(node):
    """What the test removes is there again for the next one on the same runtime."""
    yield node.containerd
    node.containerd.import_images(IMAGES)


def image_names(containerd) -> set[str]:
    listed = containerd.ctr("images", "ls", "-q").stdout.split()
    return {name.removeprefix("docker.io/local/") for name in listed if not name.startswith("sha256:")}


# Nothing is young enough to stay, and the disk is never empty enough.
TOO_FULL = kubelet_config(evictionHard={"imagefs.available": "99.99%"}, imageMinimumGCAge="0s")


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.agent(config=[kubelet_config(evictionHard={})])
def test_node_without_enough_disk(all_images, node):
    """Images that nobody uses go first, then pods; what is not here yet waits until the pressure is over."""
    node.apply("used.yaml", pod("used", testapp("--http", 8080)))
    node.apply("critical.yaml", pod("critical", testapp("--http", 8080), priority=2000001000))
    node.wait_ready("used", "critical")
    assert {"testapp:1", "testapp-user:1", "busybox:1", "pause:1"} <= image_names(all_images)
    node.reconfigure(TOO_FULL)
    message = wait_evicted(node, "used")
    assert re.fullmatch(
        r"The node was low on resource: ephemeral-storage\. Threshold quantity: \d+(Ki)?, available: \d+(Ki|Mi|Gi)?\. "
        r"(Container app was using \d+(Ki|Mi)?, request is 0, has larger consumption of ephemeral-storage\. )?",
        message,
    ), message
    assert {"testapp:1", "pause:1"} <= image_names(all_images), "what is used, or what sandboxes are made of"
    assert not {"testapp-user:1", "busybox:1"} & image_names(all_images)
    log = node.agent.log_text()
    assert 0 < log.find("unused image removed") < log.find("reason=Evicted")
    assert is_ready(node.pod("critical"))
    node.apply("later.yaml", pod("later", testapp("--http", 8080)))
    node.wait_for(
        lambda: "Evicted: The node had condition: [DiskPressure]." in node.explain("later"), what="why it does not start"
    )
    assert "later" not in node.pods()
    node.reconfigure(kubelet_config(evictionHard={}))
    node.wait_ready("later")


@pytest.fixture
def cgroup_root():
    """Pods below a cgroup of their own, so that what others run here does not count. Ask for it before the node."""
    name = "keelson-evict"
    yield name
    for folder in CGROUP.glob(f"*/{name}"):
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
        folder.rmdir()


@pytest.mark.skipif(not (CGROUP / "memory").is_dir(), reason="reads cgroup v1 files")
@pytest.mark.agent(start=False)
def test_pods_beyond_what_is_allocatable(cgroup_root, node):
    """The pods' cgroup is bounded by capacity less reservations, and eviction keeps it some way below that: the pod
    that eats goes, and the one that has asked for its memory stays."""
    config = kubelet_config(
        cgroupRoot=f"/{cgroup_root}",
        systemReserved={"memory": str(MEMORY - (400 << 20))},
        evictionHard={"memory.available": "200Mi"},
    )
    node.reconfigure(config)
    limit = CGROUP / "memory" / cgroup_root / "kubepods" / "memory.limit_in_bytes"
    node.wait_for(lambda: abs(int(limit.read_text()) - (400 << 20)) <= 8192, what="the limit of all pods")
    modest = {"resources": {"requests": {"memory": "150Mi"}}}
    node.apply("modest.yaml", pod("modest", testapp("--alloc", 100, "--http", 8080, **modest)))
    node.wait_ready("modest")
    node.apply("eater.yaml", pod("eater", testapp("--sleep", 1, "--alloc", 180, "--sleep", 600)))
    message = wait_evicted(node, "eater")
    # The kernel tells as soon as the threshold is crossed, so the pod may not have eaten all that it wants by then.
    assert re.fullmatch(
        r"The node was low on resource: memory\. Threshold quantity: 200Mi, available: \d+(Ki|Mi)\. "
        r"Container app was using \d+(Ki|Mi), request is 0, has larger consumption of memory\. ",
        message,
    ), message
    assert is_ready(node.pod("modest"))
