"""containerd is killed and comes back in the middle of things; the agent waits, reconnects, and makes it right."""

import time

import pytest

from harness.manifests import deployment, pod
from harness.node import container_status, is_ready, restarts


def ready_pods(node, count: int) -> bool:
    pods = node.pods()
    return len(pods) == count and all(map(is_ready, pods.values()))


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("delay", [0.05, 0.3])
def test_runtime_killed_while_pods_start(node, delay):
    node.apply("still.yaml", pod("still"))
    [still] = node.wait_ready("still")
    node.apply("web.yaml", deployment("web", 5))
    time.sleep(delay)
    node.containerd.kill()
    time.sleep(0.5)
    assert node.agent.running()
    node.containerd.start()
    node.wait_for(lambda: ready_pods(node, 6), 60, "all pods, although the runtime went away")
    assert container_status(node.pod("still"))["containerID"] == container_status(still)["containerID"]


def test_runtime_killed_while_pods_end(node):
    node.apply("web.yaml", deployment("web", 4))
    node.wait_for(lambda: ready_pods(node, 4), 30, "four pods")
    node.remove("web.yaml")
    time.sleep(0.1)
    node.containerd.kill()
    time.sleep(0.5)
    node.containerd.start()
    node.wait_for(lambda: not node.agent.list("pods"), 60, "no pod")


def test_runtime_and_agent_killed_together(node):
    node.apply("web.yaml", deployment("web", 3))
    node.wait_for(lambda: ready_pods(node, 3), 30, "three pods")
    before = {name: container_status(found)["containerID"] for name, found in node.pods().items()}
    node.apply("more.yaml", deployment("more", 3))
    time.sleep(0.15)
    node.containerd.kill()
    node.agent.kill()
    node.containerd.start()
    node.agent.start()
    node.wait_for(lambda: ready_pods(node, 6), 60, "all pods")
    pods = node.pods()
    assert {name: container_status(pods[name])["containerID"] for name in before} == before
    assert not any(map(restarts, pods.values()))


def test_get_and_explain_answer_while_the_runtime_is_away(node):
    node.apply("web.yaml", pod("web"))
    node.wait_ready("web")
    node.containerd.kill()
    node.apply("late.yaml", pod("late"))
    assert "web" in node.cli("get", "pods", timeout=5).stdout
    node.wait_for(lambda: node.cli("explain", "late", timeout=5).stdout, 8, "explain tells what the new pod waits for")
    node.containerd.start()
    node.wait_ready("late", timeout=40)
