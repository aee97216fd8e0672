"""Cluster: a control plane with its nodes. Space: a namespace of the cluster that one test has for itself."""

from __future__ import annotations

import json
import pathlib

from .cluster_node import ClusterNode
from .node import is_ready
from .plane import ControlPlane
from .process import Timeout, wait_for


class Cluster:
    def __init__(self, nodes: int = 2, **options):
        self.plane = ControlPlane()
        self.api = self.plane.api
        try:
            self.nodes = [ClusterNode(self.plane, number + 1, **options) for number in range(nodes)]
            for node in self.nodes:
                node.join_network()
            for node in self.nodes:
                node.wait_ready()
        except BaseException:
            for node in self.plane.closers:
                print(node.name, node.agent.log_text()[-3000:] if node.agent else "")
            self.plane.close()
            raise

    def node_of(self, pod: dict) -> ClusterNode:
        return next(node for node in self.plane.closers if node.name == pod["spec"]["nodeName"])

    def other(self, node: ClusterNode) -> ClusterNode:
        return next(other for other in self.nodes if other is not node)

    def repair(self) -> None:
        """After a test that failed half-way: everything runs again and every node takes pods."""
        for part, process in self.plane.parts.items():
            if not process.running():
                self.plane.start(part)
        wait_for(self.plane.answers, 60, "kube-apiserver is ready")
        for node in self.nodes:
            if not node.agent.running():
                node.agent.start()
            if node.object()["spec"].get("unschedulable"):
                self.api.patch("Node", node.name, {"spec": {"unschedulable": False}})
            node.wait_ready()

    def close(self) -> list[str]:
        """What was left on the nodes after all spaces were gone (empty when all is well)."""
        left = []
        try:
            wait_for(lambda: not self._spaces(), 120, "all namespaces of tests are gone", every=0.5)
            # An upstream kubelet collects its garbage once a minute; what it leaves is not the subject here.
            own = [node for node in self.nodes if node.kind == "keelson"]
            left = [f"{node.name}: {line}" for node in own for line in node.leaks()]
        except (AssertionError, RuntimeError, OSError) as error:
            left = [f"closing failed: {error}"]
        finally:
            self.plane.close()
        return left

    def _spaces(self) -> list[dict]:
        return [item for item in self.api.list("Namespace", labelSelector="keelson.test/space")]


class Space:
    def __init__(self, cluster: Cluster, name: str):
        self.cluster, self.plane, self.api, self.name = cluster, cluster.plane, cluster.api, name
        self.folder: pathlib.Path = cluster.plane.folder / "spaces" / name
        self.folder.mkdir(parents=True)
        labels = {"keelson.test/space": "yes"}
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        wait_for(lambda: self.api.find("ServiceAccount", "default", name), 20, "the default service account")
        wait_for(lambda: self.api.find("ConfigMap", "kube-root-ca.crt", name), 20, "kube-root-ca.crt")

    # What a user does.
    def apply(self, *objects: dict) -> dict:
        """Server-side apply of each; the last one as the API server has it."""
        return [self.api.apply(item, self.name) for item in objects][-1]

    def delete(self, kind: str, name: str, grace: int | None = None) -> None:
        self.api.delete(kind, name, self.name, grace)

    def patch(self, kind: str, name: str, change: dict, sub: str | None = None) -> dict:
        return self.api.patch(kind, name, change, self.name, sub)

    def kubectl(self, *args, **options):
        return self.plane.kubectl("-n", self.name, *args, **options)

    def kubectl_command(self, *args) -> list:
        return self.plane.kubectl_command("-n", self.name, *args)

    def exec(self, pod: str, *command, container: str | None = None, check: bool = True):
        chosen = ["-c", container] if container else []
        return self.kubectl("exec", pod, *chosen, "--", *command, check=check)

    # What the API server says.
    def get(self, kind: str, name: str) -> dict:
        return self.api.get(kind, name, self.name)

    def list(self, kind: str, **query: str) -> list[dict]:
        return self.api.list(kind, self.name, **query)

    def pod(self, name: str) -> dict:
        return self.get("Pod", name)

    def pods(self, app: str | None = None) -> dict[str, dict]:
        query = {"labelSelector": f"app={app}"} if app else {}
        return {pod["metadata"]["name"]: pod for pod in self.list("Pod", **query)}

    def events(self, name: str, kind: str = "Pod") -> list[dict]:
        selector = f"involvedObject.name={name},involvedObject.kind={kind}"
        return self.list("Event", fieldSelector=selector)

    def event(self, name: str, reason: str, text: str = "") -> dict | None:
        """The first event of the pod with this reason whose message contains the text."""
        found = (item for item in self.events(name) if item["reason"] == reason and text in item["message"])
        return next(found, None)

    # Waiting.
    def wait_for(self, condition, timeout: float = 20, what: str = ""):
        return wait_for(condition, timeout, what, every=0.1)

    def wait_pod(self, name: str, condition, timeout: float = 30, what: str = "") -> dict:
        """Waits until condition(pod) is true; the error of a timeout tells status and events."""

        def check():
            pod = self.pod(name)
            return pod if condition(pod) else None

        try:
            return self.wait_for(check, timeout, what or f"pod {name}")
        except Timeout as error:
            raise Timeout(f"{error}\n{self.describe(name)}") from None

    def wait_ready(self, *names: str, timeout: float = 30) -> list[dict]:
        return [self.wait_pod(name, is_ready, timeout, f"pod {name} Ready") for name in names]

    def wait_phase(self, name: str, phase: str, timeout: float = 30) -> dict:
        return self.wait_pod(name, lambda pod: pod["status"]["phase"] == phase, timeout, f"pod {name} {phase}")

    def wait_event(self, name: str, reason: str, text: str = "", timeout: float = 30) -> dict:
        try:
            return self.wait_for(lambda: self.event(name, reason, text), timeout, f"event {reason} {text}")
        except Timeout as error:
            raise Timeout(f"{error}\n{self.describe(name)}") from None

    def wait_gone(self, *names: str, timeout: float = 40) -> None:
        self.wait_for(lambda: not set(names) & set(self.pods()), timeout, f"pods gone: {', '.join(names)}")

    def wait_apps(self, app: str, count: int, timeout: float = 40) -> dict[str, dict]:
        """The `count` pods labelled app=`app`, all Ready and none of them ending."""

        def check():
            pods = self.pods(app)
            settled = all(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods.values())
            return pods if len(pods) == count and settled else None

        try:
            return self.wait_for(check, timeout, f"{count} ready pods of {app}")
        except Timeout as error:
            raise Timeout(f"{error}\n" + "\n".join(map(self.describe, self.pods(app)))) from None

    def describe(self, name: str) -> str:
        status = json.dumps(self.pods().get(name, {}).get("status"), indent=1)
        lines = [f"{item['type']} {item['reason']}: {item['message']}" for item in self.events(name)]
        return f"pod {name}: {status}\n" + "\n".join(lines)

    # The end.
    def close(self) -> None:
        """The namespace is deleted in the background; Cluster.close() waits for it."""
        for pod in self.pods().values():
            for node in self.plane.closers:
                if node.name == pod["spec"].get("nodeName"):
                    node.uids.add(pod["metadata"]["uid"])
        self.api.delete("Namespace", self.name)
