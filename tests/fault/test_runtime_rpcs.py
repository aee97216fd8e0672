"""Each RPC that the agent uses fails, is cut, or hangs, by a proxy between it and containerd: the pod becomes right, nothing
is doubled or left, explain tells the cause meanwhile, and the other pods do not notice.

One pod for each RPC, all on one node at once; the same pods on the runtime alone are what tests/node is about.
"""

import time

import pytest

from harness.manifests import config_map, pod, shell, testapp
from harness.node import container_status, is_ready, restarts
from harness.registry import Registry

STARTING = [
    "RunPodSandbox",
    "PodSandboxStatus",
    "ListPodSandbox",
    "CreateContainer",
    "StartContainer",
    "ContainerStatus",
    "ListContainers",
    "ExecSync",
]
ENDING = ["StopContainer", "StopPodSandbox", "RemovePodSandbox", "ListContainers", "ListPodSandbox"]
# What explain calls the step that the RPC is part of.
STEP = {
    "RunPodSandbox": "create sandbox",
    "PodSandboxStatus": "create sandbox",
    "ListPodSandbox": "look",
    "CreateContainer": "create",
    "StartContainer": "start",
    "ContainerStatus": "look",
    "ListContainers": "look",
    "ExecSync": "postStart",
    "StopContainer": "stop",
    "StopPodSandbox": "stop sandbox",
    "RemovePodSandbox": "remove",
}

proxied = pytest.mark.agent(proxy=True)


def name_of(rpc: str) -> str:
    return f"pod-{rpc.lower()}"


def pod_of(rpc: str) -> dict:
    """The pod that the RPC is broken for: with a postStart hook or an init container where that is what calls it."""
    hook = {"lifecycle": {"postStart": {"exec": {"command": ["true"]}}}} if rpc == "ExecSync" else {}
    looked_at = {"initContainers": [shell("true", name="first")]} if rpc in ("ListPodSandbox", "ListContainers") else {}
    return pod(name_of(rpc), testapp("--http", 8080, **hook), **looked_at)


def one_of_each(node, names: list[str]) -> None:
    """Each pod is Ready and has one sandbox and one container, no more; so the runtime says, too."""
    node.wait_ready(*names, timeout=60)
    node.wait_for(
        lambda: len(node.containerd.running_tasks()) == 2 * len(names),
        20,
        f"one sandbox and one container for each of {len(names)} pods",
    )


@proxied
@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("kind", ["fail", "lose", "cut"])
def test_start_goes_on_after_one_broken_call(node, faults, kind):
    """`fail`: the runtime did nothing. `lose`: it did it and answered with an error. `cut`: it did it and the connection
    went away before the answer."""
    node.apply("other.yaml", pod("other"))
    [other] = node.wait_ready("other")
    injected = {rpc: node.proxy.inject(rpc, kind, name_of(rpc)) for rpc in STARTING}
    for rpc in STARTING:
        node.apply(f"{name_of(rpc)}.yaml", pod_of(rpc))
    names = [name_of(rpc) for rpc in STARTING]
    one_of_each(node, ["other", *names])
    missed = [rpc for rpc, fault in injected.items() if fault.hits != 1]
    assert kind == "cut" or not missed, f"not called for its pod: {missed}"
    for rpc in missed:  # a connection that is cut took the call with it, and what was asked next was another
        node.remove(f"{name_of(rpc)}.yaml")
        node.wait_gone(name_of(rpc))
        node.apply(f"{name_of(rpc)}.yaml", pod_of(rpc))
        one_of_each(node, ["other", *names])
        assert injected[rpc].hits == 1, f"{rpc} is not called for its pod"
    faults.add(len(injected))
    assert container_status(node.pod("other"))["containerID"] == container_status(other)["containerID"]
    # A hook whose answer is lost has failed as far as anybody can tell, and so has its container: it is started again. So
    # is a container whose start containerd undid because the connection went away under it.
    again = [name for name in names if restarts(node.pod(name))]
    assert kind == "cut" or again in ([], [name_of("ExecSync")])
    assert all(restarts(node.pod(name)) <= len(STARTING) for name in again), "no more than there were cuts"
    for fault in injected.values():
        fault.remove()


@proxied
@pytest.mark.parametrize("rpc", ["RunPodSandbox", "CreateContainer", "StartContainer"])
def test_a_call_that_keeps_failing_is_explained(node, faults, rpc):
    fault = node.proxy.inject(rpc, "fail", "broken", times=None, text="injected: the disk is on fire")
    node.apply("pods.yaml", pod("broken"), pod("other"))
    node.wait_ready("other")
    node.wait_for(lambda: fault.hits >= 1, what=f"{rpc} of the pod")
    words = ["Waits:", "since", "injected: the disk is on fire", "what to do", "next try"]
    node.wait_for(lambda: node.explains("broken", *words), what=f"explain tells cause and time:\n{node.explain('broken')}")
    assert "injected: the disk is on fire" in node.agent.log_text()
    faults.add(fault.hits)
    fault.remove()
    one_of_each(node, ["broken", "other"])


@proxied
@pytest.mark.runtimes("1.6", "2.2")
def test_calls_that_hang_delay_their_own_pod_alone(node, faults):
    """More pods hang than may start at the same time, each in another call; those that come after them start all the same."""
    # Of the lists the first may be made for an event, which waits ten seconds for it.
    times = {"ListContainers": None, "ListPodSandbox": None}
    injected = {rpc: node.proxy.inject(rpc, "hang", name_of(rpc), times=times.get(rpc, 1)) for rpc in STARTING}
    node.apply("pods.yaml", *map(pod_of, STARTING))
    node.wait_for(lambda: all(fault.hits for fault in injected.values()), 40, "every call hangs")
    start = time.monotonic()
    node.apply("others.yaml", *[pod(f"other-{i}") for i in range(4)])
    node.wait_ready(*[f"other-{i}" for i in range(4)], timeout=30)
    assert time.monotonic() - start < 30
    for rpc, fault in injected.items():
        words = ["Under way:", f": {STEP[rpc]}, since", "what to do"]
        node.wait_for(lambda: node.explains(name_of(rpc), *words), 20, f"{rpc} is explained")
        fault.remove()
        faults.add()
    one_of_each(node, [name_of(rpc) for rpc in STARTING] + [f"other-{i}" for i in range(4)])


@proxied
def test_pods_are_removed_while_their_start_hangs(node, faults):
    injected = {rpc: node.proxy.inject(rpc, "hang", name_of(rpc), times=1) for rpc in STARTING}
    node.apply("pods.yaml", *map(pod_of, STARTING))
    node.wait_for(lambda: all(fault.hits for fault in injected.values()), 40, "every call hangs")
    node.remove("pods.yaml")
    node.wait_gone(*map(name_of, STARTING))
    for fault in injected.values():
        fault.remove()
        faults.add()


@proxied
@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("kind", ["fail", "lose", "cut"])
def test_end_goes_on_after_one_broken_call(node, faults, kind):
    """The `node` fixture proves that nothing is left."""
    names = [name_of(rpc) for rpc in ENDING]
    node.apply("pods.yaml", pod("other"), *map(pod_of, ENDING))
    one_of_each(node, ["other", *names])
    before = container_status(node.pod("other"))["containerID"]
    injected = {rpc: node.proxy.inject(rpc, kind, name_of(rpc)) for rpc in ENDING}
    node.apply("pods.yaml", pod("other"))
    node.wait_gone(*names, timeout=40)
    for rpc, fault in injected.items():
        assert fault.hits == 1, f"{rpc} was not called for its pod"
        fault.remove()
        faults.add()
    assert container_status(node.pod("other"))["containerID"] == before and restarts(node.pod("other")) == 0


@proxied
def test_ends_that_hang_are_explained_and_delay_nobody(node, faults):
    names = [name_of(rpc) for rpc in ENDING]
    node.apply("pods.yaml", *map(pod_of, ENDING))
    one_of_each(node, names)
    # A list may still be asked for because the pod has started: it is cut short by the end, whose own look comes after it.
    times = {"ListContainers": None, "ListPodSandbox": None}
    injected = {rpc: node.proxy.inject(rpc, "hang", name_of(rpc), times=times.get(rpc, 1)) for rpc in ENDING}
    node.remove("pods.yaml")
    node.wait_for(lambda: all(fault.hits for fault in injected.values()), 40, "every call hangs")
    node.apply("other.yaml", pod("other"))
    node.wait_ready("other")
    for rpc, fault in injected.items():
        words = [f": {STEP[rpc]}, since", "what to do"]
        node.wait_for(lambda: node.explains(name_of(rpc), *words), what=f"{rpc} is explained")
        fault.remove()
        faults.add()
    node.wait_gone(*names, timeout=40)


@proxied
def test_probe_whose_exec_hangs_fails_and_never_piles_up(node, faults):
    """The call is given up at the probe's timeout, and then only is it made again."""
    fault = node.proxy.inject("ExecSync", "hang", "slow", times=None)
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
    node.apply("pods.yaml", pod("slow", testapp("--http", 8080, readinessProbe=probe)), pod("other"))
    node.wait_ready("other")
    node.wait_for(lambda: fault.hits >= 3, 20, "the probe is made again")
    start, before = time.monotonic(), fault.hits
    node.wait_for(lambda: fault.hits >= before + 2, 20, "two more")
    assert time.monotonic() - start > 2, "one at a time, each until its timeout"
    assert not is_ready(node.pod("slow")) and "Readiness probe" in node.explain("slow")
    faults.add(fault.hits)
    fault.remove()
    node.wait_ready("slow")


@proxied
@pytest.mark.parametrize("rpc", ["ImageStatus", "PullImage"])
@pytest.mark.parametrize("kind", ["fail", "lose", "cut", "hang"])
def test_image_calls(node, faults, rpc, kind):
    registry = Registry(node)
    try:
        image = f"late-{kind}-{rpc.lower()}:1"
        registry.push(image)
        fault = node.proxy.inject(rpc, kind, image)
        container = {"name": "app", "image": f"127.0.0.1:5000/{image}", "args": ["--http", "8080"]}
        node.apply("web.yaml", pod("web", container), pod("other"))
        node.wait_ready("other")
        node.wait_for(lambda: fault.hits == 1, what=f"{rpc} of the image")
        if kind == "hang":
            node.wait_for(lambda: image in node.explain("web") and "since" in node.explain("web"), what="explain")
        fault.remove()
        node.wait_ready("web", timeout=45)
        one_of_each(node, ["web", "other"])
        faults.add()
    finally:
        registry.close()


@proxied
def test_removal_of_old_instances_goes_on_after_a_failure(node, faults):
    fault = node.proxy.inject("RemoveContainer", "fail", "crash")
    node.apply("crash.yaml", pod("crash", shell("exit 1")), pod("other"))
    node.wait_for(lambda: fault.hits == 1, 60, "an old instance is removed")
    node.wait_for(lambda: node.proxy.calls()["RemoveContainer"] >= 2, 20, "and again after the failure")
    node.wait_for(
        lambda: node.containerd.ctr("containers", "ls").stdout.count("busybox") <= 2, 20, "two instances are kept"
    )
    assert is_ready(node.pod("other")) and restarts(node.pod("other")) == 0
    faults.add()


@pytest.mark.agent(proxy=True, start=False)
@pytest.mark.parametrize("rpc", ["Version", "Status", "ListPodSandbox", "ListContainers"])
@pytest.mark.parametrize("kind", ["fail", "cut"])
def test_agent_starts_although_its_first_calls_break(node, faults, rpc, kind):
    fault = node.proxy.inject(rpc, kind, code="UNAVAILABLE")
    node.apply("web.yaml", pod("web"))
    node.agent.start(wait=False)
    node.wait_for(lambda: fault.hits == 1, what=f"{rpc} at the start")
    node.wait_ready("web", timeout=40)
    assert node.agent.running()
    faults.add()


@proxied
@pytest.mark.runtimes("1.6", "2.2")
def test_lost_events_cost_time_and_nothing_else(node, faults):
    """The stream is cut again and again, then it cannot be had at all: pods still start, restart and end."""
    node.apply("web.yaml", pod("web", testapp("--http", 8080, "--sleep", 1)))
    node.wait_ready("web")
    for _ in range(5):
        node.proxy.cut()
        time.sleep(0.2)
        faults.add()
    rules = [
        node.proxy.inject(rpc, "fail", times=None, code="UNAVAILABLE") for rpc in ("Subscribe", "GetContainerEvents")
    ]
    node.proxy.cut()
    first = container_status(node.pod("web"))["containerID"]
    node.containerd.ctr("tasks", "kill", "-s", "SIGKILL", first.rsplit("/", 1)[-1])
    node.wait_pod("web", lambda found: restarts(found) == 1 and is_ready(found), 40)
    node.apply("more.yaml", pod("more"))
    node.wait_ready("more")
    node.remove("web.yaml")
    node.wait_gone("web")
    for rule in rules:
        faults.add(rule.hits)
        rule.remove()


@proxied
def test_object_made_during_a_pull_is_used_at_once(node, faults):
    """Not after the time that a container with a missing ConfigMap waits for the next try."""
    registry = Registry(node)
    try:
        registry.push("long:1")
        fault = node.proxy.inject("PullImage", "hang", "long:1")
        env = {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}]}
        node.apply("web.yaml", pod("web", testapp("--http", 8080, image="127.0.0.1:5000/long:1", **env)))
        node.wait_for(lambda: fault.hits, what="the pull of the image")
        node.apply("settings.yaml", config_map("settings", a="1"), pod("witness", testapp("--http", 8080, **env)))
        node.wait_ready("witness")
        fault.remove()
        node.wait_ready("web", timeout=8)
        faults.add()
    finally:
        registry.close()


@proxied
def test_everything_is_slow(node, faults):
    """Each call takes a quarter of a second longer; ten pods come and go."""
    rules = [node.proxy.inject(rpc, "delay", times=None, seconds=0.25) for rpc in {*STARTING, *ENDING, "ImageStatus"}]
    names = [f"pod-{i}" for i in range(10)]
    node.apply("pods.yaml", *map(pod, names))
    one_of_each(node, names)
    node.remove("pods.yaml")
    node.wait_gone(*names, timeout=60)
    for rule in rules:
        faults.add(rule.hits)
        rule.remove()
