"""The kernel's table of tracked connections is full: new connections are lost, but rules go on being written, status and
explain name the reason, and all is well as soon as there is room."""

import pathlib
import subprocess

import pytest

from harness.manifests import deployment, service, testapp
from harness.node import is_ready

# Per network namespace, and as large as the machine's, which nobody but the initial namespace may change.
LIMIT = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max")
MOST = 300_000


def with_mode(name: str):
    config = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": name}
    config["conntrack"] = {"maxPerCore": 0}
    return pytest.param(name, marks=pytest.mark.agent(config=[config]))


def fill(node) -> None:
    """Established connections of others, which the kernel gives up for no new one; conntrack reads them in one go."""
    entries = (
        f"-A -t 600 -u SEEN_REPLY,ASSURED -s {client} -d 198.18.0.1 -r 198.18.0.1 -q {client} -p tcp --sport {port} --dport 80"
        f" --reply-port-src 80 --reply-port-dst {port} --state ESTABLISHED\n"
        for port in range(20000, 20000 + MOST // 65536 + 2)
        for client in (f"198.19.{high}.{low}" for high in range(256) for low in range(256))
    )
    tool = subprocess.Popen(
        node.network.enter("conntrack", "-R", "-"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        for entry in entries:
            tool.stdin.write(entry)
        tool.stdin.close()
    except BrokenPipeError:
        pass  # it ends at the first entry for which there is no room
    tool.wait(60)


@pytest.mark.parametrize("mode", [with_mode(name) for name in ("iptables", "nftables")])
def test_full_connection_table(node, mode, faults):
    if int(LIMIT.read_text()) > MOST:
        pytest.skip(f"THE TABLE HAS ROOM FOR {LIMIT.read_text().strip()} CONNECTIONS HERE, too many to fill it in a test")
    node.apply("pods.yaml", deployment("web", 1, testapp("--http", 8080, "--udp", 7001)))
    node.wait_for(lambda: (pods := list(node.pods().values())) and all(map(is_ready, pods)), what="the pod")

    def serve(*names: str) -> list[str]:
        ports = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "u", "port": 7, "targetPort": 7001, "protocol": "UDP"})
        node.apply("svc.yaml", *(service(name, *ports, selector={"app": "web"}) for name in names))
        node.wait_for(lambda: set(names) == set(node.services()), what=f"Services {names}")
        return [node.services()[name]["spec"]["clusterIP"] for name in names]

    def answers(ip: str) -> bool:
        return node.fetch(f"http://{ip}/", outside=True, check=False, timeout=1).returncode == 0

    def rules() -> str:
        return node.rules() + node.rules("filter") if mode == "iptables" else node.nft_rules()

    def trouble(name: str) -> str:
        return next((line for line in node.cli("explain", "service", name).stdout.splitlines() if "kernel tracks" in line), "")

    [first] = serve("web")
    node.wait_for(lambda: answers(first), what="the Service answers")
    assert not trouble("web")
    fill(node)
    faults.add()
    try:
        node.wait_for(lambda: not answers(first), what="a new connection finds no room")
        node.wait_for(lambda: "it drops the packets of new ones" in trouble("web"), what="explain says that it is full")
        late = serve("web", "late")[1]
        node.wait_for(lambda: late in rules(), 5, "rules are written all the same")
        serve("late")  # UDP flows to the Service that goes are looked for in the full table
        node.wait_for(lambda: first not in rules(), 5, "and taken away")
        assert node.cli("get", "pods", timeout=3)
    finally:
        node.network.run("conntrack", "-F")
    node.wait_for(lambda: answers(late), what="the new Service answers when there is room")
    assert not trouble("late")
