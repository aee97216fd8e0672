"""A whole node for a test: Machine is network namespace + containerd, Node is an agent on it with a manifest folder.

A Machine is costly (about two seconds) and is used by many tests, one after another; Node.close() proves that the test
left nothing behind on it, and a Machine on which something was left is thrown away.
"""

import itertools
import json
import os
import pathlib
import shutil
import tempfile

from . import paths
from .agent import Agent
from .faults import CriProxy
from .leaks import Leaks
from .netns import IPV6, NODE_IP, NODE_IP6, Network
from .process import Timeout, wait_for
from .runtime import Containerd, remove_folder

CLUSTER_CIDR = "10.88.0.0/16"
CLUSTER_CIDR6 = "fd00:88::/64"
SERVICE_CIDR = "10.97.0.0/16"
SERVICE_CIDR6 = "fd00:97::/112"
IMAGES = ["pause", "busybox", "testapp", "testapp-user"]
_numbers = itertools.count(1)


def bridge_conflist(
    ipam: pathlib.Path, bridge: str = "kbr0", subnet: str = CLUSTER_CIDR, name: str = "pods", subnet6: str = ""
) -> dict:
    """The real network of the pods: bridge with masquerade and hairpin, host-local addresses, portmap for hostPort."""
    ranges, routes = [[{"subnet": subnet}]], [{"dst": "0.0.0.0/0"}]
    if subnet6:
        ranges, routes = [*ranges, [{"subnet": subnet6}]], [*routes, {"dst": "::/0"}]
    return {
        "cniVersion": "1.0.0",
        "name": name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": bridge,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": ranges,
                    "routes": routes,
                    "dataDir": str(ipam),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def kubelet_config(**fields) -> dict:
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **fields}


class Machine:
    def __init__(self, version: str = "1.6", images: list[str] | None = None):
        self.name = f"kt{os.getpid()}x{next(_numbers)}"
        self.version = version
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir="/tmp"))
        self.network = self.containerd = None
        try:
            self.network = Network(self.name)
            self.network.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            if IPV6:
                self.network.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
            self.shim_dir = self.folder / "shim.d"
            self.containerd = Containerd(self.folder / "ctrd", self.shim_dir, version, self.network.enter)
            self.containerd.import_images(images or IMAGES)
        except BaseException:
            self.destroy()
            raise

    def destroy(self) -> None:
        if self.containerd:
            self.containerd.destroy()
        if self.network:
            self.network.delete()
        remove_folder(self.folder)


class Node:
    """An agent with a fresh root and manifest folder on a Machine. Names are resolved in namespace default unless given.
    With `proxy` there is a CriProxy between it and the runtime; with `ipv6` node, pods and Services have both families."""

    def __init__(
        self,
        machine: Machine,
        flags: list | None = None,
        config: list[dict] | None = None,
        start: bool = True,
        env: dict | None = None,
        proxy: bool = False,
        ipv6: bool = False,
    ):
        self.machine, self.network, self.containerd = machine, machine.network, machine.containerd
        self.name = f"{machine.name}n{next(_numbers)}"
        # The same folder for each Node of a Machine: the shim's configuration names paths in it and so stays the same too.
        self.folder = machine.folder / "node"
        self.manifests, self.root, self.net_d = self.folder / "manifests", self.folder / "root", self.folder / "net.d"
        for path in (self.manifests, self.root, self.net_d):
            path.mkdir(parents=True)
        self.ipam = self.folder / "ipam"
        self.logs_dir, self.log_links = self.folder / "logs" / "pods", self.folder / "logs" / "containers"
        self.cni_bin = self.folder / "cni-bin"
        self.cni_bin.mkdir()
        for plugin in paths.CNI_BIN.iterdir():
            (self.cni_bin / plugin.name).symlink_to(plugin)
        self.conflist(bridge_conflist(self.ipam, subnet6=CLUSTER_CIDR6 if ipv6 else ""))
        self.uids: set[str] = set()
        self.proxy = CriProxy(self.folder, self.containerd.socket) if proxy else None
        command = [
            "--manifests",
            self.manifests,
            "--root-dir",
            self.root,
            "--cni-conf-dir",
            self.net_d,
            "--cni-bin-dir",
            self.cni_bin,
            "--container-runtime-endpoint",
            (self.proxy or self.containerd).endpoint,
            "--node-ip",
            f"{NODE_IP},{NODE_IP6}" if ipv6 else NODE_IP,
            "--hostname-override",
            self.name,
            "--cluster-cidr",
            f"{CLUSTER_CIDR},{CLUSTER_CIDR6}" if ipv6 else CLUSTER_CIDR,
            "--service-cidr",
            f"{SERVICE_CIDR},{SERVICE_CIDR6}" if ipv6 else SERVICE_CIDR,
            "--install-cni-shim",
            machine.shim_dir,
            "--log-level",
            "debug",
            "--pod-logs-dir",
            self.logs_dir,
            "--container-logs-dir",
            self.log_links,
            "--cni-socket",
            self.folder / "cni.sock",
            *(flags or []),
        ]
        # Tests must not depend on how full the disk of this machine is.
        config = list(config or [])
        if not any("evictionHard" in document for document in config):
            config.append(kubelet_config(evictionHard={"memory.available": "100Mi"}))
        if config:
            (self.folder / "config.yaml").write_text(
                "\n---\n".join(json.dumps(document, indent=1) for document in config)
            )
            command += ["--config", self.folder / "config.yaml"]
        self.agent = Agent(self.folder, command, self.network.enter, env)
        if start:
            try:
                self.agent.start()
            except BaseException:
                self.agent.kill()
                if self.proxy:
                    self.proxy.close()
                raise

    # What a user does to the folder.
    def conflist(self, content: dict, name: str = "10-pods.conflist") -> None:
        self._write(self.net_d / name, json.dumps(content, indent=1))

    def apply(self, file: str, *objects) -> pathlib.Path:
        """Writes objects (dicts, or text as it stands) into one file of the manifest folder, by rename."""
        text = "\n---\n".join(item if isinstance(item, str) else json.dumps(item, indent=1) for item in objects)
        return self._write(self.manifests / file, text)

    def reconfigure(self, *config: dict) -> None:
        """Restarts the agent with these documents as its configuration; pods go on running meanwhile."""
        self.agent.stop()
        (self.folder / "config.yaml").write_text("\n---\n".join(json.dumps(document, indent=1) for document in config))
        self.agent.start()

    def _write(self, path: pathlib.Path, text: str) -> pathlib.Path:
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text + "\n")
        partial.rename(path)
        return path

    def remove(self, *files: str) -> None:
        for file in files:
            (self.manifests / file).unlink()

    # What the agent says.
    def cli(self, *args, **options):
        return self.agent.cli(*args, **options)

    def pods(self, namespace: str = "default") -> dict[str, dict]:
        found = {}
        for pod in self.agent.list("pods"):
            self.uids.add(pod["metadata"]["uid"])
            if pod["metadata"].get("namespace", "default") == namespace:
                found[pod["metadata"]["name"]] = pod
        return found

    def pod(self, name: str, namespace: str = "default") -> dict:
        pods = self.pods(namespace)
        if name not in pods:
            raise AssertionError(f"no pod {namespace}/{name}; there are {sorted(pods)}")
        return pods[name]

    def services(self) -> dict[str, dict]:
        return {service["metadata"]["name"]: service for service in self.agent.list("services")}

    def logs(self, pod: str, container: str | None = None) -> str:
        return self.cli("logs", pod, *(["-c", container] if container else [])).stdout

    def exec(self, pod: str, *command, container: str | None = None, check: bool = True, timeout: float = 30):
        return self.cli(
            "exec", pod, *(["-c", container] if container else []), "--", *command, check=check, timeout=timeout
        )

    def explain(self, name: str) -> str:
        done = self.cli("explain", name, check=False)
        return done.stdout + done.stderr

    def explains(self, name: str, *words: str) -> bool:
        """Whether explain says all of these at one time."""
        text = self.explain(name)
        return all(word in text for word in words)

    # Waiting.
    def wait_for(self, condition, timeout: float = 20, what: str = ""):
        return wait_for(condition, timeout, what, every=0.08)

    def wait_pod(self, name: str, condition, timeout: float = 20, what: str = "") -> dict:
        """Waits until condition(pod) is true; on failure the error tells the pod's status and what explain says."""

        def check():
            pod = self.pod(name)
            return pod if condition(pod) else None

        try:
            return self.wait_for(check, timeout, what or f"pod {name}")
        except Timeout as error:
            status = self.pods().get(name, {}).get("status")
            raise Timeout(f"{error}\nstatus: {json.dumps(status, indent=1)}\n{self.explain(name)}") from None

    def wait_ready(self, *names: str, timeout: float = 20) -> list[dict]:
        return [self.wait_pod(name, is_ready, timeout, f"pod {name} Ready") for name in names]

    def wait_phase(self, name: str, phase: str, timeout: float = 20) -> dict:
        return self.wait_pod(name, lambda pod: pod["status"].get("phase") == phase, timeout, f"pod {name} {phase}")

    def cluster_ip(self, name: str = "web") -> str:
        """That of the Service, once it has one."""
        return self.wait_for(lambda: self.services()[name]["spec"].get("clusterIP"), what=f"cluster IP of {name}")

    def wait_gone(self, *names: str, timeout: float = 30) -> None:
        self.wait_for(lambda: not set(names) & set(self.pods()), timeout, f"pods gone: {', '.join(names)}")

    # The network, from the node and from beyond it.
    def fetch(self, url: str, outside: bool = False, check: bool = True, data: str | None = None, timeout: float = 3):
        netns = self.network.client if outside else self.network.node
        post = ["-d", data] if data is not None else []
        return self.network.run("curl", "-sS", "-f", "--max-time", timeout, *post, url, netns=netns, check=check)

    def dial(self, protocol: str, ip: str, port: int, outside: bool = False, text: str = "hello", check: bool = True):
        """One TCP or UDP exchange with a test pod, from the node or from beyond it."""
        netns = self.network.client if outside else self.network.node
        script = (
            "import socket,sys;p,ip,port,text=sys.argv[1:];s=socket.socket(socket.AF_INET6 if ':' in ip else socket.AF_INET,"
            "socket.SOCK_DGRAM if p=='udp' else socket.SOCK_STREAM);s.settimeout(2);s.connect((ip,int(port)));"
            "s.send((text+'\\n').encode());print(s.recv(4096).decode(),end='')"
        )
        return self.network.run("python3", "-c", script, protocol, ip, port, text, netns=netns, check=check)

    def rules(self, table: str = "nat", tool: str = "iptables") -> str:
        return self.network.run(f"{tool}-save", "-t", table).stdout

    def nft_tables(self) -> list[str]:
        return self.network.run("nft", "list", "tables").stdout.splitlines()

    def nft_rules(self, family: str = "ip") -> str:
        """The table of the Service proxy in mode nftables; empty where there is none."""
        if f"table {family} kube-proxy" not in self.nft_tables():
            return ""
        return self.network.run("nft", "list", "table", family, "kube-proxy").stdout

    # The end.
    def drain(self, timeout: float = 40) -> None:
        """Empties the manifest folder and waits until no pod and no service is left."""
        for path in self.manifests.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.wait_for(lambda: not self.agent.list("pods"), timeout, "all pods gone")

    def close(self) -> list[str]:
        """Removes everything and returns what was left behind in spite of that (empty when all is well)."""
        leaks = Leaks(self)
        try:
            if not self.agent.running():
                self.agent.start()
            self.pods()
            self.drain()
            found = leaks.after_drain()
        except (AssertionError, RuntimeError, OSError) as error:
            found = [f"draining failed: {error}"]
        if self.agent.process:
            code = self.agent.stop()
            found += [f"keelson ended with {code} on SIGTERM"] if code else []
            done = self.agent.cleanup()
            found += [f"keelson cleanup: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else []
            found += leaks.after_cleanup()
        if self.proxy:
            self.proxy.close()
        if found:  # the log goes with the folder
            found = [*found[:30], f"keelson.log (end):\n{self.agent.log_text()[-30000:]}"]
        remove_folder(self.folder)
        return found


def is_ready(pod: dict) -> bool:
    return condition(pod, "Ready") == "True"


def condition(pod: dict, kind: str) -> str | None:
    return next((item["status"] for item in pod["status"].get("conditions", []) if item["type"] == kind), None)


def container_status(pod: dict, name: str | None = None, field: str = "containerStatuses") -> dict:
    statuses = pod["status"].get(field, [])
    return next(item for item in statuses if name in (None, item["name"])) if statuses else {}


def waiting_reason(pod: dict, name: str | None = None) -> str | None:
    return container_status(pod, name).get("state", {}).get("waiting", {}).get("reason")


def restarts(pod: dict, name: str | None = None) -> int:
    return container_status(pod, name).get("restartCount", 0)
