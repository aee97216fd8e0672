"""A node of the cluster: a network namespace on the plane's bridge, a containerd of its own, and an agent on it, which is
Keelson or, to prove a test itself right, upstream's kubelet with kube-proxy (KEELSON_CLUSTER_AGENT=kubelet).

The pod network is what a small network add-on would make: when the controllers have given the node its pod CIDR, a bridge
with host-local addresses, and a route to every other node's pods.
"""

import json
import os
import pathlib

from . import paths
from .agent import Agent
from .leaks import Leaks
from .plane import ADDRESS, BINARY, CLUSTER_DNS, POD_CIDR, ControlPlane
from .process import Process, run, wait_for
from .runtime import Containerd, can_lower_oom_score, remove_folder

IMAGES = ["pause", "busybox", "testapp", "https-get"]
AGENT = os.environ.get("KEELSON_CLUSTER_AGENT", "keelson")


def node_conflist(ipam: pathlib.Path, pod_cidr: str) -> dict:
    """Pods keep their addresses on the way to other nodes: no masquerade."""
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(ipam),
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}


class NodeNetwork:
    """The node's namespace, with eth0 on the plane's bridge."""

    def __init__(self, plane: ControlPlane, name: str, ip: str):
        self.node = f"{plane.name}-{name}"
        run("ip", "netns", "add", self.node)
        plane.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.node)
        plane.run("ip", "link", "set", name, "master", "br0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{ip}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", ADDRESS)
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1", check=False)  # absent where it is not needed

    def enter(self, *command) -> list:
        return ["nsenter", f"--net=/run/netns/{self.node}", *map(str, command)]

    def run(self, *command, **options):
        return run(*self.enter(*command), **options)

    def delete(self) -> None:
        run("ip", "netns", "del", self.node, check=False)


class KubeletAgent:
    """Upstream's kubelet and kube-proxy, with the methods of harness.agent.Agent that cluster tests use."""

    def __init__(self, node: "ClusterNode", flags: list):
        self.node, self.flags = node, flags
        self.log = node.folder / "kubelet.log"
        self.kubelet: Process | None = None
        self.proxy: Process | None = None

    def start(self, timeout: float = 30, wait: bool = True) -> None:
        command = self.node.network.enter(BINARY, "kubelet", *self.flags)
        self.kubelet = Process(command, self.log)
        if not self.proxy or not self.proxy.running():
            config = self.node.folder / "proxy.yaml"
            command = self.node.network.enter(BINARY, "kube-proxy", "--config", config)
            self.proxy = Process(command, self.node.folder / "proxy.log")
        if wait:
            wait_for(self._answers, timeout, "kubelet answers on its health port")

    def _answers(self) -> bool:
        if not self.kubelet.running():
            raise RuntimeError(f"kubelet ended with {self.kubelet.popen.returncode}:\n{self.log_text()[-3000:]}")
        return self.node.network.run("curl", "-sf", "http://127.0.0.1:10248/healthz", check=False).stdout == "ok"

    @property
    def process(self) -> Process:
        return self.kubelet

    @property
    def pids(self) -> list[int]:
        return [self.kubelet.pid, self.proxy.pid]

    def running(self) -> bool:
        return self.kubelet is not None and self.kubelet.running()

    def stop(self) -> int:
        if self.proxy:
            self.proxy.stop()
        return self.kubelet.stop() if self.kubelet else 0

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class KeelsonAgent(Agent):
    @property
    def pids(self) -> list[int]:
        return [self.process.pid]


class ClusterNode:
    def __init__(
        self,
        plane: ControlPlane,
        number: int,
        agent: str = AGENT,
        credentials: list | None = None,
        config: dict | None = None,
        flags: list | None = None,
        start: bool = True,
    ):
        """`credentials` are the flags by which the agent finds the API server: by default a kubeconfig with a certificate
        of the plane's CA. `config` changes fields of the KubeletConfiguration."""
        self.plane, self.kind = plane, agent
        self.name, self.ip = f"node{number}", f"192.168.77.{10 + number}"
        self.folder = plane.folder / self.name
        self.root, self.net_d, self.static = self.folder / "root", self.folder / "net.d", self.folder / "static"
        self.ipam, self.shim_dir = self.folder / "ipam", self.folder / "shim.d"
        self.logs_dir, self.log_links = self.folder / "logs" / "pods", self.folder / "logs" / "containers"
        self.cgroup_root = f"{plane.name}-{self.name}"
        self.pod_cidr: str | None = None
        self.uids: set[str] = set()
        self.network = self.containerd = self.agent = None
        for path in (self.root, self.net_d, self.static, self.shim_dir, self.folder / "pki"):
            path.mkdir(parents=True)
        plane.closers.append(self)
        self.network = NodeNetwork(plane, self.name, self.ip)
        conflists = self.shim_dir if agent == "keelson" else self.net_d
        self.containerd = Containerd(self.folder / "ctrd", conflists, enter=self.network.enter)
        self.containerd.import_images(IMAGES)
        self._make_cgroups()
        self.credentials = credentials or ["--kubeconfig", self._certificate()]
        self.agent = self._keelson(config or {}, flags or []) if agent == "keelson" else self._kubelet(config or {})
        if start:
            self.start()

    def _certificate(self) -> pathlib.Path:
        subject = f"/O=system:nodes/CN=system:node:{self.name}"
        return self.plane.pki.client(self.name, subject, self.folder / "node.kubeconfig")

    def _make_cgroups(self) -> None:
        """A root of its own for each node: a kubelet ends what it does not know below its root."""
        for parent in _cgroup_parents():
            (parent / self.cgroup_root).mkdir()
            if parent.name == "cpuset":
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (parent / self.cgroup_root / file).write_text((parent / file).read_text())

    def _configuration(self, changes: dict) -> dict:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(self.plane.pki.ca)},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup_root}",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [CLUSTER_DNS],
            "clusterDomain": "cluster.local",
            "maxPods": 250,
            "registryPullQPS": 0,
            "kubeAPIQPS": 1000,
            "kubeAPIBurst": 2000,
            "serializeImagePulls": False,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi"},
            "staticPodPath": str(self.static),
            "podLogsDir": str(self.logs_dir),
            "volumePluginDir": str(self.folder / "volume-plugins"),
            **({} if can_lower_oom_score() else {"oomScoreAdj": 0}),
            **changes,
        }

    def _proxy_configuration(self) -> dict:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": POD_CIDR,
            "hostnameOverride": self.name,
            "conntrack": {"maxPerCore": 0, "min": 0},
        }

    def _flags(self, config: pathlib.Path) -> list:
        return [
            *self.credentials,
            "--config",
            config,
            "--root-dir",
            self.root,
            "--cert-dir",
            self.folder / "pki",
            "--container-runtime-endpoint",
            self.containerd.endpoint,
            "--node-ip",
            self.ip,
            "--hostname-override",
            self.name,
        ]

    def _keelson(self, config: dict, flags: list) -> KeelsonAgent:
        file = self.folder / "config.yaml"
        documents = (self._configuration(config), self._proxy_configuration())
        file.write_text("\n---\n".join(json.dumps(document, indent=1) for document in documents))
        own = {
            "--cni-conf-dir": self.net_d,
            "--cni-bin-dir": paths.CNI_BIN,
            "--cni-socket": self.folder / "cni.sock",
            "--install-cni-shim": self.shim_dir,
            "--container-logs-dir": self.log_links,
        }
        command = [*self._flags(file), *(part for item in own.items() for part in item), *flags]
        return KeelsonAgent(self.folder, command, self.network.enter)

    def _kubelet(self, config: dict) -> KubeletAgent:
        """syncFrequency bounds how late upstream writes a changed ConfigMap into volumes; its default is a minute."""
        file = self.folder / "config.yaml"
        file.write_text(json.dumps(self._configuration({"syncFrequency": "5s", **config}), indent=1))
        credentials = self.plane.pki.folder / f"{self.name}.kubeconfig"
        self.plane.pki.client(f"{self.name}-proxy", f"/O=system:nodes/CN=system:node:{self.name}", credentials)
        proxy = {**self._proxy_configuration(), "clientConnection": {"kubeconfig": str(credentials)}}
        (self.folder / "proxy.yaml").write_text(json.dumps(proxy, indent=1))
        # cadvisor, which is in it, has its own way to the runtime.
        return KubeletAgent(self, [*self._flags(file), "--containerd", self.containerd.socket])

    # From start to Ready.
    def start(self) -> None:
        """Starts the agent; the node is Ready soon after join_network()."""
        self.agent.start()

    def join_network(self, timeout: float = 60) -> None:
        """What a network add-on does when the node has its pod CIDR."""

        def pod_cidr():
            return self.object()["spec"].get("podCIDR")

        self.pod_cidr = wait_for(pod_cidr, timeout, f"{self.name} is registered and has a pod CIDR", every=0.1)
        # In place: containerd 1.6 overlooks a file that is renamed into the folder.
        (self.net_d / "10-pods.conflist").write_text(json.dumps(node_conflist(self.ipam, self.pod_cidr), indent=1))
        self.plane.run("ip", "route", "replace", self.pod_cidr, "via", self.ip)
        for other in self.plane.closers:
            if other is not self and other.pod_cidr:
                self.network.run("ip", "route", "replace", other.pod_cidr, "via", other.ip)
                other.network.run("ip", "route", "replace", self.pod_cidr, "via", self.ip)

    def wait_ready(self, timeout: float = 60) -> dict:
        def ready():
            found = self.object()
            return found if node_condition(found, "Ready") == "True" else None

        return wait_for(ready, timeout, f"{self.name} Ready", every=0.1)

    def object(self) -> dict:
        return self.plane.api.get("Node", self.name)

    # The node seen from beside the agent.
    def fetch(self, url: str, *curl, check: bool = True, timeout: float = 3):
        return self.network.run("curl", "-sS", "-f", "--max-time", timeout, *curl, url, check=check)

    def rules(self, table: str = "nat") -> str:
        return self.network.run("iptables-save", "-t", table).stdout

    def leaks(self) -> list[str]:
        return ClusterLeaks(self).after_drain()

    def close(self) -> None:
        """Ends the agent and all containers, and removes the node; safe at any moment."""
        if self.agent:
            self.agent.stop()
        if self.containerd:
            self.containerd.destroy()
        if self.network:
            self.network.delete()
        self._remove_kubelet_links()
        for parent in _cgroup_parents():
            _remove_cgroup(parent / self.cgroup_root)
        remove_folder(self.folder)

    def _remove_kubelet_links(self) -> None:
        """A kubelet links container logs in one place of the whole machine."""
        for link in pathlib.Path("/var/log/containers").glob("*.log"):
            if link.is_symlink() and os.readlink(link).startswith(f"{self.folder}/"):
                link.unlink()


class ClusterLeaks(Leaks):
    """As on a node without a cluster, but Services go on: the API server's own is always there."""

    def _of_services(self) -> list[str]:
        return []

    def _of_cgroups(self) -> list[str]:
        own = [
            f"cgroup: {path}"
            for parent in _cgroup_parents()
            for path in (parent / self.node.cgroup_root).glob("kubepods/**/pod*")
        ]
        return own + super()._of_cgroups()


def _cgroup_parents() -> list[pathlib.Path]:
    """Every mounted hierarchy: the controllers of version 1, or the one tree of version 2."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    return [pathlib.Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]


def _remove_cgroup(path: pathlib.Path) -> None:
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            continue


def node_condition(node: dict, kind: str) -> str | None:
    return next((item["status"] for item in node["status"].get("conditions", []) if item["type"] == kind), None)
