"""Services of both proxy modes and real pods: ClusterIP, NodePort, UDP, affinity, no endpoint, hairpin, masquerade."""

import base64
import hashlib
import ipaddress
import re

import pytest

from harness.manifests import deployment, pod, service, testapp
from harness.netns import CLIENT_IP, NODE_IP
from harness.node import SERVICE_CIDR, is_ready



def proxy_mode(name: str):
    config = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": name}
    return pytest.param(name, marks=pytest.mark.agent(config=[config]), id=name)


@pytest.fixture(autouse=True, params=[proxy_mode("iptables"), proxy_mode("nftables")])
def mode(request) -> str:
    """Every test here runs in both modes; what concerns one of them alone says so with `only`."""
    only = request.node.get_closest_marker("only")
    if only and request.param not in only.args:
        pytest.skip(f"mode {only.args[0]} alone")
    return request.param


def rules(node, mode: str) -> str:
    return node.rules() + node.rules("filter") if mode == "iptables" else node.nft_rules()


SERVER = testapp("--http", 8080, "--tcp", 7000, "--udp", 7001, ports=[{"name": "web", "containerPort": 8080}])


def backends(node, count: int, app: str = "web") -> list[dict]:
    node.apply("pods.yaml", deployment(app, count, SERVER))
    return node.wait_for(
        lambda: (pods := list(node.pods().values())) and len(pods) == count and all(map(is_ready, pods)) and pods,
        30,
        f"{count} pods",
    )


def seen(node, url: str, times: int = 16, **options) -> set[str]:
    return {node.fetch(url, **options).stdout.strip() for _ in range(times)}


@pytest.mark.runtimes("1.6", "2.2")
def test_cluster_ip_and_node_port_reach_every_pod(node):
    names = {found["metadata"]["name"] for found in backends(node, 2)}
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": "web", "nodePort": 30081}, type="NodePort"))
    ip = node.cluster_ip()
    assert ipaddress.ip_address(ip) in ipaddress.ip_network(SERVICE_CIDR)
    node.wait_for(lambda: seen(node, f"http://{ip}/hostname") == names, what="both pods answer through the ClusterIP")
    assert seen(node, f"http://{NODE_IP}:30081/hostname") == names, "NodePort from the node"
    assert seen(node, f"http://{NODE_IP}:30081/hostname", outside=True) == names, "NodePort from beyond the node"
    assert seen(node, f"http://{ip}/hostname", outside=True) == names, "ClusterIP from beyond the node"
    table = node.cli("get", "services").stdout
    assert "web" in table and ip in table and "80:30081/TCP" in table


def test_node_port_is_allocated_and_stays(node):
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}, type="NodePort"))
    ip = node.cluster_ip()
    port = node.services()["web"]["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    node.agent.stop()
    node.agent.start()
    found = node.wait_for(lambda: node.services()["web"]["spec"], what="the new agent knows the Service")
    assert (found["clusterIP"], found["ports"][0]["nodePort"]) == (ip, port)


def test_named_ports_and_protocols(node):
    backends(node, 1)
    node.apply(
        "svc.yaml",
        service(
            "web",
            {"name": "http", "port": 80, "targetPort": "web"},
            {"name": "echo", "port": 7, "targetPort": 7000},
            {"name": "udp", "port": 7, "targetPort": 7001, "protocol": "UDP"},
        ),
    )
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/hostname").stdout.startswith("web-"), what="the first port")
    for protocol in ("tcp", "udp"):
        node.wait_for(lambda: "hello" in node.dial(protocol, ip, 7).stdout, what=f"the port of {protocol}")


def test_udp_follows_a_replaced_pod(node):
    """A stale conntrack entry would send the same client to the pod that is gone."""
    node.apply("one.yaml", pod("one", SERVER, labels={"app": "web"}))
    node.apply(
        "svc.yaml",
        service("web", {"port": 7, "targetPort": 7001, "protocol": "UDP", "nodePort": 30082}, type="NodePort"),
    )
    node.wait_ready("one")
    node.cluster_ip()
    node.wait_for(
        lambda: node.dial("udp", NODE_IP, 30082, outside=True).stdout.startswith("one "), what="the first pod answers"
    )
    node.apply("two.yaml", pod("two", SERVER, labels={"app": "web"}))
    node.wait_ready("two")
    node.remove("one.yaml")
    node.wait_gone("one")
    node.wait_for(
        lambda: node.dial("udp", NODE_IP, 30082, outside=True).stdout.startswith("two "), 8, "the second pod answers"
    )


def test_session_affinity_keeps_a_client_at_one_pod(node):
    backends(node, 3)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}, sessionAffinity="ClientIP"))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/hostname"), what="the Service answers")
    assert len(seen(node, f"http://{ip}/hostname")) == 1


def test_service_without_endpoints_rejects_at_once(node, mode):
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080, "nodePort": 30083}, type="NodePort"))
    ip = node.cluster_ip()
    missing = "has no endpoints" if mode == "iptables" else f"{ip} . tcp . 80"
    node.wait_for(lambda: missing in rules(node, mode), what="the reject rule")
    # The ClusterIP from the node: a client beyond it would wait for an ICMP answer that the kernel's rate limit may drop.
    for url, outside in ((f"http://{ip}/", False), (f"http://{NODE_IP}:30083/", True)):
        refused = node.fetch(url, outside=outside, check=False)
        assert refused.returncode == 7, f"refused at once, not timed out (curl 28): {refused.stderr}"
    backends(node, 1)
    node.wait_for(lambda: node.fetch(f"http://{ip}/hostname"), what="the Service answers when it has a pod")


def test_pod_reaches_itself_through_its_service(node):
    [web] = backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    ip = node.cluster_ip()
    name = web["metadata"]["name"]
    node.wait_for(
        lambda: node.exec(name, "timeout", "2", "wget", "-qO-", f"http://{ip}/hostname").stdout.strip() == name, what="hairpin"
    )
    client = node.exec(name, "timeout", "2", "wget", "-qO-", f"http://{ip}/client").stdout
    assert not client.startswith(web["status"]["podIP"]), "hairpin traffic is masqueraded"


def test_source_address_is_kept_inside_and_masqueraded_from_outside(node):
    [web] = backends(node, 1)
    node.apply("client.yaml", pod("client"))
    node.wait_ready("client")
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080, "nodePort": 30084}, type="NodePort"))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/client"), what="the Service answers")
    inside = node.exec("client", "wget", "-qO-", f"http://{ip}/client").stdout
    assert inside.startswith(node.pod("client")["status"]["podIP"] + ":"), "a pod keeps its address"
    outside = node.fetch(f"http://{NODE_IP}:30084/client", outside=True).stdout
    assert not outside.startswith(CLIENT_IP), "externalTrafficPolicy Cluster masquerades"


@pytest.mark.only("iptables")
def test_rules_have_the_names_that_others_know(node):
    """Chain names are a hash of namespace/name:port and protocol, as upstream makes them (reference/proxy.md 5)."""
    [web] = backends(node, 1)
    node.apply("svc.yaml", service("web", {"name": "http", "port": 80, "targetPort": 8080}))
    node.cluster_ip()

    def chain(prefix: str, text: str) -> str:
        return prefix + base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]

    node.wait_for(lambda: chain("KUBE-SVC-", "default/web:httptcp") in node.rules(), what="the Service's chain")
    rules = node.rules()
    assert chain("KUBE-SEP-", f"default/web:httptcp{web['status']['podIP']}:8080") in rules
    for chains in (
        'PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        ":KUBE-MARK-MASQ",
        ":KUBE-POSTROUTING",
        ":KUBE-NODEPORTS",
    ):
        assert chains in rules


def test_foreign_rules_are_left_alone(node):
    node.network.run("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "RETURN")
    try:
        backends(node, 1)
        node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
        ip = node.cluster_ip()
        node.wait_for(lambda: node.fetch(f"http://{ip}/"), what="the Service answers")
        assert re.search(r"-A PREROUTING -p tcp .*--dport 9 -j RETURN", node.rules())
    finally:
        node.network.run("iptables", "-t", "nat", "-D", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "RETURN")


@pytest.mark.only("nftables")
def test_base_chains_and_table_are_those_of_upstream(node):
    """reference/proxy.md 21; and the nft tool, which others list the rules with, reads all that we write."""
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}, sessionAffinity="ClientIP"))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/"), what="the Service answers")
    listed = node.nft_rules()
    for hook in (
        "chain nat-prerouting {\n\t\ttype nat hook prerouting priority dstnat",
        "chain nat-output {\n\t\ttype nat hook output priority",
        "chain nat-postrouting {\n\t\ttype nat hook postrouting priority srcnat",
        "chain filter-forward {\n\t\ttype filter hook forward priority filter",
        "chain filter-prerouting-pre-dnat {\n\t\ttype filter hook prerouting priority dstnat - 10",
    ):
        assert hook in listed
    assert f"{ip} . tcp . 80" in listed and ":KUBE-" not in node.rules()


@pytest.mark.only("nftables")
def test_changing_the_mode_takes_the_other_modes_rules_away(node):
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/"), what="the Service answers")
    node.agent.stop()
    node.agent.flags += ["--proxy-mode", "iptables"]
    node.agent.start()
    node.wait_for(lambda: not node.nft_rules() and ":KUBE-SERVICES" in node.rules(), what="only iptables rules")
    assert node.fetch(f"http://{ip}/")
    node.agent.stop()
    node.agent.flags[-1] = "nftables"
    node.agent.start()
    node.wait_for(lambda: ip in node.nft_rules() and ":KUBE-" not in node.rules(), what="only nftables rules")
    assert node.fetch(f"http://{ip}/")


def test_flushed_rules_come_back(node, mode):
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/"), what="the Service answers")
    if mode == "nftables":
        node.network.run("nft", "flush", "ruleset")

    def flush() -> bool:
        for operation in ("-F", "-X"):  # as a firewall does that starts anew: rules, then chains, of every table
            for table in ("mangle", "nat", "filter"):
                node.network.run("iptables", "-t", table, operation)
        return True

    node.wait_for(flush, what="all is flushed; a chain that is written again meanwhile has to be flushed once more")
    node.wait_for(lambda: node.fetch(f"http://{ip}/"), 65, "the rules are written again")


def test_removed_service_and_removed_pods_leave_no_rule(node, mode):
    backends(node, 2)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    ip = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{ip}/"), what="the Service answers")
    node.remove("svc.yaml")
    node.wait_for(
        lambda: "KUBE-SVC-" not in rules(node, mode) and ip not in rules(node, mode),
        what="no rule of the Service",
    )
    assert len(node.pods()) == 2


@pytest.mark.only("iptables")
def test_headless_and_external_name_have_no_rules(node):
    backends(node, 1)
    node.apply(
        "svc.yaml",
        service("none", {"port": 80, "targetPort": 8080}, clusterIP="None", selector={"app": "web"}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "ext"},
            "spec": {"type": "ExternalName", "externalName": "example.org"},
        },
        service("web", {"port": 80, "targetPort": 8080}),
    )
    node.cluster_ip()
    node.wait_for(lambda: "default/web" in node.rules(), what="the ordinary Service's rules")
    assert "default/none" not in node.rules() and "default/ext" not in node.rules()


def test_explicit_cluster_ip_and_clash(node):
    wanted = "10.97.1.2"
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}, clusterIP=wanted))
    assert node.cluster_ip() == wanted
    node.apply("z-clash.yaml", service("clash", {"port": 80}, clusterIP=wanted))
    node.wait_for(
        lambda: wanted in node.agent.log_text() and "clash" in node.agent.log_text(), what="the log names the clash"
    )
    assert node.cluster_ip() == wanted
