"""`keelson proxy` in the place of upstream's kube-proxy, beside upstream's kubelet, and back; topology; metrics of a cluster."""

import json
import pathlib
import re
import sys

import pytest

from harness import paths
from harness.cluster_node import BINARY
from harness.manifests import deployment, pod, service, testapp
from harness.plane import ADDRESS, POD_CIDR, cluster_role_binding
from harness.process import Process, wait_for

READY = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}}

# Connects again and again, or keeps one connection; each time says something and wants it back. Prints what became of it.
CONNECTOR = """
import json, signal, socket, sys, time
ip, port, keep = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "keep"
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
done, failures, connection = 0, [], None
while not ended:
    try:
        if not connection:
            connection = socket.create_connection((ip, port), 3)
        connection.sendall(b"hello\\n")
        if b"hello" not in connection.recv(4096):
            raise OSError("closed by the other side")
        done += 1
    except OSError as error:
        failures.append(f"{time.time():.3f} {error}")
        connection = None
    if connection and not keep:
        connection.close()
        connection = None
    time.sleep(0.02)
print(json.dumps({"done": done, "failures": failures}))
"""


class Connector:
    def __init__(self, node, folder, name: str, ip: str, port: int, keep: bool):
        command = node.network.enter(sys.executable, "-c", CONNECTOR, ip, port, "keep" if keep else "new")
        self.process = Process(command, folder / f"{name}.log")

    def end(self) -> dict:
        self.process.stop()
        return json.loads(self.process.log_text().splitlines()[-1])


class KeelsonProxy:
    """`keelson proxy` with kube-proxy's own configuration file on a node of the test."""

    def __init__(self, node, *flags, secrets=None, env: dict | None = None):
        """`secrets`: the folder that it finds as a pod finds its service account's."""
        self.node, self.log, self.socket = node, node.folder / "keelson-proxy.log", node.folder / "proxy.sock"
        command = [paths.BIN / "keelson", "proxy", "--socket", self.socket, *flags]
        if secrets:
            place = "/run/secrets/kubernetes.io/serviceaccount"
            script = f'mount -t tmpfs run /run && mkdir -p {place} && mount --bind "$0" {place} && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, secrets, *command]
        self.log.unlink(missing_ok=True)
        self.process = Process(node.network.enter(*command), self.log, env=env)
        wait_for(self.written, 30, "keelson proxy has written the rules")

    def written(self) -> bool:
        assert self.process.running(), self.log.read_text()[-3000:]
        return "Service rules written" in self.log.read_text()

    def stop(self) -> int:
        return self.process.stop()


def answers(node, ip: str, port: int = 7000) -> bool:
    return node.network.run("timeout", 1, "bash", "-c", f"exec 3<>/dev/tcp/{ip}/{port}", check=False).returncode == 0


def start_kube_proxy(node) -> Process:
    return Process(
        node.network.enter(BINARY, "kube-proxy", "--config", node.folder / "proxy.yaml"), node.folder / "proxy.log"
    )


def kube_proxy_synced(node) -> bool:
    text = node.network.run("curl", "-s", "http://127.0.0.1:10249/metrics", check=False).stdout
    found = re.search(r'^kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} (\d+)', text, re.M)
    return bool(found) and int(found.group(1)) > 0


def set_mode(node, mode: str) -> None:
    """Has kube-proxy run in that mode, as the next one will."""
    file = node.folder / "proxy.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "mode": mode}))
    node.agent.proxy.stop()
    node.agent.proxy = start_kube_proxy(node)


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_hand_over_from_kube_proxy_and_back(space, third_node, mode):
    """New connections all the time, to a ClusterIP and a NodePort, and a long-lived one: none fails, whichever proxy runs."""
    node = third_node(agent="kubelet")
    node.join_network()
    node.wait_ready()
    if mode != "iptables":
        set_mode(node, mode)
    container = testapp("--http", 8080, "--tcp", 7000, **READY)
    space.apply(deployment("web", 2, container, nodeSelector={"kubernetes.io/hostname": space.cluster.nodes[0].name}))
    made = space.apply(service("web", {"port": 7000, "targetPort": 7000}, type="NodePort"))
    space.wait_apps("web", 2)
    ip, node_port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    space.wait_for(lambda: answers(node, ip), 30, "the Service answers through kube-proxy")
    config = ["--config", node.folder / "proxy.yaml"]

    def change(name: str) -> None:
        """The proxy that runs now follows the API server."""
        added = space.apply(service(name, {"port": 7000}, selector={"app": "web"}))
        space.wait_for(lambda: answers(node, added["spec"]["clusterIP"]), 20, f"Service {name} answers")

    outside = space.cluster.nodes[1]
    new = Connector(node, space.folder, "new", ip, 7000, keep=False)
    beyond = Connector(outside, space.folder, "beyond", node.ip, node_port, keep=False)
    kept = Connector(node, space.folder, "kept", ip, 7000, keep=True)
    try:
        node.agent.proxy.stop()
        ours = KeelsonProxy(node, *config)
        change("ours")
        answer = json.loads(node.fetch("http://127.0.0.1:10256/healthz").stdout)
        assert answer["healthy"] and answer["nodeEligible"]
        assert node.fetch("http://127.0.0.1:10249/proxyMode").stdout == mode
        explained = ours.node.network.run(
            paths.BIN / "keelson", "explain", "service", f"{space.name}/web", "--socket", ours.socket
        ).stdout
        assert f"ClusterIP {ip}:7000" in explained and space.cluster.nodes[0].name in explained, explained
        assert ours.stop() == 0
        node.agent.proxy = start_kube_proxy(node)
        space.wait_for(lambda: kube_proxy_synced(node), 30, "kube-proxy has synced")
        change("theirs")
    finally:
        results = {"new": new.end(), "beyond": beyond.end(), "kept": kept.end()}
    for name, result in results.items():
        assert result["done"] > 50 and not result["failures"], (name, result)


def test_cleanup_beside_a_kubelet(space, third_node):
    node = third_node(agent="kubelet")
    node.join_network()
    node.wait_ready()
    space.wait_for(lambda: "KUBE-SVC-" in node.rules(), 30, "kube-proxy's rules")
    kubelets = [line for line in node.rules("filter").splitlines() if "KUBE-FIREWALL" in line]
    node.agent.proxy.stop()
    done = node.network.run(paths.BIN / "keelson", "proxy", "--cleanup", "--config", node.folder / "proxy.yaml")
    assert done.returncode == 0
    assert "KUBE-SVC-" not in node.rules() and "KUBE-SERVICES" not in node.rules() + node.rules("filter")
    assert [line for line in node.rules("filter").splitlines() if "KUBE-FIREWALL" in line] == kubelets


def service_account(space, folder) -> pathlib.Path:
    """What a pod of a DaemonSet kube-proxy has in /run/secrets: token and CA of a service account that may proxy."""
    api, name = space.cluster.api, f"{space.name}-proxier"
    account = f"/api/v1/namespaces/{space.name}/serviceaccounts"
    api.request("POST", account, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kube-proxy"}})
    subject = {"kind": "ServiceAccount", "name": "kube-proxy", "namespace": space.name}
    api.apply(cluster_role_binding(name, "system:node-proxier", subject))
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = api.request("POST", f"{account}/kube-proxy/token", request)["status"]["token"]
    folder.mkdir()
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_text(space.cluster.plane.pki.ca.read_text())
    return folder


def test_credentials_of_a_pod_and_another_server(space, third_node):
    """`keelson proxy` finds the API server as a pod does; --master goes before what a kubeconfig says."""
    node = third_node(agent="kubelet")
    node.join_network()
    node.wait_ready()
    node.agent.proxy.stop()
    flags = ["--hostname-override", node.name, "--cluster-cidr", POD_CIDR, "--conntrack-max-per-core", "0"]

    def follows(name: str) -> None:
        space.apply(service(name, {"port": 80}))
        space.wait_for(lambda: f"{space.name}/{name}" in node.rules("filter"), 15, f"the rule of {name}")

    secrets = service_account(space, node.folder / "serviceaccount")
    try:
        env = {"KUBERNETES_SERVICE_HOST": ADDRESS, "KUBERNETES_SERVICE_PORT": "6443"}
        proxy = KeelsonProxy(node, *flags, secrets=secrets, env=env)
        follows("as-pod")
        told = node.network.run("curl", "-s", "http://127.0.0.1:10256/healthz").stdout
        assert json.loads(told)["nodeEligible"], "its Node is seen, too"
        assert proxy.stop() == 0
    finally:
        space.cluster.api.delete("ClusterRoleBinding", f"{space.name}-proxier")
    config = json.loads((node.folder / "proxy.yaml").read_text())["clientConnection"]["kubeconfig"]
    wrong = node.folder / "wrong.kubeconfig"
    wrong.write_text(re.sub(r"server: '[^']*'", "server: 'https://192.0.2.1:1'", pathlib.Path(config).read_text()))
    assert "192.0.2.1" in wrong.read_text()
    proxy = KeelsonProxy(node, *flags, "--kubeconfig", wrong, "--master", f"https://{ADDRESS}:6443")
    follows("by-master")
    assert proxy.stop() == 0


def test_services_without_rules_are_shown_and_explained(space, agent_kind):
    if agent_kind != "keelson":
        return
    node = space.cluster.nodes[0]
    space.apply(pod("web", testapp("--http", 8080, **READY), labels={"app": "web"}))
    ports = {"name": "http", "port": 80, "targetPort": 8080}
    space.apply(service("headless", ports, selector={"app": "web"}, clusterIP="None"))
    external = service("external", type="ExternalName", externalName="example.org")
    del external["spec"]["selector"], external["spec"]["ports"]
    space.apply(external)
    space.apply(service("web", ports))
    [web] = space.wait_ready("web")

    def rows() -> dict:
        text = node.agent.cli("get", "services", "-n", space.name, check=False).stdout
        return {line.split()[0]: line.split() for line in text.splitlines()[1:]}

    found = space.wait_for(lambda: {"headless", "external", "web"} <= set(seen := rows()) and seen, 10, "all three")
    assert found["headless"][1:3] == ["ClusterIP", "None"] and found["headless"][4] == "80/TCP", found
    assert found["external"][1] == "ExternalName" and "example.org" in found["external"], found
    assert all(re.fullmatch(r"\d+[smh]\w*", row[-1]) for row in found.values()), f"each has an age: {found}"

    def explained() -> bool:
        text = node.agent.cli("explain", "service", f"{space.name}/headless").stdout
        return "is headless" in text and web["status"]["podIP"] in text and text.rstrip().endswith("yes")

    space.wait_for(explained, 10, "the endpoint of the headless Service")
    assert "DNS answers with the name example.org" in node.agent.cli("explain", "service", f"{space.name}/external").stdout


def test_latency_metric_and_eligibility(space, agent_kind):
    """Of the full agent: the slices' trigger times are measured, and a taint of the autoscaler turns load balancers away."""
    if agent_kind != "keelson":
        return
    node = space.cluster.nodes[0]
    space.apply(pod("web", testapp("--http", 8080, **READY), labels={"app": "web"}))
    space.apply(service("web", {"port": 80, "targetPort": 8080}))
    ip = space.get("Service", "web")["spec"]["clusterIP"]
    space.wait_for(lambda: node.fetch(f"http://{ip}/", check=False).returncode == 0, 40, "the Service answers")
    name = r'kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"}'

    def measured() -> bool:
        text = node.fetch("http://127.0.0.1:10249/metrics").stdout
        return bool(re.search(rf"^{re.escape(name)} [1-9]", text, re.M))

    space.wait_for(measured, 10, "the time from the slice's change to its rules")

    def healthz() -> str:
        url = "http://127.0.0.1:10256/healthz"
        return node.network.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url).stdout

    assert healthz() == "200"
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "PreferNoSchedule"}
    space.api.patch("Node", node.name, {"spec": {"taints": [taint]}})
    try:
        space.wait_for(lambda: healthz() == "503", 10, "not eligible")
        assert node.fetch("http://127.0.0.1:10256/livez")
    finally:
        space.api.patch("Node", node.name, {"spec": {"taints": []}})
    space.wait_for(lambda: healthz() == "200", 10, "eligible again")


def test_endpoints_of_the_own_zone(space, agent_kind):
    """trafficDistribution: the controllers' hints and the node's own zone label choose the endpoints."""
    if agent_kind != "keelson":
        return
    nodes = space.cluster.nodes
    label = "topology.kubernetes.io/zone"
    for number, node in enumerate(nodes):
        space.api.patch("Node", node.name, {"metadata": {"labels": {label: f"zone{number}"}}})
    try:
        for number, node in enumerate(nodes):
            space.apply(pod(f"web{number}", testapp("--http", 8080, **READY), labels={"app": "web"}, nodeName=node.name))
        made = space.apply(service("web", {"port": 80, "targetPort": 8080}, trafficDistribution="PreferSameZone"))
        space.wait_ready("web0", "web1")
        url = f"http://{made['spec']['clusterIP']}/hostname"

        def seen(node) -> set[str]:
            return {node.fetch(url, check=False).stdout.strip() for _ in range(8)}

        for number, node in enumerate(nodes):
            space.wait_for(lambda: seen(node) == {f"web{number}"}, 30, f"{node.name} stays in its zone")
        told = nodes[0].agent.cli("explain", "service", f"{space.name}/web").stdout
        assert "no: for another zone" in told, told
    finally:
        for node in nodes:
            space.api.patch("Node", node.name, {"metadata": {"labels": {label: None}}})
