"""A real Kubernetes control plane in a network namespace of its own: etcd, kube-apiserver, kube-controller-manager and
kube-scheduler out of one binary (tests/cluster/plane), with a bridge that nodes are attached to (see cluster_node.py).

Addresses need not be unique, they live in the namespaces; names carry the process id, so that sessions run beside each
other. close() ends every process by its pid and removes namespaces and folders, at any moment and after any failure.
"""

import base64
import itertools
import os
import pathlib
import secrets
import signal
import tempfile

from . import paths
from .api import Api
from .pki import Pki
from .process import Process, run, wait_for
from .runtime import remove_folder

BINARY = paths.TOOLS / "testplane"
ADDRESS = "192.168.77.1"
SERVER = f"https://{ADDRESS}:6443"
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
CLUSTER_DNS = "10.96.0.10"
_numbers = itertools.count(1)


def available() -> bool:
    return BINARY.exists()


class ControlPlane:
    def __init__(self):
        self.name = f"kc{os.getpid()}x{next(_numbers)}"
        self.netns = f"{self.name}-plane"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir="/tmp"))
        self.parts: dict[str, Process] = {}
        self.closers: list = []  # nodes: closed before the plane is
        self.api: Api | None = None
        try:
            self._create_network()
            self._create_pki()
            self.start("etcd")
            self.start("apiserver")
            wait_for(self.answers, 60, "kube-apiserver is ready", every=0.1)
            self.start("controller-manager")
            self.start("scheduler")
            self._allow_joining()
            wait_for(lambda: self.api.find("ServiceAccount", "default", "default"), 30, "the controllers work")
        except BaseException:
            logs = "\n".join(f"{name}: {part.log_text()[-1500:]}" for name, part in self.parts.items())
            self.close()
            print(logs)
            raise

    def _create_network(self) -> None:
        run("ip", "netns", "add", self.netns)
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.run("ip", "addr", "add", f"{ADDRESS}/24", "dev", "br0")
        self.run("ip", "link", "set", "br0", "up")
        self.run("ip", "route", "add", "default", "dev", "br0")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _create_pki(self) -> None:
        self.pki = Pki(self.folder / "pki", SERVER)
        names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1"
        self.pki.issue("apiserver", "/CN=kube-apiserver", f"{names},IP:{ADDRESS}")
        self.pki.issue("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        self.admin = self.pki.client("admin", "/O=system:masters/CN=admin")
        for part in ("controller-manager", "scheduler"):
            self.pki.client(part, f"/CN=system:kube-{part}")
        self.api = Api(self.netns, ADDRESS, 6443, self.pki.ca, self.pki.folder / "admin.crt")

    def _flags(self, part: str) -> dict:
        pki = self.pki.folder
        if part == "etcd":
            return {
                "data-dir": self.folder / "etcd",
                "listen-client-urls": "http://127.0.0.1:2379",
                "advertise-client-urls": "http://127.0.0.1:2379",
                "listen-peer-urls": "http://127.0.0.1:2380",
                "unsafe-no-fsync": "true",
                "log-level": "error",
            }
        if part == "apiserver":
            return {
                "etcd-servers": "http://127.0.0.1:2379",
                "bind-address": "0.0.0.0",
                "advertise-address": ADDRESS,
                "secure-port": 6443,
                "service-cluster-ip-range": SERVICE_CIDR,
                "authorization-mode": "Node,RBAC",
                "enable-admission-plugins": "NodeRestriction",
                "enable-bootstrap-token-auth": "true",
                "client-ca-file": self.pki.ca,
                "tls-cert-file": pki / "apiserver.crt",
                "tls-private-key-file": pki / "apiserver.key",
                "kubelet-client-certificate": pki / "kubelet-client.crt",
                "kubelet-client-key": pki / "kubelet-client.key",
                "kubelet-preferred-address-types": "InternalIP",
                "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
                "service-account-key-file": pki / "service-accounts.pub",
                "service-account-signing-key-file": pki / "service-accounts.key",
                "allow-privileged": "true",
            }
        common = {"kubeconfig": pki / f"{part}.kubeconfig", "leader-elect": "false"}
        if part == "scheduler":
            return common
        return common | {
            "use-service-account-credentials": "true",
            "service-account-private-key-file": pki / "service-accounts.key",
            "root-ca-file": self.pki.ca,
            "controllers": "*,bootstrap-signer-controller,token-cleaner-controller",
            "allocate-node-cidrs": "true",
            "cluster-cidr": POD_CIDR,
            "service-cluster-ip-range": SERVICE_CIDR,
            "cluster-signing-cert-file": self.pki.ca,
            "cluster-signing-key-file": pki / "ca.key",
            "node-monitor-period": "1s",
        }

    # The parts.
    def enter(self, *command) -> list:
        return ["nsenter", f"--net=/run/netns/{self.netns}", *map(str, command)]

    def run(self, *command, **options):
        return run(*self.enter(*command), **options)

    def start(self, part: str, **flags) -> None:
        """Starts one part; flags (with _ for -) are added to its usual ones or replace them."""
        usual = self._flags(part) | {name.replace("_", "-"): value for name, value in flags.items()}
        command = self.enter(BINARY, part, *(f"--{name}={value}" for name, value in usual.items()))
        self.parts[part] = Process(command, self.folder / f"{part}.log")

    def stop(self, part: str, signo: int = signal.SIGTERM) -> None:
        self.parts[part].stop(signo)

    def restart(self, part: str, signo: int = signal.SIGTERM, **flags) -> None:
        self.stop(part, signo)
        self.start(part, **flags)

    def answers(self) -> bool:
        if not self.parts["apiserver"].running():
            raise RuntimeError(f"kube-apiserver ended:\n{self.parts['apiserver'].log_text()[-2000:]}")
        return self.api.request("GET", "/readyz") == "ok"

    def kubectl(self, *args, check: bool = True, timeout: float = 60, **options):
        return run(*self.kubectl_command(*args), check=check, timeout=timeout, **options)

    def kubectl_command(self, *args) -> list:
        cache = self.folder / "kubectl-cache"
        return list(map(str, self.enter(BINARY, "kubectl", "--kubeconfig", self.admin, "--cache-dir", cache, *args)))

    # Joining, as kubeadm prepares a cluster for it.
    def _allow_joining(self) -> None:
        bindings = {
            "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", "system:bootstrappers"),
            "kubeadm:node-autoapprove-bootstrap": (
                "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
                "system:bootstrappers",
            ),
            "kubeadm:node-autoapprove-certificate-rotation": (
                "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
                "system:nodes",
            ),
            # A Keelson node proxies Services with the node's own credentials.
            "node-proxier": ("system:node-proxier", "system:nodes"),
        }
        for name, (role, group) in bindings.items():
            self.api.create(cluster_role_binding(name, role, {"kind": "Group", "name": group}))
        # The discovery document that a joining node reads without credentials, signed with each bootstrap token.
        cluster = (
            "apiVersion: v1\nkind: Config\nclusters:\n- name: ''\n  cluster:\n"
            f"    server: {SERVER}\n    certificate-authority-data: {_base64(self.pki.ca)}\n"
        )
        meta = {"name": "cluster-info", "namespace": "kube-public"}
        info = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {"kubeconfig": cluster}}
        wait_for(lambda: self.api.find("Namespace", "kube-public"), 20, "namespace kube-public")
        self.api.create(info, "kube-public")
        role_name = "kubeadm:bootstrap-signer-clusterinfo"
        rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cluster-info"], "verbs": ["get"]}
        rbac = "rbac.authorization.k8s.io"
        role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": role_name}, "rules": [rule]}
        self.api.create(role, "kube-public")
        binding = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role_name},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": role_name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "system:anonymous"}],
        }
        self.api.create(binding, "kube-public")

    def bootstrap_token(self) -> str:
        """A new token, ID.SECRET, with which a node may ask for its certificate."""
        public, private = secrets.token_hex(3), secrets.token_hex(8)
        data = {
            "token-id": public,
            "token-secret": private,
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
        }
        item = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"bootstrap-token-{public}"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": data,
        }
        self.api.create(item, "kube-system")
        return f"{public}.{private}"

    def close(self) -> None:
        for closer in reversed(self.closers):
            closer.close()
        self.closers.clear()
        if self.api:
            self.api.close()
        for part in ("scheduler", "controller-manager", "apiserver", "etcd"):
            if part in self.parts:
                self.parts[part].stop(signal.SIGKILL)
        run("ip", "netns", "del", self.netns, check=False)
        remove_folder(self.folder)


def cluster_role_binding(name: str, role: str, subject: dict) -> dict:
    """`subject` is {kind, name} and for a ServiceAccount its namespace."""
    group = {} if subject["kind"] == "ServiceAccount" else {"apiGroup": "rbac.authorization.k8s.io"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{**group, **subject}],
    }


def _base64(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
