"""The kubelet API on :10250: what it tells, through the API server's node proxy, and to whom it tells nothing."""

import base64
import json
import re
import subprocess

import pytest

from harness.manifests import mount, pod, shell, testapp
from harness.plane import cluster_role_binding

SUBRESOURCES = {"nodes/metrics": ["/metrics", "/metrics/resource"], "nodes/stats": ["/stats/summary"]}


def raw(cluster, node, path: str) -> str:
    return cluster.plane.kubectl("get", "--raw", f"/api/v1/nodes/{node.name}/proxy{path}").stdout


def ask(node, path: str, *curl: str) -> tuple[int, str]:
    """Status and body, without its last newline, of a request straight at the node's port."""
    done = node.network.run(
        "curl", "-sk", "--max-time", "10", "-w", "\n%{http_code}", *curl, f"https://{node.ip}:10250{path}"
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body.removesuffix("\n")


def as_api_server(plane) -> tuple[str, ...]:
    """curl's arguments for the certificate with which the API server calls its nodes."""
    pki = plane.pki.folder
    return ("--cert", str(pki / "kubelet-client.crt"), "--key", str(pki / "kubelet-client.key"))


@pytest.fixture
def busy(space):
    """A pod on the first node that uses some CPU and memory, and the node."""
    node = space.cluster.nodes[0]
    burner = shell(
        "dd if=/dev/zero of=/cache/file bs=1M count=1; while :; do :; done",
        name="burner",
        resources={"limits": {"cpu": "100m", "memory": "64Mi"}},
        volumeMounts=[mount("cache", "/cache")],
    )
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    app = testapp("--alloc", 20, "--http", 8080, readinessProbe=probe)
    volumes = [{"name": "cache", "emptyDir": {}}]
    space.apply(pod("busy", app, burner, nodeName=node.name, volumes=volumes))
    [found] = space.wait_ready("busy")
    file = node.root / "pods" / found["metadata"]["uid"] / "volumes" / "kubernetes.io~empty-dir" / "cache" / "file"
    space.wait_for(lambda: file.stat().st_size == 1 << 20, what="what the volume holds: a node measures it once a minute")
    return space, node


def samples(text: str) -> dict[str, float]:
    """Series (name and labels as written) to value; a timestamp may follow the value."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)(?: \d+)?", line):
            found[match[1]] = float(match[2])
    return found


def series(text: str, name: str, /, **labels: str) -> list[float]:
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = samples(text)
    return [found[key] for key in found if re.match(rf"{name}(\{{|$)", key) and all(want in key for want in wanted)]


def test_resource_metrics(busy):
    """What metrics-server reads."""
    space, node = busy
    labels = {"namespace": space.name, "pod": "busy"}

    def burnt():
        text = raw(space.cluster, node, "/metrics/resource")
        container = series(text, "container_cpu_usage_seconds_total", container="burner", **labels)
        whole = series(text, "pod_cpu_usage_seconds_total", **labels)
        return text if container and whole and min(container[0], whole[0]) > 0.1 else None

    text = space.wait_for(burnt, 40, "CPU time of the container and of the pod")
    assert 20 << 20 < series(text, "container_memory_working_set_bytes", container="app", **labels)[0] < 60 << 20
    assert series(text, "container_start_time_seconds", container="app", **labels)[0] > 1.7e9
    assert series(text, "pod_memory_working_set_bytes", **labels)[0] > 20 << 20
    assert series(text, "node_cpu_usage_seconds_total")[0] > 1
    assert series(text, "node_memory_working_set_bytes")[0] > 50 << 20
    assert series(text, "scrape_error") == [0] or series(text, "resource_scrape_error") == [0]


def test_stats_summary(busy):
    space, node = busy

    def summary():
        found = json.loads(raw(space.cluster, node, "/stats/summary"))
        pods = {(item["podRef"]["namespace"], item["podRef"]["name"]): item for item in found["pods"]}
        mine = pods.get((space.name, "busy"))
        ready = mine and len(mine["containers"]) == 2 and mine["cpu"].get("usageCoreNanoSeconds")
        # A slow disk or runtime does not hold up the answer: what they have not told yet is missing from it.
        return (found["node"], mine) if ready and mine.get("network") and mine.get("volume") else None

    whole, mine = space.wait_for(summary, 40, "statistics of the pod")
    assert whole["nodeName"] == node.name
    assert whole["cpu"]["usageCoreNanoSeconds"] > 0 and whole["memory"]["workingSetBytes"] > 0
    assert whole["fs"]["capacityBytes"] > whole["fs"]["usedBytes"] > 0
    assert whole["runtime"]["imageFs"]["capacityBytes"] > 0
    assert whole["rlimit"]["maxpid"] > whole["rlimit"]["curproc"] > 0
    assert "pods" in {item["name"] for item in whole["systemContainers"]}
    volumes = {item["name"]: item for item in mine["volume"]}
    assert volumes["cache"]["usedBytes"] >= 1 << 20 and volumes["cache"]["capacityBytes"] > 0
    assert any(name.startswith("kube-api-access-") for name in volumes)
    assert mine["process_stats"]["process_count"] >= 2
    assert mine["ephemeral-storage"]["usedBytes"] >= 1 << 20
    assert mine["podRef"]["uid"] == space.pod("busy")["metadata"]["uid"]
    app = next(item for item in mine["containers"] if item["name"] == "app")
    assert app["memory"]["workingSetBytes"] > 20 << 20
    assert mine["network"]["interfaces"][0]["name"] == "eth0"
    trimmed = json.loads(raw(space.cluster, node, "/stats/summary?only_cpu_and_memory=true"))
    assert "fs" not in trimmed["node"] and trimmed["node"]["cpu"]


def test_cadvisor_metrics(busy):
    space, node = busy
    labels = {"namespace": space.name, "pod": "busy"}

    def found():
        text = raw(space.cluster, node, "/metrics/cadvisor")
        memory = series(text, "container_memory_working_set_bytes", container="app", **labels)
        disk = series(text, "container_fs_usage_bytes", container="app", **labels)  # as the runtime tells it in time
        return text if memory and memory[0] > 20 << 20 and disk else None

    text = space.wait_for(found, 40, "the container's series")
    assert series(text, "container_cpu_usage_seconds_total", container="burner", **labels)
    assert series(text, "container_network_receive_bytes_total", interface="eth0", **labels)
    assert series(text, "container_spec_memory_limit_bytes", container="burner", **labels) == [64 << 20]
    assert series(text, "container_spec_cpu_quota", container="burner", **labels) == [10000]
    assert series(text, "container_spec_cpu_period", container="burner", **labels) == [100000]
    assert series(text, "container_spec_cpu_shares", container="burner", **labels)[0] > 2
    assert series(text, "container_threads", container="app", **labels)[0] >= 1
    assert series(text, "container_memory_failures_total", failure_type="pgfault", container="app", **labels)[0] > 0
    assert series(text, "container_start_time_seconds", container="app", **labels)[0] > 1.7e9
    assert series(text, "machine_cpu_cores")


def test_own_metrics_and_health(busy):
    space, node = busy
    assert raw(space.cluster, node, "/healthz") == "ok"
    text = raw(space.cluster, node, "/metrics")
    for name in ("kubelet_running_pods", "kubelet_node_name", "process_resident_memory_bytes"):
        assert series(text, name), name
    assert series(text, "kubelet_runtime_operations_total", operation_type="run_podsandbox")[0] >= 1
    assert series(text, "kubelet_runtime_operations_duration_seconds_count", operation_type="start_container")[0] >= 2
    assert series(text, "rest_client_requests_total", code="200", method="PATCH")[0] >= 1
    assert series(text, "rest_client_request_duration_seconds_count", verb="PATCH")[0] >= 1

    def started() -> bool:  # counted when the API server shows it to the node, too
        names = ("kubelet_pod_start_duration_seconds", "kubelet_pod_start_sli_duration_seconds")
        text = raw(space.cluster, node, "/metrics")
        return all(series(text, f"{name}_count")[0] >= 1 for name in names)

    space.wait_for(started, 10, "the start of a pod is counted")
    assert series(raw(space.cluster, node, "/metrics/slis"), "kubernetes_healthcheck", name="syncloop") == [1]

    def probed():
        text = raw(space.cluster, node, "/metrics/probes")
        labels = {"namespace": space.name, "pod": "busy", "container": "app", "probe_type": "Readiness"}
        return series(text, "prober_probe_total", result="successful", **labels) and series(
            text, "prober_probe_duration_seconds_count", **labels
        )

    space.wait_for(probed, 10, "the readiness probe's counts")
    assert node.fetch("http://127.0.0.1:10248/healthz").stdout == "ok"


def test_pods_configz_and_running_pods(busy):
    space, node = busy
    names = {item["metadata"]["name"] for item in json.loads(raw(space.cluster, node, "/pods"))["items"]}
    assert "busy" in names

    def running() -> bool:
        items = json.loads(raw(space.cluster, node, "/runningpods/"))["items"] or []
        return "busy" in {item["metadata"]["name"] for item in items}

    space.wait_for(running, 10, "the runtime's own list has the pod")
    config = json.loads(raw(space.cluster, node, "/configz"))["kubeletconfig"]
    assert config["maxPods"] == 250 and config["clusterDNS"] == ["10.96.0.10"]
    assert config["evictionHard"] == {"memory.available": "100Mi"}
    assert config["authorization"]["mode"] == "Webhook" and config["nodeStatusReportFrequency"] == "5m0s"


def test_run_and_logs_by_url(busy):
    space, node = busy
    client = as_api_server(space.plane)
    assert ask(node, f"/run/{space.name}/busy/burner?cmd=echo%20it%20ran", "-X", "POST", *client) == (200, "it ran")
    assert ask(node, f"/containerLogs/{space.name}/busy/app", *client) == (200, "")


def test_nobody_is_let_in_without_credentials(busy):
    space, node = busy
    paths = ["/pods", "/metrics", "/stats/summary", "/configz", "/healthz", f"/containerLogs/{space.name}/busy/app"]
    for path in [*paths, f"/exec/{space.name}/busy/app?command=true&output=1"]:
        assert ask(node, path) == (401, "Unauthorized"), path
    assert ask(node, "/pods", "-H", "Authorization: Bearer not.a.token")[0] == 401
    assert ask(node, f"/run/{space.name}/busy/app?cmd=true", "-X", "POST")[0] == 401


def test_a_certificate_of_another_ca_is_refused(cluster, tmp_path):
    """It says system:masters, but nobody who signed it is trusted."""
    key, own = tmp_path / "own.key", tmp_path / "own.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", own]
    subprocess.run([*command, "-subj", "/O=system:masters/CN=admin"], check=True, capture_output=True)
    status, _ = ask(cluster.nodes[0], "/pods", "--cert", str(own), "--key", str(key))
    assert status == 401


def wait_granted(space, account: str, *resources: str) -> None:
    """The API server knows that the account may get these: a node that asks too early remembers the refusal for 30 s."""

    def granted(resource: str) -> bool:
        resource, _, sub = resource.partition("/")
        user = f"system:serviceaccount:{space.name}:{account}"
        spec = {"user": user, "resourceAttributes": {"verb": "get", "resource": resource, "subresource": sub}}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return space.api.request("POST", path, review)["status"]["allowed"]

    space.wait_for(lambda: all(map(granted, resources)), what=f"{account} may get {resources}")


def test_a_token_is_let_in_as_far_as_its_roles_go(busy):
    space, node = busy
    space.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "scraper"}})
    token = space.kubectl("create", "token", "scraper").stdout.strip()
    bearer = ("-H", f"Authorization: Bearer {token}")
    status, body = ask(node, "/metrics/resource", *bearer)
    user = f"system:serviceaccount:{space.name}:scraper"
    assert status == 403
    assert body == f"Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[metrics])"
    rules = [{"apiGroups": [""], "resources": list(SUBRESOURCES), "verbs": ["get"]}]
    rbac = "rbac.authorization.k8s.io/v1"
    # Another account: a refusal is remembered for 30 s.
    space.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "monitor"}})
    role = {"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": f"{space.name}-scrape"}, "rules": rules}
    space.api.apply(role)
    subject = {"kind": "ServiceAccount", "name": "monitor", "namespace": space.name}
    space.api.apply(cluster_role_binding(f"{space.name}-scrape", f"{space.name}-scrape", subject))
    bearer = ("-H", f"Authorization: Bearer {space.kubectl('create', 'token', 'monitor').stdout.strip()}")
    wait_granted(space, "monitor", *SUBRESOURCES)
    for paths in SUBRESOURCES.values():
        for path in paths:
            space.wait_for(lambda: ask(node, path, *bearer)[0] == 200, 10, f"{path} with its role")
    for path in ("/pods", "/configz", f"/containerLogs/{space.name}/busy/app"):
        assert ask(node, path, *bearer)[0] == 403, path
    exec_path = f"/exec/{space.name}/busy/app?command=true&output=1"
    assert ask(node, exec_path, "-X", "POST", *bearer)[0] == 403


def test_a_websocket_may_bring_its_token_as_a_subprotocol(busy):
    space, node = busy
    space.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "browser"}})
    rules = [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]
    rbac = "rbac.authorization.k8s.io/v1"
    name = f"{space.name}-browse"
    space.api.apply({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "browser", "namespace": space.name}
    space.api.apply(cluster_role_binding(name, name, subject))
    token = space.kubectl("create", "token", "browser").stdout.strip()
    wait_granted(space, "browser", "nodes/proxy")

    def upgrade(token: str) -> tuple[int, str]:
        encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        protocols = f"base64url.bearer.authorization.k8s.io.{encoded}, v4.channel.k8s.io"
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": protocols}
        flags = [part for item in headers.items() for part in ("-H", ": ".join(item))]
        only_headers = ("-D", "-", "-o", "/dev/null", "--http1.1")
        return ask(node, f"/exec/{space.name}/busy/app?command=true&output=1", *only_headers, *flags)

    def agreed() -> str | None:
        status, answer = upgrade(token)
        return answer if status == 101 else None

    answer = space.wait_for(agreed, 10, "the upgrade")
    assert re.search(r"(?im)^sec-websocket-protocol: v4\.channel\.k8s\.io\r?$", answer)
    assert upgrade("not.a.token")[0] == 401


def test_the_api_servers_certificate_may_do_all(busy):
    space, node = busy
    client = as_api_server(space.plane)
    assert ask(node, "/pods", *client)[0] == 200
    assert ask(node, "/no/such/path", *client)[0] == 404
    status, body = ask(node, f"/exec/{space.name}/busy/app?command=true&output=1", *client)
    assert status in (400, 500) and body == "Upgrade request required"
    assert ask(node, f"/containerLogs/{space.name}/none/app", *client)[0] == 404
