"""A pod's life: it runs, has an address and logs, restarts by its policy, ends in time, and follows its file."""

import ipaddress
import json
import subprocess
import time

import pytest

from harness import paths
from harness.leaks import Leaks
from harness.manifests import deployment, literal, mount, pod, shell, testapp
from harness.netns import NODE_IP
from harness.node import CLUSTER_CIDR, condition, container_status, restarts, waiting_reason
from harness.process import Process


@pytest.mark.runtimes("1.6", "2.2")
def test_pod_runs_with_address_and_log(node):
    node.apply("web.yaml", pod("web", testapp("--print", "hello from web", "--http", 8080)))
    [web] = node.wait_ready("web")
    status, uid = web["status"], web["metadata"]["uid"]
    assert status["phase"] == "Running" and status["qosClass"] == "BestEffort" and status["hostIP"] == NODE_IP
    assert ipaddress.ip_address(status["podIP"]) in ipaddress.ip_network(CLUSTER_CIDR)
    assert status["podIPs"] == [{"ip": status["podIP"]}] and "startTime" in status
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"):
        assert condition(web, kind) == "True", kind
    app = container_status(web)
    assert app["containerID"].startswith("containerd://") and app["started"] and "running" in app["state"]
    assert web["spec"]["nodeName"] == node.name
    node.wait_for(lambda: node.fetch(f"http://{status['podIP']}:8080/hostname").stdout == "web\n", what="it listens")
    node.wait_for(lambda: "hello from web\n" in node.logs("web"), what="its log")
    log = node.logs_dir / f"default_web_{uid}" / "app" / "0.log"
    assert "hello from web" in log.read_text()
    link = node.log_links / f"web_default_app-{app['containerID'].removeprefix('containerd://')}.log"
    assert link.resolve() == log


def test_get_pods_prints_a_table(node):
    node.apply("web.yaml", pod("web"))
    [web] = node.wait_ready("web")
    header, row = node.cli("get", "pods").stdout.splitlines()[:2]
    assert header.split()[:2] == ["NAME", "READY"] or header.split()[0] == "NAMESPACE"
    assert {"web", "1/1", "Running", "0"} <= set(row.split())
    wide = node.cli("get", "pods", "-o", "wide").stdout
    assert web["status"]["podIP"] in wide and node.name in wide


def test_containers_share_network_and_volume(node):
    node.apply(
        "two.yaml",
        pod(
            "two",
            testapp("--http", 8080, name="server"),
            shell(
                "until wget -qO /shared/page http://127.0.0.1:8080/hostname; do sleep 0.1; done; cat /shared/page; sleep 600",
                name="client",
                volumeMounts=[mount("shared", "/shared")],
            ),
            volumes=[{"name": "shared", "emptyDir": {}}],
        ),
    )
    node.wait_ready("two")
    node.wait_for(lambda: node.logs("two", "client") == "two\n", what="log of the second container")
    assert node.logs("two", "server") == ""


def test_init_containers_run_in_order_before_the_others(node):
    shared = [mount("work", "/work")]
    node.apply(
        "init.yaml",
        pod(
            "init",
            shell("cat /work/steps; sleep 600", volumeMounts=shared),
            initContainers=[
                shell("sleep 0.5; echo first >> /work/steps", name="one", volumeMounts=shared),
                shell("echo second >> /work/steps", name="two", volumeMounts=shared),
            ],
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    [init] = node.wait_ready("init")
    node.wait_for(lambda: node.logs("init") == "first\nsecond\n", what="the steps in their order")
    for name in ("one", "two"):
        done = container_status(init, name, "initContainerStatuses")["state"]["terminated"]
        assert (done["exitCode"], done["reason"]) == (0, "Completed")


def test_failed_init_container_fails_a_pod_that_never_restarts(node):
    node.apply("init.yaml", pod("init", restartPolicy="Never", initContainers=[shell("exit 4", name="setup")]))
    init = node.wait_phase("init", "Failed")
    assert container_status(init, "setup", "initContainerStatuses")["state"]["terminated"]["exitCode"] == 4
    assert condition(init, "Initialized") == "False"


@pytest.mark.parametrize("code,phase,reason", [(0, "Succeeded", "Completed"), (3, "Failed", "Error")])
def test_pod_that_ends_once(node, code, phase, reason):
    node.apply("once.yaml", pod("once", testapp("--termination-message", "bye", "--exit", code), restartPolicy="Never"))
    once = node.wait_phase("once", phase)
    done = container_status(once)["state"]["terminated"]
    assert (done["exitCode"], done["reason"], done["message"]) == (code, reason, "bye")
    assert condition(once, "Ready") == "False" and restarts(once) == 0


def test_restart_on_failure_until_success(node):
    node.apply(
        "retry.yaml",
        pod(
            "retry",
            shell("test -e /work/tried && exit 0; touch /work/tried; exit 1", volumeMounts=[mount("work", "/work")]),
            restartPolicy="OnFailure",
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    assert restarts(node.wait_phase("retry", "Succeeded")) == 1


def test_crash_loop_backs_off_and_tries_again(node):
    node.apply("crash.yaml", pod("crash", testapp("--print", "once more", "--exit", 7)))
    crash = node.wait_pod("crash", lambda found: waiting_reason(found) == "CrashLoopBackOff")
    status = container_status(crash)
    assert status["lastState"]["terminated"]["exitCode"] == 7 and not status["ready"]
    assert "back-off 10s restarting failed container=app" in status["state"]["waiting"]["message"]
    assert "CrashLoopBackOff" in node.cli("get", "pods").stdout
    assert "back-off" in node.explain("crash").lower()
    first = restarts(crash)
    node.wait_pod("crash", lambda found: restarts(found) > first, timeout=20, what="another try after 10 s")


def test_back_off_shows_on_while_other_containers_start(node):
    """Three that end at the same time and start again one after the other, beside one that waits for its next try."""
    wait = "until [ -e /data/go ]; do sleep 0.01; done; mkdir /data/{} 2>/dev/null && exit 1; sleep 600"
    names = ["one", "two", "three"]
    others = [shell(wait.format(name), name=name, volumeMounts=[mount("data", "/data")]) for name in names]
    volumes = [{"name": "data", "emptyDir": {}}]
    node.apply("some.yaml", pod("some", shell("exit 7", name="broken"), *others, volumes=volumes))
    command = [paths.BIN / "keelson", "get", "pods", "some", "--watch", "-o", "json", "--socket", node.agent.socket]
    watch = Process(command, node.folder / "watch.log")

    def shown() -> list[dict]:
        return [json.loads(line)["object"] for line in watch.log_text().splitlines(keepends=True) if line.endswith("\n")]

    def all_again(found: dict) -> bool:
        return all(restarts(found, name) == 1 for name in names)

    try:
        first = node.wait_pod("some", lambda found: waiting_reason(found, "broken") == "CrashLoopBackOff")
        node.exec("some", "touch", "/data/go", container="one")
        node.wait_for(lambda: any(all_again(found) for found in shown()), what="the others start again")
    finally:
        watch.stop()
    statuses = [container_status(found, "broken") for found in shown() if found["status"].get("containerStatuses")]
    states = [(status["restartCount"], *status["state"]) for status in statuses]
    backs_off, ended = (restarts(first, "broken"), "waiting"), (restarts(first, "broken"), "terminated")
    assert backs_off in states and ended not in states[states.index(backs_off) :], states


def test_termination_message_falls_back_to_the_log(node):
    node.apply(
        "fall.yaml",
        pod(
            "fall",
            testapp("--print", "last words", "--exit", 1, terminationMessagePolicy="FallbackToLogsOnError"),
            restartPolicy="Never",
        ),
    )
    assert "last words" in container_status(node.wait_phase("fall", "Failed"))["state"]["terminated"]["message"]


def test_command_and_arguments_are_expanded(node):
    node.apply(
        "expand.yaml",
        pod(
            "expand",
            testapp("--print", "$(WHO) $$(WHO) $(NOBODY)", "--exit", 0, env=[literal("WHO", "world")]),
            restartPolicy="Never",
        ),
    )
    node.wait_phase("expand", "Succeeded")
    assert node.logs("expand") == "world $(WHO) $(NOBODY)\n"


def test_user_and_folder_of_the_image_apply(node):
    node.apply(
        "image.yaml",
        pod("image", {"name": "app", "image": "docker.io/local/testapp-user:1", "args": ["--http", "8080"]}),
    )
    node.wait_ready("image")
    assert node.exec("image", "sh", "-c", "id -u; pwd; echo $FROM_IMAGE").stdout == "1000\n/home/app\nyes\n"


def test_termination_gives_grace_then_kills(node):
    node.apply("deaf.yaml", pod("deaf", testapp("--ignore-term", "--http", 8080), terminationGracePeriodSeconds=3))
    node.apply("slow.yaml", pod("slow", testapp("--term-delay", 1, "--http", 8080), terminationGracePeriodSeconds=30))
    for found in node.wait_ready("deaf", "slow"):  # serving, they take signals as they are told
        node.wait_for(lambda: node.fetch(f"http://{found['status']['podIP']}:8080/"), what="the pod listens")
    start = time.monotonic()
    gone: dict[str, float] = {}

    def both_gone() -> bool:
        for name in {"deaf", "slow"} - set(node.pods()):
            gone.setdefault(name, time.monotonic() - start)
        return len(gone) == 2

    node.remove("deaf.yaml", "slow.yaml")
    node.wait_for(both_gone, what="both pods gone")
    assert gone["slow"] < 10
    assert gone["deaf"] > 2.5, "the pod that ignores SIGTERM was killed before its grace was over"
    assert gone["deaf"] < 9


def test_exec_passes_output_and_exit_code(node):
    node.apply("web.yaml", pod("web", testapp("--http", 8080), testapp("--http", 8081, name="other")))
    node.wait_ready("web")
    done = node.exec("web", "sh", "-c", "echo out; echo err >&2; exit 5", check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 5)
    command = ["cat", "/proc/1/cmdline"]
    node.wait_for(lambda: node.exec("web", *command, container="other").stdout.endswith("8081\0"), what="the other")
    assert node.exec("nobody", "true", check=False).returncode != 0


def test_logs_follow_a_running_container(node):
    node.apply(
        "ticks.yaml",
        pod("ticks", shell("trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done")),
    )
    node.wait_ready("ticks")
    follow = subprocess.Popen(
        [paths.BIN / "keelson", "logs", "-f", "ticks", "--socket", node.agent.socket], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = [follow.stdout.readline() for _ in range(12)]
        node.remove("ticks.yaml")
        follow.communicate(timeout=20)
    finally:
        follow.kill()
    assert lines == [f"tick {i}\n" for i in range(1, 13)]


def test_changed_file_replaces_the_pod(node):
    node.apply("web.yaml", pod("web", testapp("--print", "version one", "--http", 8080)))
    [before] = node.wait_ready("web")
    node.apply("web.yaml", pod("web", testapp("--print", "version two", "--http", 8080)))
    node.wait_for(lambda: "version two" in node.logs("web"), what="the new version's log")
    [after] = node.wait_ready("web")
    assert container_status(after)["containerID"] != container_status(before)["containerID"]
    node.wait_for(lambda: len(node.containerd.running_tasks()) == 2, what="only the new sandbox and container run")


def test_rewriting_the_same_content_changes_nothing(node):
    node.apply("web.yaml", pod("web"))
    [before] = node.wait_ready("web")
    node.apply("web.yaml", pod("web"))
    node.apply("other.yaml", pod("other"))
    node.wait_ready("other")
    [after] = node.wait_ready("web")
    assert container_status(after)["containerID"] == container_status(before)["containerID"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_removed_file_leaves_nothing(node):
    node.apply(
        "web.yaml",
        pod(
            "web",
            testapp("--http", 8080, volumeMounts=[mount("tmp", "/tmp/x")]),
            volumes=[{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
        ),
    )
    node.apply("more.yaml", deployment("more", 2))
    node.wait_ready("web")
    node.wait_for(lambda: len(node.pods()) == 3, what="three pods")
    node.remove("web.yaml", "more.yaml")
    node.wait_for(lambda: not node.agent.list("pods"), 30, "no pod left")
    assert Leaks(node).after_drain() == []


def test_documents_and_lists_in_one_file(node):
    """Documents of one file are independent of each other; a List is as good as documents."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [pod("one"), pod("two")]}
    node.apply("all.yaml", listed, pod("three"))
    node.wait_ready("one", "two", "three")


def test_host_port_reaches_the_pod_from_beyond_the_node(node):
    node.apply("hp.yaml", pod("hp", testapp("--http", 8080, ports=[{"containerPort": 8080, "hostPort": 18080}])))
    node.wait_ready("hp")
    node.wait_for(
        lambda: node.fetch(f"http://{NODE_IP}:18080/hostname", outside=True).stdout == "hp\n", what="hostPort answers"
    )


# Debian's crun refuses the newer version of the OCI spec that containerd 2.2 writes.
def test_runtime_class_selects_crun(node):
    node.apply("crun.yaml", pod("small", testapp("--http", 8080), runtimeClassName="crun"))
    [small] = node.wait_ready("small")
    identity = container_status(small)["containerID"].removeprefix("containerd://")
    assert identity in (node.containerd.folder / "crun.calls").read_text()
    assert node.exec("small", "hostname").stdout == "small\n"


def test_container_killed_from_outside_is_started_again(node):
    node.apply("web.yaml", pod("web"))
    [web] = node.wait_ready("web")
    identity = container_status(web)["containerID"].removeprefix("containerd://")
    node.containerd.ctr("tasks", "kill", "-s", "KILL", identity)
    web = node.wait_pod("web", lambda found: restarts(found) == 1 and condition(found, "Ready") == "True")
    assert container_status(web)["lastState"]["terminated"]["exitCode"] == 137


def test_sandbox_killed_from_outside_is_replaced(node):
    node.apply("web.yaml", pod("web"))
    [web] = node.wait_ready("web")
    container = container_status(web)["containerID"].removeprefix("containerd://")
    [sandbox] = set(node.containerd.running_tasks()) - {container}
    node.containerd.ctr("tasks", "kill", "-s", "KILL", sandbox)
    node.wait_for(
        lambda: sandbox not in node.containerd.running_tasks() and len(node.containerd.running_tasks()) == 2,
        what="a new sandbox with the container in it",
    )
    node.wait_ready("web")
