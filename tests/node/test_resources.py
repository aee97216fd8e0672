"""Requests and limits as they end in cgroup v1 files, per QoS class; oom_score_adj; the kernel's OOM kill."""

import pathlib

import pytest

from harness.manifests import pod, shell, testapp
from harness.node import container_status, kubelet_config

CGROUP = pathlib.Path("/sys/fs/cgroup")
pytestmark = pytest.mark.skipif(not (CGROUP / "memory").is_dir(), reason="reads cgroup v1 files")


def sized(limits: dict | None = None, requests: dict | None = None, name: str = "app", **fields) -> dict:
    resources = {key: value for key, value in (("limits", limits), ("requests", requests)) if value}
    return shell("sleep 600", name=name, resources=resources, **fields)


def read(controller: str, path: str, file: str) -> int:
    return int((CGROUP / controller / path / file).read_text())


def paths_of(found: dict, qos: str) -> tuple[str, str]:
    """Cgroup of the pod and of its only container."""
    parent = f"kubepods/{qos}/pod{found['metadata']['uid']}".replace("//", "/")
    return parent, f"{parent}/{container_status(found)['containerID'].removeprefix('containerd://')}"


def test_guaranteed(node):
    node.apply("g.yaml", pod("g", sized({"cpu": "500m", "memory": "64Mi"})))
    [found] = node.wait_ready("g")
    assert found["status"]["qosClass"] == "Guaranteed"
    for path in paths_of(found, ""):
        assert read("memory", path, "memory.limit_in_bytes") == 64 << 20
        assert read("cpu", path, "cpu.shares") == 512
        assert (read("cpu", path, "cpu.cfs_quota_us"), read("cpu", path, "cpu.cfs_period_us")) == (50000, 100000)


def test_burstable(node):
    node.apply("b.yaml", pod("b", sized({"memory": "128Mi"}, {"cpu": "250m", "memory": "32Mi"})))
    [found] = node.wait_ready("b")
    assert found["status"]["qosClass"] == "Burstable"
    parent, container = paths_of(found, "burstable")
    assert (
        read("memory", container, "memory.limit_in_bytes")
        == 128 << 20
        == read("memory", parent, "memory.limit_in_bytes")
    )
    assert read("cpu", container, "cpu.shares") == 256 == read("cpu", parent, "cpu.shares")
    assert read("cpu", container, "cpu.cfs_quota_us") == -1 == read("cpu", parent, "cpu.cfs_quota_us")
    pid = node.containerd.running_tasks()[container.rsplit("/", 1)[1]]
    total = int(open("/proc/meminfo").read().split()[1]) * 1024
    assert abs(int(open(f"/proc/{pid}/oom_score_adj").read()) - (1000 - 1000 * (32 << 20) // total)) <= 1


def test_best_effort(node):
    node.apply("e.yaml", pod("e", sized()))
    [found] = node.wait_ready("e")
    assert found["status"]["qosClass"] == "BestEffort"
    parent, container = paths_of(found, "besteffort")
    assert read("cpu", parent, "cpu.shares") == 2 == read("cpu", container, "cpu.shares")
    pid = node.containerd.running_tasks()[container.rsplit("/", 1)[1]]
    assert open(f"/proc/{pid}/oom_score_adj").read().strip() == "1000"


def test_cgroups_go_with_the_pod(node):
    node.apply("g.yaml", pod("g", sized({"cpu": "100m", "memory": "64Mi"})))
    [found] = node.wait_ready("g")
    folder = CGROUP / "memory" / paths_of(found, "")[0]
    assert folder.is_dir()
    node.remove("g.yaml")
    node.wait_gone("g")
    node.wait_for(lambda: not folder.exists(), what="the pod's cgroup is removed")


def test_memory_limit_kills_and_says_so(node):
    node.apply(
        "oom.yaml",
        pod(
            "oom",
            testapp("--sleep", 0.3, "--alloc", 200, "--sleep", 60, resources={"limits": {"memory": "32Mi"}}),
            restartPolicy="Never",
        ),
    )
    # The runtime is told of the exit and of its reason by two events, in either order.
    oom = node.wait_pod(
        "oom",
        lambda found: found["status"]["phase"] == "Failed"
        and container_status(found)["state"]["terminated"]["reason"] == "OOMKilled",
    )
    assert container_status(oom)["state"]["terminated"]["exitCode"] == 137
    # Which process it was is told by the kernel's log alone.
    node.wait_for(lambda: "victim process: testapp, pid: " in node.explain("oom"), what="the kill is explained")


@pytest.mark.agent(config=[kubelet_config(podPidsLimit=57)])
def test_pids_limit(node):
    """podPidsLimit bounds each pod, not each container."""
    # The shell that is refused a process ends; the one around it needs none and keeps the container, and its count, there.
    fork = "(i=0; while [ $i -lt 80 ]; do sleep 300 & i=$((i+1)); done); exec sleep 600"
    two = pod("p", shell(fork), shell("sleep 600", name="other"))
    node.apply("p.yaml", two, pod("free", shell(fork)))

    def refused(name: str) -> bool:
        cgroup = CGROUP / "pids" / f"kubepods/besteffort/pod{node.pod(name)['metadata']['uid']}"
        assert (cgroup / "pids.max").read_text().strip() == "57"
        assert int((cgroup / "pids.current").read_text()) <= 57
        return any("max 0" not in events.read_text() for events in cgroup.rglob("pids.events"))

    for name in ("free", "p"):
        node.wait_for(lambda: refused(name), what=f"pod {name} reaches its limit")
