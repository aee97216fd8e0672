"""The kernel refuses nftables transactions, or somebody else changes the table kube-proxy: what worked goes on working where
it can, log and status name the reason, and everything is right within seconds."""

import json
import subprocess

import pytest

from harness.manifests import deployment, service, testapp
from harness.node import is_ready

CONFIG = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "nftables",
    "nftables": {"syncPeriod": "2s"},
}
MARK = "rules of the Keelson proxy, layout 1"
pytestmark = pytest.mark.agent(config=[CONFIG])


def proxy(node) -> dict:
    return json.loads(node.cli("status", "-o", "json").stdout)["proxy"]


def family(node) -> dict:
    return proxy(node)["families"][0]


def serve(node, *names: str) -> list[str]:
    """Makes Services of those names, all of one pod, and gives back their URLs."""
    node.apply("svc.yaml", *(service(name, {"port": 80, "targetPort": 8080}, selector={"app": "web"}) for name in names))
    node.wait_for(lambda: set(names) <= set(node.services()), what=f"Services {names}")
    return [f"http://{node.services()[name]['spec']['clusterIP']}/hostname" for name in names]


def answers(node, url: str) -> bool:
    return node.fetch(url, check=False, timeout=1).returncode == 0


@pytest.fixture
def first(node):
    """The URL of a Service that answers."""
    node.apply("pods.yaml", deployment("web", 1, testapp("--http", 8080)))
    node.wait_for(lambda: (pods := list(node.pods().values())) and all(map(is_ready, pods)), what="the pod")
    [url] = serve(node, "web")
    node.wait_for(lambda: answers(node, url), what="the Service answers")
    return url


class Owner:
    """A program that holds the table as its own (nft's flag `owner`): to all others it is refused until that ends."""

    def __init__(self, node):
        self.popen = subprocess.Popen(node.network.enter("nft", "-i"), stdin=subprocess.PIPE, text=True)
        self.popen.stdin.write("delete table ip kube-proxy; add table ip kube-proxy { flags owner; }\n")
        self.popen.stdin.flush()
        node.wait_for(lambda: "flags owner" in node.nft_rules(), what="the table is another's")

    def end(self) -> None:
        self.popen.stdin.close()
        self.popen.wait(10)


def test_kernel_refuses_transactions(node, first, faults):
    owner = Owner(node)
    faults.add()
    try:
        _, late = serve(node, "web", "late")
        node.wait_for(lambda: "not permitted" in family(node).get("lastError", ""), what="the status names the reason")
        error = family(node)["lastError"]
        assert error.startswith("nf_tables: add "), f"it says what was refused: {error}"
        assert "writing Service rules failed" in node.agent.log_text() and "not permitted" in node.agent.log_text()
        assert "not permitted" in node.cli("explain", "service", "late").stdout
        text = node.fetch("http://127.0.0.1:10249/metrics").stdout
        name = 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"} '
        assert next(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)) >= 1
        before = family(node)["failures"]
        node.wait_for(lambda: family(node)["failures"] > before, 10, "it is tried again")
    finally:
        owner.end()
    node.wait_for(lambda: answers(node, late) and answers(node, first), 10, "both Services answer")
    node.wait_for(lambda: "lastError" not in family(node), what="the status is good again")


@pytest.mark.parametrize("mark", ["", f'comment "{MARK}";'], ids=["foreign", "marked as ours"])
def test_set_of_another_type_in_our_place(node, first, faults, mark):
    """A transaction into it is refused: the table is made anew, whoever it seems to be of."""
    script = (
        f"delete table ip kube-proxy; add table ip kube-proxy {{ {mark} }};"
        "add set ip kube-proxy service-frontends { type ipv4_addr; }"
    )
    node.network.run("nft", script)
    faults.add()
    _, late = serve(node, "web", "late")
    node.wait_for(lambda: answers(node, late) and answers(node, first), 10, "both Services answer")
    node.wait_for(lambda: "lastError" not in family(node), what="the status is good again")


def nft(node, script: str) -> None:
    node.network.run("nft", script)


@pytest.mark.agent(config=[{**CONFIG, "nftables": {"syncPeriod": "60s"}}])
def test_table_changed_by_somebody_else(node, first, faults):
    """The kernel tells of it: nothing has to be touched first, and the time to look at the table does not have to come."""
    node.wait_for(lambda: not proxy(node)["pending"], what="all is written")
    before = family(node)["fullSyncs"]
    urls = serve(node, "web", "two", "three")
    nft(node, "add table ip others; add set ip others addresses { type ipv4_addr; elements = { 192.0.2.1 }; }")
    nft(node, "delete table ip others")
    node.wait_for(lambda: all(answers(node, url) for url in urls), what="our own changes are written")
    node.wait_for(lambda: not proxy(node)["pending"], what="and all of them are")
    assert family(node)["fullSyncs"] == before, "neither our own changes nor those of other tables are taken for such"
    scripts = ["flush map ip kube-proxy service-endpoints", "flush map ip kube-proxy service-frontends", "delete table ip kube-proxy"]
    for count, script in enumerate(scripts, 1):
        nft(node, script)
        faults.add()
        # What is changed again and again is written again every 5 s.
        node.wait_for(lambda count=count: family(node)["fullSyncs"] == before + count, what=script)
        node.wait_for(lambda: answers(node, first), what="the Service answers again")
    assert node.agent.log_text().count("somebody changed our table") == len(scripts)
    nft(node, "flush map ip kube-proxy affinity")
    serve(node, "web")
    node.wait_for(lambda: "two" not in node.services() and answers(node, first), what="a last change")
    assert family(node)["fullSyncs"] == before + len(scripts), "what packets write there is their business"
