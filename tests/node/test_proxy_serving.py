"""What the Service proxy serves: health check node ports, health, metrics, explain; and cleaning up after it."""

import json

import pytest

from harness import paths
from harness.process import Process
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
    node.wait_for(lambda: node.fetch(f"http://{NODE_IP}:31003/"), what="it listens")
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

    def counted() -> dict[str, str] | None:
        text = get(node, f"{METRICS}/metrics")[2]
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        rules = float(lines['kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"}'])
        return lines if rules == sum(line.startswith("-A KUBE-") for line in node.rules().splitlines()) else None

    lines = node.wait_for(counted, what="the number of rules is that of the kernel")
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
    node.wait_for(lambda: get(node, f"http://{NODE_IP}:12249/proxyMode")[2] == "iptables", what="metrics")
    assert get(node, f"{HEALTH}/healthz")[0] == 0 and get(node, f"{METRICS}/metrics")[0] == 0


def taken(node, address: str, port: int) -> Process:
    """Another process of the node that has the port."""
    script = "import socket,sys;s=socket.create_server((sys.argv[1],int(sys.argv[2])));print('listening',flush=True);s.accept()"
    command = ["python3", "-c", script, address, port]
    process = Process(node.network.enter(*command), node.folder / f"taken-{port}.log")
    node.wait_for(lambda: "listening" in process.log_text(), what=f"port {port} is taken")
    return process


def restart_with(node, **fields) -> None:
    node.agent.stop()
    document = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", **fields}
    (node.folder / "proxy.yaml").write_text(json.dumps(document))
    if "proxy.yaml" not in str(node.agent.flags):
        node.agent.flags += ["--config", node.folder / "proxy.yaml"]


def test_ports_that_are_taken_are_tried_again(node):
    restart_with(node)
    others = [taken(node, "0.0.0.0", 10256), taken(node, "127.0.0.1", 10249)]
    try:
        node.agent.start()
        node.wait_for(lambda: node.agent.log_text().count("proxy not served yet") >= 2, what="the log tells of both")
        lines = [line for line in node.agent.log_text().splitlines() if "proxy not served yet" in line]
        assert "10256" in lines[0] and "10249" in lines[1] and "Address already in use" in lines[0], lines
        node.apply("svc.yaml", service("web", {"port": 80}))
        node.wait_for(lambda: "default/web" in node.rules("filter"), what="rules are written all the same")
    finally:
        for other in others:
            other.stop()
    node.wait_for(lambda: get(node, f"{HEALTH}/healthz")[0] == 200, 12, "health is served once the port is free")
    node.wait_for(lambda: get(node, f"{METRICS}/proxyMode")[0] == 200, 12, "so are metrics")
    assert node.agent.log_text().count("proxy served") == 2


@pytest.mark.parametrize("port", [10256, 10249])
def test_hard_fail_ends_the_daemon(node, port):
    restart_with(node, bindAddressHardFail=True)
    other = taken(node, "0.0.0.0" if port == 10256 else "127.0.0.1", port)
    try:
        node.agent.start(wait=False)
        node.wait_for(lambda: not node.agent.running(), what="the daemon has ended")
        assert node.agent.process.popen.returncode == 1
        last = [line for line in node.agent.log_text().splitlines() if "Address already in use" in line][-1]
        assert "Service proxy" in last and str(port) in last, last
    finally:
        other.stop()
    node.agent.start()
    node.wait_for(lambda: get(node, f"{HEALTH}/healthz")[0] == 200, what="it serves when nobody else does")


def test_init_only_sets_what_needs_privilege_and_ends(node):
    setting = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
    localnet = "net.ipv4.conf.all.route_localnet"
    node.agent.stop()
    node.agent.cleanup()
    node.network.run("sysctl", "-qw", f"{setting}=60", f"{localnet}=0")
    done = node.network.run(paths.BIN / "keelson", "proxy", "--init-only", timeout=10)
    assert done.returncode == 0, "without an API server"
    assert node.network.run("sysctl", "-n", setting, localnet).stdout.split() == ["3600", "1"]
    assert ":KUBE-" not in node.rules() and get(node, f"{HEALTH}/healthz")[0] == 0
    node.network.run("sysctl", "-qw", f"{setting}=60", f"{localnet}=0")
    flags = ["--conntrack-tcp-timeout-close-wait", "90s", "--iptables-localhost-nodeports=false"]
    node.network.run(paths.BIN / "keelson", "proxy", "--init-only", *flags, timeout=10)
    assert node.network.run("sysctl", "-n", setting, localnet).stdout.split() == ["90", "0"]


def test_proxy_alone_without_credentials_says_so(node):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "KUBERNETES_SERVICE_HOST": "192.0.2.1"}  # no port, and no token
    command = [paths.BIN / "keelson", "proxy", "--socket", node.folder / "proxy.sock"]
    done = node.network.run(*command, env=env, check=False, timeout=10)
    assert done.returncode == 1 and "no kubeconfig was given, and this is no pod" in done.stdout + done.stderr


def test_explain_services_without_rules(node):
    """Each says what it is instead; a headless one, where its pods are and which of them DNS gives."""
    unready = testapp("--http", 8080, "--fail", "ready", readinessProbe={"httpGet": {"path": "/ready", "port": 8080}})
    node.apply("ok.yaml", pod("ok", testapp("--http", 8080), labels={"app": "web"}))
    node.apply("not.yaml", pod("not", unready, labels={"app": "web"}))
    other = service("other", {"port": 80})
    other["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "mesh"}
    external = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ext"},
        "spec": {"type": "ExternalName", "externalName": "example.org"},
    }
    headless = service("none", {"name": "http", "port": 80, "targetPort": 8080}, clusterIP="None", selector={"app": "web"})
    node.apply("svc.yaml", headless, external, other)
    [ok] = node.wait_ready("ok")
    address = node.wait_for(lambda: node.pod("not")["status"].get("podIP"), what="the other pod's address")

    def endpoints() -> dict[str, str]:
        text = node.cli("explain", "service", "none").stdout
        assert "Service default/none is headless" in text
        lines = {line.split()[0]: line for line in text.splitlines() if "8080/TCP" in line}
        assert lines[ok["status"]["podIP"]].endswith("yes") and lines[address].endswith("no: not ready"), text
        return lines

    lines = node.wait_for(endpoints, what="both endpoints, and the ready one known as such")
    assert f"{node.name} (this)" in lines[address]
    assert "DNS answers with the name example.org" in node.cli("explain", "service", "ext").stdout
    told = node.cli("explain", "service", "other").stdout
    assert "left to another proxy by its label service.kubernetes.io/service-proxy-name=mesh" in told


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
