"""The order in which a pod's containers end, and which of them run again."""

from harness.manifests import pod, shell
from harness.node import container_status, restarts

NOTE_END = "trap 'echo {0} >> /d/ends; sleep 0.2; exit 0' TERM; touch /d/up-{0}; while :; do sleep 0.1; done"
SHARED = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}


def sidecar(name: str, script: str, **fields) -> dict:
    return shell(script, name=name, restartPolicy="Always", **SHARED, **fields)


def test_sidecars_end_last_and_in_reverse_order(node, tmp_path):
    node.apply(
        "ordered.yaml",
        pod(
            "ordered",
            shell(NOTE_END.format("main"), name="main", **SHARED),
            initContainers=[sidecar("first", NOTE_END.format("first")), sidecar("second", NOTE_END.format("second"))],
            volumes=[{"name": "d", "hostPath": {"path": str(tmp_path)}}],
            terminationGracePeriodSeconds=20,
        ),
    )
    node.wait_ready("ordered")
    node.wait_for(lambda: all((tmp_path / f"up-{name}").exists() for name in ("main", "first", "second")))
    node.remove("ordered.yaml")
    node.wait_gone("ordered")
    assert (tmp_path / "ends").read_text().split() == ["main", "second", "first"]


def test_a_pod_ends_although_its_sidecars_run(node):
    item = pod("work", shell("exit 0", name="main"), initContainers=[sidecar("helper", "sleep 600")], restartPolicy="Never")
    item["spec"]["volumes"] = [{"name": "d", "emptyDir": {}}]
    node.apply("work.yaml", item)
    ended = node.wait_phase("work", "Succeeded", timeout=30)
    assert container_status(ended, "helper", "initContainerStatuses")["restartCount"] == 0


def test_a_sidecar_restarts_beside_the_containers(node):
    count = "n=$(cat /d/n 2>/dev/null || echo 0); echo $((n + 1)) > /d/n; [ $n -lt 1 ] && exit 3; sleep 600"
    item = pod("beside", shell("sleep 600", name="main"), initContainers=[sidecar("helper", count)], restartPolicy="Never")
    item["spec"]["volumes"] = [{"name": "d", "emptyDir": {}}]
    node.apply("beside.yaml", item)
    node.wait_pod(
        "beside",
        lambda p: container_status(p, "helper", "initContainerStatuses").get("restartCount") == 1
        and "running" in container_status(p, "main").get("state", {}),
        timeout=40,
    )


def test_container_restart_rules(node):
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    script = "n=$(cat /d/n 2>/dev/null || echo 0); echo $((n + 1)) > /d/n; [ $n -lt 1 ] && exit 42; exit 7"
    item = pod("rules", shell(script, restartPolicy="Never", restartPolicyRules=rules, **SHARED), restartPolicy="Never")
    item["spec"]["volumes"] = [{"name": "d", "emptyDir": {}}]
    node.apply("rules.yaml", item)
    failed = node.wait_phase("rules", "Failed", timeout=40)
    assert restarts(failed) == 1
    assert container_status(failed)["state"]["terminated"]["exitCode"] == 7
