"""The controllers' pods: what Deployment, StatefulSet, DaemonSet, Job and CronJob ask of a node."""

import threading

from harness.manifests import deployment, job, pod, service, shell, template, testapp, workload
from harness.node import container_status

READY = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}}


def cluster_ip(space, name: str) -> str:
    return space.get("Service", name)["spec"]["clusterIP"]


def rolled_out(space, name: str):
    def check():
        item = space.get("Deployment", name)
        status, replicas = item["status"], item["spec"]["replicas"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
        return status.get("observedGeneration") == item["metadata"]["generation"] and counts == [replicas] * 4

    return check


class Poller:
    """Fetches a URL again and again from a node, and remembers what failed."""

    def __init__(self, node, url: str):
        self.node, self.url, self.answers, self.failures = node, url, 0, []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            done = self.node.fetch(self.url, check=False)
            if done.returncode == 0:
                self.answers += 1
            else:
                self.failures.append(done.stderr.strip())


def test_deployment_behind_a_service(space):
    """Three replicas on both nodes, reached by ClusterIP from a node and from a pod on each node."""
    node, other = space.cluster.nodes
    spread = {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    spread["labelSelector"] = {"matchLabels": {"app": "web"}}
    space.apply(deployment("web", 3, testapp("--http", 8080, **READY), topologySpreadConstraints=[spread]))
    space.apply(service("web", {"port": 80, "targetPort": 8080}))
    for item in (node, other):
        space.apply(pod(f"client-{item.name}", testapp(), nodeName=item.name))
    pods = space.wait_apps("web", 3)
    assert {item["spec"]["nodeName"] for item in pods.values()} == {node.name, other.name}
    ip = cluster_ip(space, "web")
    url = f"http://{ip}/hostname"
    for item in (node, other):
        seen = set()
        space.wait_for(lambda: seen.add(item.fetch(url).stdout.strip()) or seen == set(pods), 20, "all replicas answer")
        space.wait_ready(f"client-{item.name}")
        dial = ("/testapp", "dial", "tcp", ip, "80", "GET /hostname HTTP/1.0\r\n\r\n")
        answer = space.exec(f"client-{item.name}", *dial).stdout
        assert answer.splitlines()[-1] in pods, answer


def test_rolling_update_without_a_lost_request(space):
    """The old pods serve through preStop until the endpoints are gone from the nodes' rules."""
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 2}}}}
    fields = {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}

    def version(number: int) -> dict:
        container = testapp("--print", f"version {number}", "--http", 8080, **READY, **hook)
        return deployment("web", 3, container, fields=fields, terminationGracePeriodSeconds=5)

    space.apply(version(1), service("web", {"port": 80, "targetPort": 8080}))
    before = space.wait_apps("web", 3)
    url = f"http://{cluster_ip(space, 'web')}/"
    space.wait_for(lambda: space.cluster.nodes[0].fetch(url), 20, "the Service answers")
    with Poller(space.cluster.nodes[0], url) as poller:
        space.apply(version(2))
        space.wait_for(rolled_out(space, "web"), 60, "rolled out")
        after = space.wait_apps("web", 3)
    assert not set(before) & set(after)
    for name in after:
        space.wait_for(lambda name=name: space.kubectl("logs", name).stdout.startswith("version 2"), what=f"log of {name}")
    assert poller.answers > 20 and not poller.failures, poller.failures
    space.kubectl("rollout", "undo", "deployment/web")
    space.wait_for(rolled_out(space, "web"), 60, "rolled back")


def test_stateful_set_in_order_and_with_stable_names(space):
    container = testapp("--http", 8080, **READY)
    space.apply(service("db", {"port": 8080}, clusterIP="None"))
    space.apply(workload("StatefulSet", "db", container, fields={"replicas": 3, "serviceName": "db"}))
    pods = space.wait_apps("db", 3, timeout=60)
    assert set(pods) == {"db-0", "db-1", "db-2"}
    starts = [pods[f"db-{number}"]["metadata"]["creationTimestamp"] for number in range(3)]
    assert starts == sorted(starts)
    assert space.exec("db-1", "hostname", "-f").stdout.strip() == f"db-1.db.{space.name}.svc.cluster.local"
    space.delete("Pod", "db-1")
    space.wait_for(lambda: space.pod("db-1")["metadata"]["uid"] != pods["db-1"]["metadata"]["uid"], 30, "db-1 again")
    space.wait_apps("db", 3)
    space.patch("StatefulSet", "db", {"spec": {"replicas": 1}})
    space.wait_gone("db-1", "db-2")


def test_daemon_set_on_every_node_and_updated(space):
    space.apply(workload("DaemonSet", "daemon", testapp("--http", 8080, **READY)))
    pods = space.wait_apps("daemon", 2)
    assert {item["spec"]["nodeName"] for item in pods.values()} == {node.name for node in space.cluster.nodes}
    space.apply(workload("DaemonSet", "daemon", testapp("--http", 8080, "--print", "two", **READY)))
    space.wait_for(lambda: not set(space.pods("daemon")) & set(pods), 40, "both replaced")
    space.wait_apps("daemon", 2)


def test_job_completes_and_counts_failures(space):
    space.apply(job("sums", shell("echo done"), fields={"completions": 4, "parallelism": 2}))
    space.apply(job("fails", shell("exit 3"), fields={"backoffLimit": 1}))
    indexed = shell('echo "index $JOB_COMPLETION_INDEX"')
    space.apply(job("index", indexed, fields={"completions": 2, "parallelism": 2, "completionMode": "Indexed"}))

    def condition(name: str) -> set[str]:
        found = space.get("Job", name)["status"].get("conditions", [])
        return {item["type"] for item in found if item["status"] == "True"}

    space.wait_for(lambda: "Complete" in condition("sums"), 60, "job sums")
    assert space.get("Job", "sums")["status"]["succeeded"] == 4
    space.wait_for(lambda: "Failed" in condition("fails"), 60, "job fails")
    assert space.get("Job", "fails")["status"]["failed"] == 2
    for item in space.pods("fails").values():
        assert item["status"]["phase"] == "Failed"
        assert container_status(item)["state"]["terminated"]["exitCode"] == 3
    space.wait_for(lambda: "Complete" in condition("index"), 60, "job index")
    logs = {space.kubectl("logs", name).stdout.strip() for name in space.pods("index")}
    assert logs == {"index 0", "index 1"}


def test_cron_job_runs_at_its_minute(space):
    spec = {"template": template("tick", shell("echo tick"), restartPolicy="OnFailure")}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": spec}},
    }
    space.apply(cron)

    def succeeded():
        return [item for item in space.list("Job") if item["status"].get("succeeded") == 1]

    runs = space.wait_for(succeeded, 90, "one run of the CronJob")
    assert runs[0]["metadata"]["ownerReferences"][0]["name"] == "tick"
    assert space.get("CronJob", "tick")["status"]["lastScheduleTime"]


def test_pods_of_two_nodes_reach_each_other(space):
    node, other = space.cluster.nodes
    space.apply(pod("one", testapp("--http", 8080, "--tcp", 9000, "--udp", 9001), nodeName=node.name))
    space.apply(pod("two", testapp("--http", 8080, "--tcp", 9000, "--udp", 9001), nodeName=other.name))
    one, two = space.wait_ready("one", "two")
    for own, peer in ((one, two), (two, one)):
        ip, peer_ip = own["status"]["podIP"], peer["status"]["podIP"]
        assert own["status"]["hostIP"] == space.cluster.node_of(own).ip
        for protocol, port in (("tcp", "9000"), ("udp", "9001")):
            dial = (own["metadata"]["name"], "/testapp", "dial", protocol, peer_ip, port)
            answer = space.wait_for(lambda dial=dial: space.exec(*dial).stdout, what=f"{protocol} from {ip} to {peer_ip}")
            assert answer.startswith(peer["metadata"]["name"]) and ip in answer, "pods see each other's own address"


def test_many_pods_at_once(space):
    """Both nodes start thirty pods together, and end them together."""
    space.apply(deployment("many", 30))
    pods = space.wait_apps("many", 30, timeout=60)
    addresses = {item["status"]["podIP"] for item in pods.values()}
    assert len(addresses) == 30
    space.delete("Deployment", "many")
    space.wait_for(lambda: not space.pods("many"), 60, "all gone")
