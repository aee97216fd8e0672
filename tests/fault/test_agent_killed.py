"""kill -9 of the agent at random moments while pods come, change and go: nothing restarts, nothing is left.

KEELSON_SEED repeats a run; the seed is part of every failure's output. The `node` fixture proves at the end that no
container, address, mount, namespace, rule, cgroup or folder remains.
"""

import random
import signal
import time

import grpc
import pytest

from harness.churn import SEED, Churn, churned
from harness.manifests import config_map, deployment, pod, service, shell, testapp
from harness.node import container_status, is_ready, restarts

KILLS = 20


@pytest.mark.runtimes("1.6", "2.2")
def test_twenty_kills_under_churn(node):
    dice = random.Random(SEED)
    node.apply("conf.yaml", config_map("conf", k="v"))
    node.apply(
        "still.yaml",
        deployment(
            "still",
            3,
            testapp("--http", 8080, livenessProbe={"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1}),
        ),
        service("still", {"port": 80, "targetPort": 8080}),
    )
    node.wait_for(
        lambda: len(node.pods()) == 3 and all(map(is_ready, node.pods().values())),
        30,
        "three pods that must not notice",
    )
    still = {name: container_status(found)["containerID"] for name, found in node.pods().items()}
    address = node.cluster_ip("still")
    node.wait_for(lambda: node.fetch(f"http://{address}/hostname"), what="their Service answers")
    churn = Churn(node, dice)
    for round_number in range(KILLS):
        for _ in range(dice.randint(1, 3)):
            churn.step()
        time.sleep(dice.uniform(0, 0.6))
        assert (
            node.agent.running()
        ), f"ended by itself in round {round_number}, seed {SEED}:\n{node.agent.log_text()[-3000:]}"
        node.agent.kill()
        node.agent.start()
    node.wait_for(churn.settled, 90, f"the pods that the folder asks for, seed {SEED}: {churn.wanted}")
    pods = node.pods()
    assert {name: container_status(pods[name])["containerID"] for name in still} == still, f"seed {SEED}"
    assert [name for name in still if restarts(pods[name])] == [], f"restarted, seed {SEED}"
    assert node.services()["still"]["spec"]["clusterIP"] == address
    assert node.fetch(f"http://{address}/hostname").stdout.strip() in still


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1, 0.2, 0.4])
def test_killed_while_pods_start(node, delay):
    node.apply("conf.yaml", config_map("conf", k="v"))
    node.apply("all.yaml", *[churned(f"churn-{i}", 1) for i in range(6)])
    time.sleep(delay)
    node.agent.kill()
    node.agent.start()
    node.wait_ready(*[f"churn-{i}" for i in range(6)], timeout=40)
    node.wait_for(
        lambda: len(node.containerd.running_tasks()) == 12, what="one sandbox and one container for each pod, no more"
    )
    node.wait_for(lambda: [node.logs(f"churn-{i}") for i in range(6)] == ["version 1\n"] * 6, what="each says it once")


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3])
def test_killed_while_pods_end(node, delay):
    node.apply("conf.yaml", config_map("conf", k="v"))
    node.apply("all.yaml", *[churned(f"churn-{i}", 1) for i in range(4)])
    node.wait_ready(*[f"churn-{i}" for i in range(4)], timeout=40)
    node.remove("all.yaml")
    time.sleep(delay)
    node.agent.kill()
    node.agent.start()
    node.wait_gone(*[f"churn-{i}" for i in range(4)])


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
def test_a_task_that_the_runtime_has_lost_goes_with_its_pod(node, ended):
    """containerd takes a container for ended whose start was cut off, while its task is there, and refuses to remove it for
    ever. `ctr` makes that state here: it starts a task for a container that has ended."""
    first = shell("[ -e /started ] && sleep 600; touch /started", name="first")
    node.apply("lost.yaml", pod("lost", first, shell("sleep 600", name="other"), restartPolicy="Never"))
    found = node.wait_pod("lost", lambda found: "terminated" in container_status(found, "first").get("state", {}))
    container = container_status(found, "first")["containerID"].removeprefix("containerd://")
    node.containerd.ctr("tasks", "start", "-d", "--null-io", container)
    if ended:
        node.containerd.ctr("tasks", "kill", "-s", "SIGKILL", container)
        node.wait_for(lambda: container not in node.containerd.running_tasks(), what="the task ends")
    assert container in node.containerd.ctr("tasks", "ls", "-q").stdout.split()
    node.remove("lost.yaml")
    node.wait_gone("lost")
    assert "ended what the runtime had lost count of" in node.agent.log_text()


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.agent(proxy=True)
def test_a_start_that_came_to_nothing_leaves_no_log(node, faults):
    """The agent dies while a container starts, and the start fails after it had said something: it is started again, which
    is no restart, and its log is that of the start that counts. containerd fails here because the snapshot is gone."""
    fault = node.proxy.inject("StartContainer", "hang", "half")
    node.apply("half.yaml", pod("half", shell("echo whole; sleep 600")))
    node.wait_for(lambda: fault.hits, what="the container is being started")
    node.agent.kill()
    [container] = [name for name in node.containerd.containers() if name not in node.containerd.running_tasks()]
    [folder] = node.logs_dir.glob("default_half_*")
    (folder / "app" / "0.log").write_text("2026-01-01T00:00:00.000000000Z stdout F half\n")
    node.containerd.ctr("snapshots", "rm", container)
    with pytest.raises(grpc.RpcError):
        node.containerd.start_container(container)
    node.agent.start()
    [found] = node.wait_ready("half")
    node.wait_for(lambda: node.logs("half") == "whole\n", what="the log of the start that counts")
    assert restarts(found) == 0
    faults.add(2)
    fault.remove()


def test_terminated_while_pods_start_ends_in_time(node):
    """SIGTERM is obeyed at once, also with sandboxes in the making; the next start finishes them."""
    node.apply("conf.yaml", config_map("conf", k="v"))
    node.apply("all.yaml", *[churned(f"churn-{i}", 1) for i in range(6)])
    time.sleep(0.1)
    start = time.monotonic()
    assert node.agent.process.stop(signal.SIGTERM) == 0
    assert time.monotonic() - start < 10
    node.agent.start()
    node.wait_ready(*[f"churn-{i}" for i in range(6)], timeout=40)
