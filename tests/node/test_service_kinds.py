"""Kinds of Services through real packets, on each backend: balance, external addresses, source ranges, policy Local with
the client's address kept, localhost NodePorts, and UDP clients that keep their source port while a Service changes."""

import collections
import signal
import subprocess
import time

import pytest

from harness.manifests import deployment, pod, service, testapp
from harness.netns import CLIENT_IP, NODE_IP
from harness.node import is_ready
from harness.process import Process

BACKENDS = ("iptables", "nftables")
SERVER = testapp("--http", 8080, "--udp", 7001)
EXTERNAL_IP, VIP = "203.0.113.7", "203.0.113.8"

# Sends a datagram from one fixed port every 10 ms and prints "SECONDS ANSWER" for each answer.
UDP_CLIENT = """
import socket, sys, time
ip, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 40000))
s.settimeout(0.01)
while True:
    try:
        s.sendto(b"x\\n", (ip, port))
        print(time.monotonic(), s.recv(4096).decode().split()[0], flush=True)
    except (TimeoutError, ConnectionError, OSError):
        pass
    time.sleep(0.01)
"""


def with_backend(name: str):
    config = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": name}
    return pytest.param(name, marks=pytest.mark.agent(config=[config]))


pytestmark = pytest.mark.parametrize("backend", [with_backend(name) for name in BACKENDS])


def backends(node, count: int, app: str = "web") -> set[str]:
    node.apply(f"{app}.yaml", deployment(app, count, SERVER))

    def ready():
        found = [item for item in node.pods().values() if item["metadata"]["labels"].get("app") == app]
        return len(found) == count and all(map(is_ready, found)) and {item["metadata"]["name"] for item in found}

    return node.wait_for(ready, 30, f"{count} pods of {app}")


def answers(node, url: str, what: str, **options) -> str:
    return node.wait_for(lambda: node.fetch(url, **options).stdout.strip(), what=what)


class UdpClient:
    """A client beyond the node that never changes its port."""

    def __init__(self, node, ip: str, port: int):
        command = node.network.enter("python3", "-u", "-c", UDP_CLIENT, ip, port, netns=node.network.client)
        self.process = Process(command, node.folder / "udp-client.log")
        node.wait_for(self.answers, what="the client is on its way, and is answered")

    def answers(self) -> list[tuple[float, str]]:
        """(time, who answered), in order, up to now."""
        lines = self.process.log_text().split("\n")[:-1]  # the last one may be half written
        return [(float(line.split()[0]), line.split()[1]) for line in lines]

    def end(self) -> list[tuple[float, str]]:
        self.process.stop(signal.SIGKILL)
        return self.answers()


@pytest.fixture
def udp_client():
    clients = []

    def start(*args) -> UdpClient:
        clients.append(UdpClient(*args))
        return clients[-1]

    yield start
    for client in clients:
        client.end()


def test_connections_spread_evenly(node, backend):
    names = backends(node, 3)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    ip = node.cluster_ip()
    answers(node, f"http://{ip}/hostname", "the Service answers")
    count = 600
    script = (
        "import socket,sys\n"
        "for _ in range(int(sys.argv[2])):\n"
        "  s=socket.create_connection((sys.argv[1],80),5);s.sendall(b'GET /hostname HTTP/1.0\\r\\n\\r\\n')\n"
        "  data=b''\n"
        "  while part:=s.recv(4096): data+=part\n"
        "  s.close();print(data.decode().split()[-1])\n"
    )
    # All three rules are in the kernel when the third has answered.
    node.wait_for(
        lambda: len({node.fetch(f"http://{ip}/hostname").stdout.strip() for _ in range(12)}) == 3, what="all three answer"
    )
    done = node.network.run("python3", "-c", script, ip, count, netns=node.network.client)
    seen = collections.Counter(done.stdout.split())
    assert set(seen) == names and sum(seen.values()) == count
    # Each share is binomial with p = 1/3: five standard deviations of 11.5.
    assert all(abs(number - count / 3) < 58 for number in seen.values()), seen


def test_external_ip_and_load_balancer_address(node, backend):
    backends(node, 1)
    node.apply(
        "svc.yaml",
        service(
            "web",
            {"port": 80, "targetPort": 8080, "nodePort": 30085},
            type="LoadBalancer",
            externalIPs=[EXTERNAL_IP],
        )
        | {"status": {"loadBalancer": {"ingress": [{"ip": VIP}]}}},
    )
    for ip in (EXTERNAL_IP, VIP):
        seen = answers(node, f"http://{ip}/client", f"{ip} answers beyond the node", outside=True)
        assert not seen.startswith(CLIENT_IP), "policy Cluster masquerades what comes from outside"
    inside = answers(node, f"http://{EXTERNAL_IP}/client", "from the node itself")
    assert inside


def test_source_ranges_guard_the_load_balancer_address_alone(node, backend):
    backends(node, 1)

    def apply(*ranges: str):
        node.apply(
            "svc.yaml",
            service(
                "web",
                {"port": 80, "targetPort": 8080, "nodePort": 30086},
                type="LoadBalancer",
                loadBalancerSourceRanges=list(ranges),
            )
            | {"status": {"loadBalancer": {"ingress": [{"ip": VIP}]}}},
        )

    apply(f"{CLIENT_IP}/32")
    answers(node, f"http://{VIP}/", "the range has the client", outside=True)
    apply("198.51.100.0/24")

    def dropped():
        return node.fetch(f"http://{VIP}/", outside=True, check=False, timeout=1).returncode == 28

    node.wait_for(dropped, what="no answer at all (curl 28): dropped, not rejected")
    answers(node, f"http://{NODE_IP}:30086/", "the node port is not guarded", outside=True)


def test_policy_local_keeps_the_clients_address(node, backend):
    backends(node, 2)
    node.apply(
        "svc.yaml",
        service(
            "web",
            {"port": 80, "targetPort": 8080, "nodePort": 30087},
            type="NodePort",
            externalTrafficPolicy="Local",
            externalIPs=[EXTERNAL_IP],
        ),
    )
    for url in (f"http://{NODE_IP}:30087/client", f"http://{EXTERNAL_IP}/client"):
        seen = answers(node, url, f"{url} answers", outside=True)
        assert seen.startswith(f"{CLIENT_IP}:"), f"{url}: {seen}"


def elsewhere(ip: str | None, port: int = 9000, node: str = "another-node") -> dict:
    """The EndpointSlice of a Service "web" without selector: that endpoint on another node, or none."""
    endpoints = [{"addresses": [ip], "nodeName": node, "conditions": {"ready": True}}] if ip else []
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-far", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


def far_service(**spec) -> dict:
    made = service("web", {"port": 80, "nodePort": 30111}, type="LoadBalancer", externalIPs=[EXTERNAL_IP], **spec)
    del made["spec"]["selector"]
    return made | {"status": {"loadBalancer": {"ingress": [{"ip": VIP}]}}}


@pytest.fixture
def far_server(node):
    """An endpoint beyond the node: what it answers tells the address that it sees."""
    script = (
        "import http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "  def do_GET(s):s.send_response(200);s.end_headers();s.wfile.write(s.client_address[0].encode())\n"
        "  def log_message(s,*a):pass\n"
        "h.ThreadingHTTPServer(('',9000),H).serve_forever()\n"
    )
    server = subprocess.Popen(node.network.enter("python3", "-c", script, netns=node.network.client))
    node.wait_for(lambda: node.fetch(f"http://{CLIENT_IP}:9000/"), what="the server beyond the node")
    yield server
    server.kill()
    server.wait()


def became(node, url: str, outside: bool = False) -> str:
    """What becomes of a connection: answered, rejected at once, or dropped."""
    code = node.fetch(url, outside=outside, check=False, timeout=0.7).returncode
    return {0: "answered", 7: "rejected", 28: "dropped"}.get(code, f"curl {code}")


def no_local_endpoints(node, policy: str) -> int:
    text = node.fetch("http://127.0.0.1:10249/metrics").stdout
    name = f'kubeproxy_sync_proxy_rules_no_local_endpoints_total{{ip_family="IPv4",traffic_policy="{policy}"}} '
    return sum(int(float(line.removeprefix(name))) for line in text.splitlines() if line.startswith(name))


def test_external_policy_local_without_local_endpoints_drops(node, backend, far_server):
    """A load balancer that still sends here has to take the silence for a dead node; the node's own are served."""
    node.apply("svc.yaml", far_service(externalTrafficPolicy="Local"))
    node.apply("slice.yaml", elsewhere(CLIENT_IP))
    ip = node.cluster_ip()
    node.wait_for(lambda: became(node, f"http://{ip}/") == "answered", what="the ClusterIP has policy Cluster")
    outside = [f"http://{NODE_IP}:30111/", f"http://{EXTERNAL_IP}/", f"http://{VIP}/"]
    assert {url: became(node, url, outside=True) for url in outside} == dict.fromkeys(outside, "dropped")
    for url in (f"http://{NODE_IP}:30111/", f"http://{EXTERNAL_IP}/"):
        node.wait_for(lambda: became(node, url) == "answered", what=f"{url} answers the node's own processes")
    assert (no_local_endpoints(node, "external"), no_local_endpoints(node, "internal")) == (1, 0)
    assert "dropped: policy Local" in node.cli("explain", "service", "web").stdout
    node.apply("slice.yaml", elsewhere(None))
    node.wait_for(lambda: became(node, f"http://{ip}/") == "rejected", what="no endpoint at all: rejected")
    # Of many at once the kernel answers only some: it limits its ICMP errors.
    for url in outside:
        node.wait_for(lambda url=url: became(node, url, outside=True) == "rejected", what=f"{url} is rejected")
    node.apply("slice.yaml", elsewhere(CLIENT_IP, node=node.name))
    for url in outside:
        node.wait_for(lambda url=url: became(node, url) == "answered", what=f"{url} is served by an endpoint here")


def test_internal_policy_local_without_local_endpoints_drops(node, backend, far_server):
    node.apply("client.yaml", pod("client"))
    node.wait_ready("client")
    node.apply("svc.yaml", far_service(internalTrafficPolicy="Local"))
    node.apply("slice.yaml", elsewhere(CLIENT_IP))
    ip = node.cluster_ip()
    node_port = f"http://{NODE_IP}:30111/"
    node.wait_for(lambda: became(node, node_port) == "answered", what="the NodePort has policy Cluster")
    assert became(node, f"http://{ip}/") == "dropped"
    from_pod = node.exec("client", "timeout", "1", "wget", "-qO-", f"http://{ip}/", check=False)
    assert from_pod.returncode in (124, 143) and not from_pod.stdout, f"a pod hears nothing: {from_pod}"
    assert (no_local_endpoints(node, "external"), no_local_endpoints(node, "internal")) == (0, 1)
    node.apply("slice.yaml", elsewhere(None))
    node.wait_for(lambda: became(node, f"http://{ip}/") == "rejected", what="no endpoint at all: rejected")
    node.apply("slice.yaml", elsewhere(CLIENT_IP, node=node.name))
    node.wait_for(lambda: became(node, f"http://{ip}/") == "answered", what="an endpoint on this node serves")


def test_node_port_on_localhost(node, backend):
    if backend == "nftables":
        pytest.skip("as upstream: no NodePorts on localhost with nftables")
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080, "nodePort": 30088}, type="NodePort"))
    answers(node, "http://127.0.0.1:30088/", "127.0.0.1 takes the NodePort")


def test_udp_client_moves_with_its_service_and_never_back(node, backend, udp_client):
    """Both pods live on: a packet that went to the old one would be answered."""
    for name in ("one", "two"):
        node.apply(f"{name}.yaml", pod(name, SERVER))
    node.wait_ready("one", "two")

    def apply(app: str):
        port = {"port": 7, "targetPort": 7001, "protocol": "UDP", "nodePort": 30089}
        node.apply("svc.yaml", service("web", port, type="NodePort", selector={"app": app}))

    apply("one")
    node.cluster_ip()
    node.wait_for(lambda: node.dial("udp", NODE_IP, 30089, outside=True).stdout.startswith("one "), what="one answers")
    client = udp_client(node, NODE_IP, 30089)
    time.sleep(1)
    apply("two")
    node.wait_for(lambda: node.dial("udp", NODE_IP, 30089, outside=True).stdout.startswith("two "), what="two answers")
    node.wait_for(lambda: client.answers()[-1][1] == "two", what="two answers the client")
    time.sleep(1)
    seen = client.end()
    names = [name for _, name in seen]
    assert names[0] == "one" and names[-1] == "two", names[:: max(1, len(names) // 20)]
    first = names.index("two")
    assert "one" not in names[first:], "a packet went to the old endpoint after the change"
    assert seen[first][0] - seen[first - 1][0] < 2, "the client was without answer for long"


@pytest.mark.parametrize("change", ["deleted", "port changed"])
def test_udp_client_of_a_frontend_that_went_gets_no_answer(node, backend, change, udp_client):
    node.apply("one.yaml", pod("one", SERVER))
    node.wait_ready("one")

    def apply(number: int):
        node.apply("svc.yaml", service("web", {"port": number, "targetPort": 7001, "protocol": "UDP"}, selector={"app": "one"}))

    apply(7)
    ip = node.cluster_ip()
    node.wait_for(lambda: node.dial("udp", ip, 7, outside=True).stdout.startswith("one "), what="the Service answers")
    client = udp_client(node, ip, 7)
    time.sleep(0.7)
    node.remove("svc.yaml") if change == "deleted" else apply(8)
    if change == "deleted":
        node.wait_for(lambda: "web" not in node.services(), what="the Service is gone")
    else:
        node.wait_for(lambda: node.dial("udp", ip, 8, outside=True).stdout.startswith("one "), what="the new port answers")
    # It goes on asking all the time, and so would be answered for ever if the flow outlived its Service.
    node.wait_for(lambda: time.monotonic() - client.answers()[-1][0] > 0.7, what="no answer any more")


def test_flows_straight_to_a_pod_are_left_alone(node, backend, udp_client):
    node.apply("one.yaml", pod("one", SERVER))
    [one] = node.wait_ready("one")
    port = {"name": "u", "port": 7, "targetPort": 7001, "protocol": "UDP"}
    node.apply("svc.yaml", service("web", port, selector={"app": "one"}))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.dial("udp", ip, 7, outside=True).stdout.startswith("one "), what="the Service answers")
    client = udp_client(node, one["status"]["podIP"], 7001)
    time.sleep(0.5)
    listing = ["conntrack", "-L", "-p", "udp", "--sport", "40000", "-d", one["status"]["podIP"], "-o", "id"]
    before = node.network.run(*listing).stdout.split("id=")[1]
    node.apply("svc.yaml", service("web", {**port, "port": 8}, selector={"app": "one"}))
    node.wait_for(lambda: node.dial("udp", ip, 8, outside=True).stdout.startswith("one "), what="the new port answers")
    assert node.network.run(*listing).stdout.split("id=")[1] == before, "the same entry: nobody deleted it"
    assert client.end()
