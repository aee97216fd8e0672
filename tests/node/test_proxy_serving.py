"""What the Service proxy serves: health check node ports, health, metrics, explain; and cleaning up after it."""

import json

import pytest

from harness import paths
from harness.manifests import deployment, pod, service, testapp
from harness.netns import NODE_IP
from harness.node import is_ready

HEALTH, METRICS = f"http://{NODE_IP}:10256", "http://127.0.0.1:10249"


def backends(node, count: int) -> list[dict]:
    node.apply("pods.yaml", deployment("web", count, testapp("--http", 8080)))
    return node.wait_for(
        lambda: (pods := list(node.pods().values())) and len(pods) == count and all(map(is_ready, pods)) and pods,
        30,
        f"{count} pods",
    )


def get(node, url: str, outside: bool = False) -> tuple[int, dict, str]:
    """(status, headers in lower case, body); status 0: nobody listens."""
    netns = node.network.client if outside else node.network.node
    done = node.network.run("curl", "-sS", "-i", "--max-time", 3, url, netns=netns, check=False)
    if done.returncode:
        return 0, {}, done.stderr
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, body


def balancer(**spec) -> dict:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31001, **spec}
    return service("web", {"port": 80, "targetPort": 8080, "nodePort": 30090}, **spec)


def test_health_check_node_port_follows_the_endpoints(node):
    url = f"http://{NODE_IP}:31001/any/path"
    node.apply("svc.yaml", balancer())
    node.wait_for(lambda: get(node, url)[0] == 503, what="no endpoint: 503")
    backends(node, 2)
    status, headers, body = node.wait_for(
        lambda: (got := get(node, url, outside=True))[0] == 200 and got[1].get("x-load-balancing-endpoint-weight") == "2" and got,
        what="two endpoints here",
    )
    assert json.loads(body) == {
        "service": {"namespace": "default", "name": "web"},
        "localEndpoints": 2,
        "serviceProxyHealthy": True,
    }
    assert headers["content-type"] == "application/json" and headers["x-content-type-options"] == "nosniff"
    text = node.cli("explain", "service", "web").stdout
    assert "health check node port 31001: healthy, 2 ready here" in text, text
    node.apply("svc.yaml", balancer(healthCheckNodePort=31002))
    node.wait_for(lambda: get(node, f"http://{NODE_IP}:31002/")[0] == 200, what="the new port")
    assert get(node, url)[0] == 0, "the former port is closed"
    node.remove("pods.yaml")
    node.wait_for(lambda: get(node, f"http://{NODE_IP}:31002/")[0] == 503, 30, "503 when the pods are gone")
    node.remove("svc.yaml")
    node.wait_for(lambda: get(node, f"http://{NODE_IP}:31002/")[0] == 0, what="closed with the Service")


def test_health_check_node_port_that_is_taken(node):
    """Somebody else listens: the log says so, and everything else goes on."""
    node.apply("taken.yaml", pod("taken", testapp("--http", 31003), hostNetwork=True))
    node.wait_ready("taken")
    node.apply("svc.yaml", balancer(healthCheckNodePort=31003))
    node.wait_for(lambda: "health check node port not served" in node.agent.log_text(), what="the log names it")
    assert "31003" in node.agent.log_text() and get(node, f"{HEALTH}/healthz")[0] == 200


def test_health_and_metrics(node):
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    node.wait_for(lambda: "default/web" in node.rules(), what="rules")
    for path, outside in (("/healthz", True), ("/livez", False)):
        status, headers, body = get(node, HEALTH + path, outside)
        document = json.loads(body)
        assert status == 200 and document["healthy"] and document["status"]["IPv4"]["healthy"], body
        assert ("nodeEligible" in document) == (path == "/healthz")
    assert get(node, f"http://{NODE_IP}:10249/metrics")[0] == 0, "metrics are for the node itself"
    assert get(node, f"{METRICS}/proxyMode")[2] == "iptables"
    assert get(node, f"{METRICS}/healthz")[2] == "ok"
    assert json.loads(get(node, f"{METRICS}/configz")[2])["kubeproxy.config.k8s.io"]["kind"] == "KubeProxyConfiguration"
    assert 'kubernetes_healthcheck{name="ping",type="healthz"} 1' in get(node, f"{METRICS}/metrics/slis")[2]
    text = get(node, f"{METRICS}/metrics")[2]
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    rules = float(lines['kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"}'])
    assert rules == sum(line.startswith("-A KUBE-") for line in node.rules().splitlines())
    assert float(lines['kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"}']) >= 1
    assert float(lines["kubeproxy_proxy_livez_total{code=\"200\"}"]) == 1
    assert "process_cpu_seconds_total" in lines


@pytest.mark.agent(
    config=[
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "healthzBindAddress": "127.0.0.1:12256",
            "metricsBindAddress": "0.0.0.0:12249",
        }
    ]
)
def test_addresses_of_the_configuration(node):
    node.wait_for(lambda: get(node, "http://127.0.0.1:12256/healthz")[0] == 200, what="healthz")
    assert get(node, f"http://{NODE_IP}:12249/proxyMode")[2] == "iptables"
    assert get(node, f"{HEALTH}/healthz")[0] == 0 and get(node, f"{METRICS}/metrics")[0] == 0


def test_explain_service(node):
    [web] = backends(node, 1)
    node.apply(
        "svc.yaml",
        service("web", {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30091}, type="NodePort"),
        service("none", {"port": 80}),
    )
    address = f"{web['status']['podIP']}:8080"
    text = node.wait_for(
        lambda: address in (out := node.cli("explain", "service", "web", check=False).stdout) and out, what="the endpoint"
    )
    ip = node.services()["web"]["spec"]["clusterIP"]
    for part in (f"ClusterIP {ip}:80", "NodePort 30091", "balanced over 1 endpoint", "masqueraded", "ready", "yes"):
        assert part in text, text
    rejected = node.cli("explain", "service", "default/none").stdout
    assert "rejected: there is no endpoint" in rejected and "No endpoints" in rejected
    unknown = node.cli("explain", "svc", "nothing", check=False)
    assert unknown.returncode == 1 and "no Service \"nothing\"" in unknown.stderr
    assert node.cli("explain", "pod", "web", check=False).returncode != 0


@pytest.mark.agent(flags=["--no-proxy"])
def test_agent_without_the_proxy(node):
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    node.wait_for(lambda: node.services().get("web"), what="the Service is known")
    assert get(node, f"{HEALTH}/healthz")[0] == 0 and get(node, f"{METRICS}/metrics")[0] == 0
    assert "KUBE-SVC" not in node.rules() and "KUBE-SERVICES" not in node.rules()
    off = node.cli("explain", "service", "web", check=False)
    assert off.returncode == 1 and "switched off" in off.stderr


def test_cleanup_removes_the_rules_and_keeps_the_kubelets(node):
    backends(node, 1)
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    node.wait_for(lambda: "default/web" in node.rules(), what="rules")
    node.network.run("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "RETURN")
    node.agent.stop()
    assert "default/web" in node.rules(), "stopping leaves the rules"
    done = node.network.run(paths.BIN / "keelson", "proxy", "--cleanup")
    assert done.returncode == 0
    rules = node.network.run("iptables-save").stdout
    left = {word for word in rules.split() if "KUBE-" in word}
    assert {word.lstrip(":") for word in left} == {"KUBE-FIREWALL", "KUBE-IPTABLES-HINT"}, left
    assert "--dport 9 -j RETURN" in rules
    node.network.run("iptables", "-t", "nat", "-D", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "RETURN")
    assert node.network.run(paths.BIN / "keelson", "proxy", "--cleanup").returncode == 0, "with nothing to remove, too"
