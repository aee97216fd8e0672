"""SCTP through Services: associations begin (INIT, INIT ACK) between network namespaces, on each backend and in both
address families. The packets are made by hand, so that kernels without SCTP sockets, but with its connection tracking, do."""

import itertools
import pathlib
import sys

import pytest

from harness.manifests import pod, service
from harness.netns import CLIENT_IP, IPV6, NODE_IP, NODE_IP6
from harness.process import Process

PEER = pathlib.Path(__file__).parent.parent / "harness" / "sctp_peer.py"
_ports = itertools.count(41000)


def with_mode(name: str):
    config = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": name}
    return pytest.param(name, marks=pytest.mark.agent(config=[config], ipv6=IPV6))


pytestmark = [
    pytest.mark.skipif(
        not pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established").exists(),
        reason="THIS KERNEL TRACKS NO SCTP (CONFIG_NF_CT_PROTO_SCTP), so no Service can have it",
    ),
    pytest.mark.parametrize("mode", [with_mode(name) for name in ("iptables", "nftables")]),
]


class Peer:
    """Answers SCTP in a pod's network namespace, under the pod's name."""

    def __init__(self, node, name: str, port: int):
        before = set(node.containerd.namespaces())
        node.apply(f"{name}.yaml", pod(name))
        [self.pod] = node.wait_ready(name)
        [namespace] = set(node.containerd.namespaces()) - before
        self.log = node.folder / f"{name}.log"
        self.process = Process(["nsenter", f"--net={namespace}", sys.executable, PEER, "serve", name, str(port)], self.log)
        node.wait_for(lambda: "serving" in self.log.read_text(), what=f"{name} serves SCTP")

    def senders(self) -> list[str]:
        return [line.split()[2] for line in self.log.read_text().splitlines() if line.startswith("INIT")]


@pytest.fixture
def peer(node):
    peers = []

    def make(name: str, port: int = 7002) -> Peer:
        peers.append(Peer(node, name, port))
        return peers[-1]

    yield make
    for made in peers:
        made.process.stop()


def associate(node, ip: str, port: int, own_port: int = 0, outside: bool = True, wait: float = 1) -> str:
    """Who acknowledges; empty: nobody."""
    netns = node.network.client if outside else node.network.node
    command = [sys.executable, PEER, "init", ip, port, own_port or next(_ports), wait]
    return node.network.run(*command, netns=netns, check=False).stdout.strip()


def sctp(app: str, port: int = 80, **spec) -> dict:
    """A NodePort Service named "web" of the pods with that label."""
    ports = {"port": port, "targetPort": 7002, "protocol": "SCTP", "nodePort": 30110}
    policy = "PreferDualStack" if IPV6 else "SingleStack"
    return service("web", ports, type="NodePort", selector={"app": app}, ipFamilyPolicy=policy, **spec)


def addresses(node) -> list[str]:
    return node.wait_for(lambda: node.services()["web"]["spec"].get("clusterIPs"), what="cluster IPs")


def test_cluster_ip_and_node_port(node, mode, peer):
    one = peer("one")
    node.apply("svc.yaml", sctp("one"))
    ips = addresses(node)
    assert len(ips) == (2 if IPV6 else 1)
    for ip in ips:
        node.wait_for(lambda ip=ip: associate(node, ip, 80) == "one", what=f"an association with {ip}")
        node.wait_for(lambda: associate(node, ip, 80, outside=False) == "one", what="one from the node itself")
    for ip in (NODE_IP, NODE_IP6) if IPV6 else (NODE_IP,):
        node.wait_for(lambda: associate(node, ip, 30110) == "one", what=f"one with the NodePort at {ip}")
    assert CLIENT_IP not in one.senders(), "policy Cluster masquerades"
    node.apply("svc.yaml", sctp("one", externalTrafficPolicy="Local"))
    node.wait_for(
        lambda: associate(node, NODE_IP, 30110) == "one" and one.senders()[-1] == CLIENT_IP,
        what="policy Local keeps the client's address",
    )


def test_association_moves_with_its_service(node, mode, peer):
    """From the same port as before: a flow to the endpoint that is not the Service's any more has gone."""
    peer("one"), peer("two")
    node.apply("svc.yaml", sctp("one"))
    ip = addresses(node)[0]
    node.wait_for(lambda: associate(node, ip, 80, 40000) == "one", what="one answers")
    node.apply("svc.yaml", sctp("two"))
    node.wait_for(lambda: associate(node, ip, 80, 40000) == "two", 8, "two answers the same port")
    node.apply("svc.yaml", sctp("two", port=81))
    node.wait_for(lambda: associate(node, ip, 81, 40000) == "two", what="the new port answers")
    # Each try that is answered keeps the flow alive. It is removed after the rules have been written.
    node.wait_for(lambda: not associate(node, ip, 80, 40000, wait=0.5), what="no flow to the former port")
