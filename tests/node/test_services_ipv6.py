"""Services of IPv6, and of both families, through real packets between network namespaces, on each backend."""

import collections

import pytest

from harness.manifests import deployment, pod, service, testapp
from harness.netns import CLIENT_IP6, IPV6, NODE_IP, NODE_IP6
from harness.node import is_ready

SERVER = testapp("--http", 8080, "--tcp", 7000, "--udp", 7001)
SIX = {"ipFamilies": ["IPv6"]}


def with_mode(name: str):
    config = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": name}
    return pytest.param(name, marks=pytest.mark.agent(config=[config], ipv6=True))


pytestmark = [
    pytest.mark.skipif(not IPV6, reason="this kernel has no IPv6"),
    pytest.mark.parametrize("mode", [with_mode(name) for name in ("iptables", "nftables")]),
]


def backends(node, count: int) -> list[dict]:
    node.apply("pods.yaml", deployment("web", count, SERVER))
    return node.wait_for(
        lambda: (pods := list(node.pods().values())) and len(pods) == count and all(map(is_ready, pods)) and pods,
        30,
        f"{count} pods",
    )


def addresses(node, name: str = "web") -> list[str]:
    return node.wait_for(lambda: node.services()[name]["spec"].get("clusterIPs"), what=f"cluster IPs of {name}")


def names(node, url: str, times: int, **options) -> collections.Counter:
    return collections.Counter(node.fetch(url, **options).stdout.strip() for _ in range(times))


def test_every_kind_of_frontend(node, mode):
    """One Service of both families, so that each address is translated by its own family's rules."""
    pods = {found["metadata"]["name"] for found in backends(node, 2)}
    node.apply(
        "svc.yaml",
        service(
            "web",
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30100},
            {"name": "udp", "port": 7, "targetPort": 7001, "protocol": "UDP", "nodePort": 30101},
            type="NodePort",
            ipFamilyPolicy="RequireDualStack",
            externalIPs=["fd00:ee::7"],
        ),
    )
    four, six = addresses(node)
    assert ":" not in four and ":" in six, "a family of its own each, the node's primary one first"
    for ip, node_ip in ((four, NODE_IP), (f"[{six}]", f"[{NODE_IP6}]")):
        node.wait_for(lambda ip=ip: set(names(node, f"http://{ip}/hostname", 8)) == pods, what=f"both pods through {ip}")
        assert set(names(node, f"http://{ip}/hostname", 16, outside=True)) == pods, "from beyond the node"
        assert set(names(node, f"http://{node_ip}:30100/hostname", 16)) == pods, "NodePort from the node"
        assert set(names(node, f"http://{node_ip}:30100/hostname", 16, outside=True)) == pods
        for address, port in ((ip, 7), (node_ip, 30101)):
            assert node.dial("udp", address.strip("[]"), port, outside=True).stdout.split()[0] in pods
    assert node.fetch("http://[fd00:ee::7]/hostname", outside=True).stdout.strip() in pods, "external IP"
    text = node.cli("explain", "service", "web").stdout
    assert f"ClusterIP [{six}]:80" in text and f"ClusterIP {four}:80" in text, text


def test_connections_spread_evenly(node, mode):
    pods = {found["metadata"]["name"] for found in backends(node, 3)}
    node.apply("svc.yaml", service("web", {"port": 7000}, **SIX))
    [ip] = addresses(node)
    script = (
        "import socket,sys\n"
        "for _ in range(int(sys.argv[2])):\n"
        "  s=socket.create_connection((sys.argv[1],7000),5);s.sendall(b'x\\n');print(s.recv(4096).decode().split()[0]);s.close()\n"
    )

    def spread(count: int) -> collections.Counter:
        done = node.network.run("python3", "-c", script, ip, count, netns=node.network.client, check=False)
        return collections.Counter(done.stdout.split())

    node.wait_for(lambda: set(spread(20)) == pods, what="all three answer")
    seen = spread(600)
    assert seen.total() == 600
    # Each share is binomial with p = 1/3: five standard deviations of 11.5.
    assert all(abs(number - 200) < 58 for number in seen.values()), seen


def test_source_addresses_and_hairpin(node, mode):
    [web] = backends(node, 1)
    node.apply("client.yaml", pod("client"))
    node.wait_ready("client")
    node.apply(
        "svc.yaml",
        service("web", {"port": 80, "targetPort": 8080, "nodePort": 30102}, type="NodePort", **SIX),
        service(
            "local",
            {"port": 80, "targetPort": 8080, "nodePort": 30103},
            selector={"app": "web"},
            type="NodePort",
            externalTrafficPolicy="Local",
            **SIX,
        ),
    )
    [ip] = addresses(node)
    addresses(node, "local")
    node.wait_for(lambda: node.fetch(f"http://[{NODE_IP6}]:30103/client", check=False).stdout, what="the Services answer")

    def six(found: dict) -> str:
        return next(entry["ip"] for entry in found["status"]["podIPs"] if ":" in entry["ip"])

    inside = node.exec("client", "wget", "-qO-", f"http://[{ip}]/client").stdout
    assert inside.startswith(f"[{six(node.pod('client'))}]:"), "a pod keeps its address"
    masqueraded = node.fetch(f"http://[{NODE_IP6}]:30102/client", outside=True).stdout
    assert masqueraded and not masqueraded.startswith(f"[{CLIENT_IP6}]"), "policy Cluster masquerades"
    kept = node.fetch(f"http://[{NODE_IP6}]:30103/client", outside=True).stdout
    assert kept.startswith(f"[{CLIENT_IP6}]:"), f"policy Local keeps the client's address: {kept}"
    name = web["metadata"]["name"]
    hairpin = node.exec(name, "timeout", "2", "wget", "-qO-", f"http://[{ip}]/client").stdout
    assert hairpin and not hairpin.startswith(f"[{six(web)}]"), "hairpin traffic is masqueraded"


def test_affinity_keeps_a_client_at_one_pod(node, mode):
    backends(node, 3)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}, sessionAffinity="ClientIP", **SIX))
    [ip] = addresses(node)
    node.wait_for(lambda: node.fetch(f"http://[{ip}]/hostname", check=False).stdout, what="the Service answers")
    for outside in (False, True):
        assert len(names(node, f"http://[{ip}]/hostname", 12, outside=outside)) == 1


def test_no_endpoint_rejects_at_once(node, mode):
    ports = (
        {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30104},
        {"name": "udp", "port": 7, "targetPort": 7001, "protocol": "UDP", "nodePort": 30105},
    )
    node.apply("svc.yaml", service("web", *ports, type="NodePort", **SIX))
    [ip] = addresses(node)

    def refused(url: str, **options) -> bool:
        return node.fetch(url, check=False, **options).returncode == 7

    node.wait_for(lambda: refused(f"http://[{ip}]/"), what="refused at once, not timed out (curl 28)")
    assert refused(f"http://[{NODE_IP6}]:30104/", outside=True)
    # The kernel limits how many ICMPv6 errors a second it sends to one peer.
    node.wait_for(
        lambda: "ConnectionRefusedError" in node.dial("udp", NODE_IP6, 30105, outside=True, check=False).stderr,
        what="an ICMPv6 error says so of UDP",
    )
    backends(node, 1)
    node.wait_for(lambda: node.fetch(f"http://[{ip}]/hostname", check=False).stdout, what="it answers when it has a pod")


def test_udp_follows_a_replaced_pod(node, mode):
    """The client's conntrack entry would keep it at the pod that is gone."""
    node.apply("one.yaml", pod("one", SERVER, labels={"app": "web"}))
    node.apply(
        "svc.yaml",
        service("web", {"port": 7, "targetPort": 7001, "protocol": "UDP", "nodePort": 30106}, type="NodePort", **SIX),
    )
    node.wait_ready("one")
    addresses(node)
    script = (
        "import socket,sys;s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM);s.bind(('',40000));s.settimeout(1)\n"
        "s.connect((sys.argv[1],30106));s.send(b'x\\n');print(s.recv(4096).decode())"
    )

    def answered_by(name: str) -> bool:
        done = node.network.run("python3", "-c", script, NODE_IP6, netns=node.network.client, check=False)
        return done.stdout.startswith(f"{name} ")

    node.wait_for(lambda: answered_by("one"), what="the first pod answers")
    node.apply("two.yaml", pod("two", SERVER, labels={"app": "web"}))
    node.wait_ready("two")
    node.remove("one.yaml")
    node.wait_gone("one")
    node.wait_for(lambda: answered_by("two"), 8, "the second pod answers the same port")
