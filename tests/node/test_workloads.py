"""Workloads of the folder, expanded on the node: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job."""

import time

from harness.manifests import deployment, job, mount, shell, testapp, workload
from harness.node import container_status, is_ready


def of(node, app: str) -> dict[str, dict]:
    return {name: pod for name, pod in node.pods().items() if pod["metadata"].get("labels", {}).get("app") == app}


def wait_count(node, app: str, count: int, timeout: float = 30) -> dict[str, dict]:
    def settled():
        pods = of(node, app)
        return pods if len(pods) == count and all(map(is_ready, pods.values())) else None

    return (
        node.wait_for(settled, timeout, f"{count} ready pods of {app}")
        if count
        else node.wait_for(lambda: not of(node, app), timeout, f"no pods of {app}")
    )


def test_deployment_scales_and_keeps_the_others(node):
    node.apply("web.yaml", deployment("web", 3))
    before = wait_count(node, "web", 3)
    assert all(name.startswith("web-") for name in before)
    node.apply("web.yaml", deployment("web", 5))
    more = wait_count(node, "web", 5)
    assert {name: container_status(pod)["containerID"] for name, pod in before.items()}.items() <= {
        name: container_status(pod)["containerID"] for name, pod in more.items()
    }.items()
    node.apply("web.yaml", deployment("web", 1))
    assert set(wait_count(node, "web", 1)) <= set(more)
    node.apply("web.yaml", deployment("web", 0))
    wait_count(node, "web", 0)


def test_deployment_rolls_over_to_a_new_template(node):
    node.apply("web.yaml", deployment("web", 2, testapp("--print", "one", "--http", 8080)))
    before = wait_count(node, "web", 2)
    node.apply("web.yaml", deployment("web", 2, testapp("--print", "two", "--http", 8080)))
    node.wait_for(
        lambda: len(of(node, "web")) == 2 and not set(of(node, "web")) & set(before),
        30,
        "only pods of the new template",
    )
    for name in wait_count(node, "web", 2):
        node.wait_for(lambda: node.logs(name) == "two\n", what=f"the log of {name}")


def test_deployment_replaces_a_pod_whose_sandbox_is_gone(node):
    node.apply("web.yaml", deployment("web", 1))
    [(name, pod)] = wait_count(node, "web", 1).items()
    for task in node.containerd.running_tasks():
        node.containerd.ctr("tasks", "kill", "-s", "KILL", task, check=False)
    node.wait_for(
        lambda: all(
            is_ready(found) and found["status"]["containerStatuses"] != pod["status"]["containerStatuses"]
            for found in of(node, "web").values()
        )
        and len(of(node, "web")) == 1,
        30,
        "the pod runs again",
    )


def test_replica_set(node):
    node.apply("rs.yaml", workload("ReplicaSet", "rs", fields={"replicas": 2}))
    wait_count(node, "rs", 2)


def test_stateful_set_has_stable_names(node):
    node.apply("db.yaml", workload("StatefulSet", "db", fields={"replicas": 3, "serviceName": "db"}))
    assert set(wait_count(node, "db", 3)) == {"db-0", "db-1", "db-2"}
    assert node.exec("db-1", "hostname").stdout == "db-1\n"
    node.apply(
        "db.yaml",
        workload(
            "StatefulSet", "db", testapp("--print", "new", "--http", 8080), fields={"replicas": 2, "serviceName": "db"}
        ),
    )
    node.wait_for(
        lambda: all("new" in node.logs(name) for name in ("db-0", "db-1")), 40, "both pods of the new template"
    )
    assert set(wait_count(node, "db", 2)) == {"db-0", "db-1"}


def test_daemon_set_runs_once(node):
    node.apply("ds.yaml", workload("DaemonSet", "agent"))
    [name] = wait_count(node, "agent", 1)
    assert name.startswith("agent-")


def test_daemon_set_for_other_nodes_does_not_run(node):
    node.apply(
        "ds.yaml", workload("DaemonSet", "gpu", nodeSelector={"accelerator": "none-here"}), workload("DaemonSet", "all")
    )
    wait_count(node, "all", 1)
    assert not of(node, "gpu")


def test_job_completes(node):
    node.apply("job.yaml", job("sum", shell("echo done"), fields={"completions": 3, "parallelism": 2}))
    node.wait_for(
        lambda: [pod["status"]["phase"] for pod in of(node, "sum").values()] == ["Succeeded"] * 3,
        30,
        "three completions",
    )
    time.sleep(0.5)
    assert len(of(node, "sum")) == 3, "a finished Job starts nothing more"


def test_job_runs_no_more_than_its_parallelism(node):
    node.apply("job.yaml", job("pair", shell("sleep 1"), fields={"completions": 4, "parallelism": 2}))
    most = 0

    def finished():
        nonlocal most
        phases = [pod["status"].get("phase") for pod in of(node, "pair").values()]
        most = max(most, sum(phase in ("Pending", "Running") for phase in phases))
        return phases.count("Succeeded") == 4

    node.wait_for(finished, 40, "four completions")
    assert most == 2


def test_job_gives_up_after_its_backoff_limit(node):
    node.apply("job.yaml", job("bad", shell("exit 1"), fields={"backoffLimit": 1}))
    node.wait_for(
        lambda: [pod["status"].get("phase") for pod in of(node, "bad").values()].count("Failed") == 2,
        40,
        "two failures",
    )
    time.sleep(1)
    assert len(of(node, "bad")) == 2, "backoffLimit 1 allows two pods"


def test_finished_job_stays_finished_over_a_restart_of_the_agent(node):
    host = node.folder / "runs"
    host.mkdir()
    node.apply(
        "job.yaml",
        job(
            "once",
            shell("echo x >> /runs/log", volumeMounts=[mount("runs", "/runs")]),
            volumes=[{"name": "runs", "hostPath": {"path": str(host)}}],
        ),
    )
    node.wait_for(
        lambda: [pod["status"]["phase"] for pod in of(node, "once").values()] == ["Succeeded"], what="the completion"
    )
    node.agent.kill()
    node.agent.start()
    time.sleep(2)
    assert (host / "log").read_text() == "x\n"
