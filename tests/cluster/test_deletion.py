"""The deletion protocol: who removes a pod from the API server, and when."""

import subprocess
import time

import pytest

from harness.manifests import pod, shell, testapp
from harness.node import container_status


def gone_at_node(space, found: dict):
    uid, node = found["metadata"]["uid"], space.cluster.node_of(found)
    return lambda: not (node.root / "pods" / uid).exists()


def test_grace_is_given_and_the_object_stays_until_the_end(space):
    space.apply(pod("slow", testapp("--http", 8080, "--term-delay", 3), terminationGracePeriodSeconds=20))
    found = space.wait_ready("slow")[0]
    start = time.monotonic()
    space.delete("Pod", "slow")
    ending = space.pod("slow")
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 20
    assert container_status(ending)["state"].get("running"), "still serving"
    space.wait_gone("slow")
    assert 2.5 < time.monotonic() - start < 12
    space.wait_event("slow", "Killing", "Stopping container app")
    space.wait_for(gone_at_node(space, found), 20, "the pod's folder is gone")


def test_what_ignores_sigterm_is_killed_after_its_grace(space):
    space.apply(pod("deaf", testapp("--ignore-term"), terminationGracePeriodSeconds=2))
    space.wait_ready("deaf")
    start = time.monotonic()
    space.delete("Pod", "deaf")
    space.wait_gone("deaf")
    assert 1.9 < time.monotonic() - start < 12


def test_grace_can_be_shortened_while_it_runs(space, agent_kind):
    if agent_kind == "kubelet":
        pytest.skip("kubelet 1.35.4 with containerd 1.6 waits the first grace out, whatever the second deletion says")
    space.apply(pod("deaf", testapp("--ignore-term"), terminationGracePeriodSeconds=300))
    space.wait_ready("deaf")
    space.delete("Pod", "deaf")
    time.sleep(1)
    assert space.pod("deaf")["metadata"]["deletionGracePeriodSeconds"] == 300
    space.delete("Pod", "deaf", grace=1)
    space.wait_gone("deaf", timeout=20)


def test_pre_stop_runs_before_the_signal(space):
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1; echo from the hook > /proc/1/fd/1"]}}}
    container = testapp("--print", "begins", "--http", 8080, lifecycle=hook)
    space.apply(pod("hook", container, terminationGracePeriodSeconds=10))
    space.wait_ready("hook")
    follower = subprocess.Popen(space.kubectl_command("logs", "-f", "hook"), stdout=subprocess.PIPE, text=True)
    assert follower.stdout.readline() == "begins\n"  # it is there before the pod may go
    space.delete("Pod", "hook")
    out, _ = follower.communicate(timeout=30)
    assert out.splitlines() == ["from the hook", "got signal 15"]
    space.wait_gone("hook")


def test_force_deletion_removes_the_object_at_once(space):
    space.apply(pod("stuck", testapp("--ignore-term"), terminationGracePeriodSeconds=2))
    found = space.wait_ready("stuck")[0]
    space.kubectl("delete", "pod", "stuck", "--grace-period=0", "--force")
    assert "stuck" not in space.pods()
    node = space.cluster.node_of(found)
    container = container_status(found)["containerID"].removeprefix("containerd://")
    space.wait_for(lambda: container not in node.containerd.running_tasks(), 20, "the container ends all the same")
    space.wait_for(gone_at_node(space, found), 20, "the pod's folder is gone")


def test_a_finalizer_keeps_the_object_and_not_the_containers(space):
    item = pod("kept", testapp("--http", 8080))
    item["metadata"]["finalizers"] = ["keelson.test/hold"]
    space.apply(item)
    found = space.wait_ready("kept")[0]
    space.delete("Pod", "kept")
    ended = space.wait_pod("kept", lambda now: "terminated" in container_status(now)["state"], 20)
    assert ended["metadata"]["uid"] == found["metadata"]["uid"]
    assert ended["status"]["phase"] in ("Succeeded", "Failed")
    assert {c["type"]: c["status"] for c in ended["status"]["conditions"]}["Ready"] == "False"
    space.patch("Pod", "kept", {"metadata": {"finalizers": None}})
    space.wait_gone("kept")


def test_a_new_pod_of_the_same_name_is_another_pod(space):
    space.apply(pod("name", testapp("--http", 8080, "--print", "first")))
    first = space.wait_ready("name")[0]
    space.delete("Pod", "name", grace=0)
    space.apply(pod("name", testapp("--http", 8080, "--print", "second")))
    second = space.wait_ready("name")[0]
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert container_status(second)["restartCount"] == 0
    space.wait_for(lambda: space.kubectl("logs", "name").stdout.startswith("second"), what="the log of the second")


def test_a_completed_pod_is_deleted_too(space):
    space.apply(pod("done", shell("echo bye"), restartPolicy="Never"))
    found = space.wait_phase("done", "Succeeded")
    assert container_status(found)["state"]["terminated"]["reason"] == "Completed"
    space.delete("Pod", "done")
    space.wait_gone("done", timeout=15)


def test_active_deadline(space):
    space.apply(pod("late", shell("sleep 600"), activeDeadlineSeconds=2))
    found = space.wait_phase("late", "Failed", timeout=30)
    assert found["status"]["reason"] == "DeadlineExceeded"
