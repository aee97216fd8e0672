"""The agent ends and comes back, by SIGTERM and by SIGKILL: what ran goes on untouched, and what changed is noticed."""

import json
import signal
import time

import pytest

from harness import paths
from harness.manifests import config_map, deployment, mount, pod, service, shell, testapp
from harness.node import container_status, is_ready, restarts, waiting_reason

READY = {
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
    "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
}


def identities(node) -> dict[str, tuple]:
    return {
        name: (
            found["metadata"]["uid"],
            found["status"].get("podIP"),
            container_status(found).get("containerID"),
            restarts(found),
        )
        for name, found in node.pods().items()
    }


def restart(node, signo: int) -> None:
    node.agent.process.stop(signo)
    node.agent.start()


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_running_pods_are_adopted_untouched(node, signo):
    node.apply("data.yaml", config_map("conf", k="v"))
    node.apply(
        "web.yaml",
        deployment(
            "web",
            2,
            testapp("--http", 8080, volumeMounts=[mount("c", "/c"), mount("m", "/m")], **READY),
            volumes=[{"name": "c", "configMap": {"name": "conf"}}, {"name": "m", "emptyDir": {"medium": "Memory"}}],
        ),
    )
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    node.wait_for(lambda: len(node.pods()) == 2 and all(map(is_ready, node.pods().values())), what="two ready pods")
    ip = node.cluster_ip()
    before, tasks = identities(node), node.containerd.running_tasks()
    node.wait_for(lambda: node.fetch(f"http://{ip}/"), what="the Service answers")
    node.agent.process.stop(signo)
    assert node.containerd.running_tasks() == tasks, "containers outlive the agent"
    assert node.fetch(f"http://{ip}/hostname").stdout, "Services answer without the agent"
    node.agent.start()
    node.wait_for(
        lambda: len(node.pods()) == 2 and all(map(is_ready, node.pods().values())), what="adopted pods are ready"
    )
    time.sleep(2)
    assert identities(node) == before and node.containerd.running_tasks() == tasks
    assert node.services()["web"]["spec"]["clusterIP"] == ip and node.fetch(f"http://{ip}/").stdout


def test_adopted_pods_never_turn_unready(node):
    """A Service must not lose its pods because the agent was restarted."""
    node.apply("web.yaml", pod("web", testapp("--http", 8080, **READY)))
    node.wait_ready("web")
    time.sleep(11)  # beyond the ten seconds within which a container counts as just started
    restart(node, signal.SIGKILL)
    node.wait_for(lambda: "web" in node.pods(), what="the new agent knows the pod")
    for _ in range(10):
        assert is_ready(node.pod("web"))
        time.sleep(0.1)


def test_probes_go_on_after_a_restart(node):
    node.apply("web.yaml", pod("web", testapp("--http", 8080, **READY)))
    [web] = node.wait_ready("web")
    restart(node, signal.SIGKILL)
    node.wait_ready("web")
    node.fetch(f"http://{web['status']['podIP']}:8080/switch/health/off")
    node.wait_pod("web", lambda found: restarts(found) == 1 and is_ready(found), timeout=10)


def test_backoff_goes_on_after_a_restart(node):
    node.apply("crash.yaml", pod("crash", shell("exit 1")))
    crash = node.wait_pod("crash", lambda found: waiting_reason(found) == "CrashLoopBackOff")
    restart(node, signal.SIGKILL)
    time.sleep(1.5)
    again = node.wait_pod("crash", lambda found: waiting_reason(found) == "CrashLoopBackOff")
    assert restarts(again) == restarts(crash), "no restart before the back-off is over"
    node.wait_pod("crash", lambda found: restarts(found) == restarts(crash) + 1, timeout=20)


def test_changes_made_while_the_agent_was_away(node):
    for name in ("stays", "goes", "changes"):
        node.apply(f"{name}.yaml", pod(name, testapp("--print", "old", "--http", 8080)))
    node.wait_ready("stays", "goes", "changes")
    before = identities(node)
    node.agent.stop()
    node.remove("goes.yaml")
    node.apply("changes.yaml", pod("changes", testapp("--print", "new", "--http", 8080)))
    node.apply("comes.yaml", pod("comes"))
    node.agent.start()
    node.wait_ready("stays", "comes")
    node.wait_gone("goes")
    node.wait_for(lambda: node.logs("changes") == "new\n", what="the changed pod")
    assert identities(node)["stays"] == before["stays"]


def test_a_file_that_broke_while_the_agent_was_away_keeps_its_pods(node):
    """Nothing of the file can be told: that is no reason to end what it ran. What it says later counts again."""
    web = deployment("web", 2)
    node.apply("broken.yaml", pod("single"), web)
    node.wait_ready("single")
    node.wait_for(lambda: len(identities(node)) == 3, what="three pods")
    node.wait_ready(*identities(node))
    before = identities(node)
    node.agent.stop()
    node.apply("broken.yaml", "kind: Pod\nmetadata: {name: single\n")
    node.agent.start()
    node.apply("other.yaml", pod("other"))
    node.wait_ready("other")  # by then it has been decided about the broken file
    assert {name: found for name, found in identities(node).items() if name != "other"} == before
    node.apply("broken.yaml", pod("single"))
    node.wait_for(lambda: set(identities(node)) == {"single", "other"}, what="the Deployment's pods are gone")
    assert identities(node)["single"] == before["single"]


def test_container_that_died_while_the_agent_was_away(node):
    node.apply("web.yaml", pod("web"), pod("done", testapp("--http", 8080), restartPolicy="Never"))
    [web, done] = node.wait_ready("web", "done")
    node.agent.kill()
    for found in (web, done):
        node.containerd.ctr(
            "tasks", "kill", "-s", "KILL", container_status(found)["containerID"].removeprefix("containerd://")
        )
    node.agent.start()
    node.wait_pod("web", lambda found: restarts(found) == 1 and is_ready(found))
    assert container_status(node.wait_phase("done", "Failed"))["state"]["terminated"]["exitCode"] == 137


@pytest.mark.runtimes("1.6", "2.2")
def test_restarted_runtime_keeps_pods_and_agent(node):
    node.apply("web.yaml", deployment("web", 2))
    node.wait_for(lambda: len(node.pods()) == 2 and all(map(is_ready, node.pods().values())), what="two ready pods")
    before = identities(node)
    node.containerd.kill()
    time.sleep(1)
    assert node.agent.running()
    node.containerd.start()
    node.apply("more.yaml", pod("more"))
    node.wait_ready("more", timeout=40)
    assert {name: identity for name, identity in identities(node).items() if name != "more"} == before


@pytest.mark.agent(start=False)
def test_runtime_that_comes_later(node):
    node.apply("web.yaml", pod("web"))
    node.containerd.kill()
    node.agent.start()
    time.sleep(1)
    node.containerd.start()
    node.wait_ready("web", timeout=40)


def test_cni_del_works_while_the_agent_is_down(node):
    """The shim frees the address by itself when a sandbox is stopped without the agent."""
    node.apply("web.yaml", pod("web"))
    [web] = node.wait_ready("web")
    address = node.ipam / "pods" / web["status"]["podIP"]
    assert address.exists()
    config = next(node.machine.shim_dir.glob("*.conflist"))
    plugin = json.loads(config.read_text())
    container = container_status(web)["containerID"].removeprefix("containerd://")
    [sandbox] = set(node.containerd.running_tasks()) - {container}
    node.agent.kill()
    request = {
        **{key: value for key, value in plugin["plugins"][0].items()},
        "name": plugin["name"],
        "cniVersion": plugin.get("cniVersion", "1.0.0"),
    }
    node.network.run(
        paths.BIN / "keelson-cni",
        input=json.dumps(request),
        env={
            "CNI_COMMAND": "DEL",
            "CNI_CONTAINERID": sandbox,
            "CNI_NETNS": "",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(paths.CNI_BIN),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        },
    )
    assert not address.exists()
    node.agent.start()
