"""Namespaces shared with the node, host names, /etc/hosts and resolv.conf, and the CNI chain itself."""

import json
import os

import pytest

from harness.manifests import pod, service, shell, testapp
from harness.netns import NODE_IP
from harness.node import bridge_conflist, is_ready

DNS = [
    {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "clusterDNS": ["10.97.0.10"],
        "clusterDomain": "test.local",
    }
]


def test_host_network_and_pid(node):
    node.apply("host.yaml", pod("host", testapp("--http", 8099), hostNetwork=True, hostPID=True))
    [host] = node.wait_ready("host")
    assert host["status"]["podIP"] == NODE_IP
    node.wait_for(lambda: node.fetch(f"http://{NODE_IP}:8099/", outside=True).stdout, what="the pod listens")
    inode = os.stat(f"/run/netns/{node.network.node}").st_ino
    assert node.exec("host", "readlink", "/proc/self/ns/net").stdout.strip() == f"net:[{inode}]"
    assert node.exec("host", "readlink", "/proc/self/ns/pid").stdout == os.readlink("/proc/self/ns/pid") + "\n"


def test_shared_process_namespace(node):
    node.apply(
        "share.yaml",
        pod("share", shell("sleep 600", name="one"), shell("sleep 601", name="two"), shareProcessNamespace=True),
    )
    node.wait_ready("share")
    node.wait_for(lambda: "sleep 601" in node.exec("share", "ps", container="one").stdout, what="the other's process")


def test_host_ipc(node):
    node.apply("ipc.yaml", pod("ipc", hostIPC=True))
    node.wait_ready("ipc")
    assert node.exec("ipc", "readlink", "/proc/self/ns/ipc").stdout == os.readlink("/proc/self/ns/ipc") + "\n"


def test_hostname_hosts_file_and_aliases(node):
    node.apply(
        "named.yaml",
        pod("named", hostname="front", subdomain="sub", hostAliases=[{"ip": "10.1.2.3", "hostnames": ["far", "away"]}]),
        pod("x" * 70),
    )
    [named, _] = node.wait_ready("named", "x" * 70)
    assert node.exec("named", "hostname").stdout == "front\n"
    hosts = node.exec("named", "cat", "/etc/hosts").stdout
    assert hosts.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert f"{named['status']['podIP']}\tfront.sub.default.svc.cluster.local\tfront\n" in hosts
    assert hosts.rstrip().endswith("# Entries added by HostAliases.\n10.1.2.3\tfar\taway")
    assert node.exec("x" * 70, "hostname").stdout == "x" * 63 + "\n"


@pytest.mark.agent(config=DNS)
def test_dns_policies(node):
    node.apply(
        "dns.yaml",
        pod("first"),
        pod("node", dnsPolicy="Default"),
        pod(
            "none",
            dnsPolicy="None",
            dnsConfig={
                "nameservers": ["10.9.9.9"],
                "searches": ["my.example"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
            },
        ),
        pod("both", dnsConfig={"searches": ["more.example"], "options": [{"name": "ndots", "value": "3"}]}),
    )
    node.wait_ready("first", "node", "none", "both")

    def lines(name: str) -> dict[str, list[str]]:
        text = node.exec(name, "cat", "/etc/resolv.conf").stdout
        return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}

    assert lines("first")["nameserver"] == ["10.97.0.10"] and lines("first")["options"] == ["ndots:5"]
    assert lines("first")["search"][:3] == ["default.svc.test.local", "svc.test.local", "test.local"]
    assert lines("none") == {"nameserver": ["10.9.9.9"], "search": ["my.example"], "options": ["ndots:2", "edns0"]}
    assert lines("both")["search"][-1] == "more.example" and "ndots:3" in lines("both")["options"]
    assert lines("node").get("nameserver", []) != ["10.97.0.10"]


def test_service_names_resolve_inside_pods(node):
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    node.cluster_ip()
    node.apply("pods.yaml", pod("web"), pod("client"))
    node.wait_ready("web", "client")
    node.wait_for(
        lambda: node.exec("client", "timeout", "2", "wget", "-qO-", "http://web/hostname").stdout == "web\n",
        what="the name of the Service",
    )


@pytest.mark.runtimes("1.6", "2.2")
def test_the_agent_invokes_the_real_chain(node):
    """The runtime's only network is the shim; bridge, host-local and portmap are run by the agent."""
    node.apply("web.yaml", pod("web"))
    [web] = node.wait_ready("web")
    shims = [json.loads(path.read_text()) for path in node.machine.shim_dir.glob("*.conflist")]
    assert [plugin["type"] for shim in shims for plugin in shim["plugins"]] == ["keelson-cni"]
    assert (node.ipam / "pods" / web["status"]["podIP"]).exists(), "the address is reserved by the real chain"


def test_pods_reach_each_other_and_the_node(node):
    node.apply("pods.yaml", pod("a"), pod("b"))
    [a, b] = node.wait_ready("a", "b")
    url = f"http://{b['status']['podIP']}:8080/hostname"
    node.wait_for(lambda: node.exec("a", "wget", "-qO-", url).stdout == "b\n", what="b listens and is reached")
    assert node.exec("b", "wget", "-qO-", f"http://{b['status']['podIP']}:8080/client").stdout.startswith(
        b["status"]["podIP"]
    )
    assert node.exec("a", "ping", "-c1", "-W2", NODE_IP).returncode == 0


def test_missing_network_configuration_waits_then_recovers(node):
    (node.net_d / "10-pods.conflist").unlink()
    node.wait_for(lambda: "no pod network" in node.agent.log_text(), what="the agent sees that the network is gone")
    node.apply("web.yaml", pod("web"), pod("host", testapp("--http", 8099), hostNetwork=True))
    node.wait_ready("host")
    node.wait_for(lambda: "network" in node.explain("web").lower(), what="explain names the network")
    assert not is_ready(node.pod("web"))
    node.conflist(bridge_conflist(node.ipam))
    node.wait_ready("web", timeout=30)


def test_changed_network_configuration_keeps_running_pods(node):
    node.apply("old.yaml", pod("old"))
    node.wait_ready("old")
    node.conflist(bridge_conflist(node.ipam, bridge="kbr1", subnet="10.89.0.0/16", name="second"))
    node.wait_for(lambda: "default network name=second" in node.agent.log_text(), what="the agent takes the new network")
    node.apply("new.yaml", pod("new"))
    [new] = node.wait_ready("new", timeout=30)
    assert new["status"]["podIP"].startswith("10.89.")
    node.remove("old.yaml")  # torn down by the configuration it was made with; close() proves that its address is free
    node.wait_gone("old")
    assert not list((node.ipam / "pods").glob("10.*"))
