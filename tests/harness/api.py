"""A small client of the API server for tests: kubectl costs 0.2 s of CPU per call, this one a millisecond."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import pathlib
import socket
import ssl
import urllib.parse

CLONE_NEWNET = 0x40000000

# kind -> (group and version, plural, namespaced)
KINDS = {
    "Pod": ("v1", "pods", True),
    "Service": ("v1", "services", True),
    "ConfigMap": ("v1", "configmaps", True),
    "Secret": ("v1", "secrets", True),
    "PersistentVolume": ("v1", "persistentvolumes", False),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "Event": ("v1", "events", True),
    "Namespace": ("v1", "namespaces", False),
    "Node": ("v1", "nodes", False),
    "Deployment": ("apps/v1", "deployments", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "Job": ("batch/v1", "jobs", True),
    "CronJob": ("batch/v1", "cronjobs", True),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets", True),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices", True),
    "CSINode": ("storage.k8s.io/v1", "csinodes", False),
    "RuntimeClass": ("node.k8s.io/v1", "runtimeclasses", False),
    "Lease": ("coordination.k8s.io/v1", "leases", True),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "CertificateSigningRequest": ("certificates.k8s.io/v1", "certificatesigningrequests", False),
}


class ApiError(AssertionError):
    def __init__(self, code: int, what: str, text: str):
        super().__init__(f"{what}: {code}: {text}")
        self.code = code


def connect(netns: str, host: str, port: int, timeout: float = 30) -> socket.socket:
    """A TCP connection made inside a network namespace; the calling thread comes back to its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{netns}") as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {netns}")
        try:
            return socket.create_connection((host, port), timeout)
        finally:
            if libc.setns(own.fileno(), CLONE_NEWNET) != 0:
                os._exit(70)  # in the wrong namespace every later step would do harm elsewhere


class Connection(http.client.HTTPSConnection):
    def __init__(self, netns: str, host: str, port: int, context: ssl.SSLContext, timeout: float):
        super().__init__(host, port, context=context, timeout=timeout)
        self.netns, self.tls = netns, context

    def connect(self) -> None:
        plain = connect(self.netns, self.host, self.port, self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


class Api:
    def __init__(self, netns: str, host: str, port: int, ca: pathlib.Path, certificate: pathlib.Path):
        self.netns, self.host, self.port = netns, host, port
        self.context = ssl.create_default_context(cafile=str(ca))
        self.context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self.connection: Connection | None = None

    def open(self, timeout: float = 30) -> Connection:
        return Connection(self.netns, self.host, self.port, self.context, timeout)

    def request(self, method: str, path: str, body=None, content: str = "application/json") -> dict | str:
        """The parsed answer (text if it is no JSON); ApiError unless it is 2xx. One connection is kept and renewed."""
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        for attempt in (0, 1):
            fresh = self.connection is None
            if fresh:
                self.connection = self.open()
            try:
                accept = "application/json, */*"
                self.connection.request(method, path, data, {"Content-Type": content, "Accept": accept})
                answer = self.connection.getresponse()
                text = answer.read().decode()
                break
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh or attempt:
                    raise
        if answer.status >= 300:
            raise ApiError(answer.status, f"{method} {path}", text[:800])
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    @staticmethod
    def path(kind: str, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        version, plural, namespaced = KINDS[kind]
        parts = ["", "api" if "/" not in version else "apis", version]
        parts += ["namespaces", namespace] if namespaced and namespace else []
        return "/".join([*parts, plural, *([name] if name else []), *([sub] if sub else [])])

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict:
        return self.request("GET", self.path(kind, namespace, name))

    def find(self, kind: str, name: str, namespace: str | None = None) -> dict | None:
        try:
            return self.get(kind, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, **query: str) -> list[dict]:
        """query: labelSelector, fieldSelector."""
        path = self.path(kind, namespace) + (f"?{urllib.parse.urlencode(query)}" if query else "")
        return self.request("GET", path)["items"]

    def create(self, item: dict, namespace: str | None = None) -> dict:
        return self.request("POST", self.path(item["kind"], namespace), item)

    def apply(self, item: dict, namespace: str | None = None) -> dict:
        """Server-side apply: creates or changes."""
        path = self.path(item["kind"], namespace, item["metadata"]["name"]) + "?fieldManager=test&force=true"
        return self.request("PATCH", path, item, "application/apply-patch+yaml")

    def patch(self, kind: str, name: str, change: dict, namespace: str | None = None, sub: str | None = None) -> dict:
        path = self.path(kind, namespace, name, sub)
        return self.request("PATCH", path, change, "application/merge-patch+json")

    def delete(self, kind: str, name: str, namespace: str | None = None, grace: int | None = None) -> None:
        query = "" if grace is None else f"?gracePeriodSeconds={grace}"
        self.request("DELETE", self.path(kind, namespace, name) + query)

    def watch(self, kind: str, namespace: str | None = None, timeout: int = 300, **query: str):
        """Yields (type, object), the present objects first as ADDED, on a connection that ends with the generator."""
        connection = self.open(timeout + 10)
        query = {"watch": "true", "timeoutSeconds": str(timeout), **query}
        try:
            connection.request("GET", f"{self.path(kind, namespace)}?{urllib.parse.urlencode(query)}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise ApiError(answer.status, f"watch {kind}", answer.read().decode()[:800])
            while line := answer.readline():
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()
