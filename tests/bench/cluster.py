#!/usr/bin/python3
"""`./dev bench cluster`: Keelson beside upstream's kubelet with kube-proxy, on one control plane, in one run.

Each agent has a node of its own (namespace, containerd); while one is measured the other is stopped. Pods are created
through the API server and go through the scheduler; Ready is what a watch of the pods tells. Prints one row per
measurement with the goal; --json FILE keeps the raw numbers. Takes about eight minutes.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from bench import Floor, cpu_seconds, memory, note  # noqa: E402
from harness.cluster_node import ClusterNode  # noqa: E402
from harness.manifests import pod, testapp  # noqa: E402
from harness.node import Machine, is_ready  # noqa: E402
from harness.plane import ControlPlane  # noqa: E402
from harness.process import wait_for  # noqa: E402

NAMESPACE = "bench"


class Bench:
    """Measures one node; what it creates runs there only."""

    def __init__(self, plane: ControlPlane, node: ClusterNode, args):
        self.plane, self.api, self.node, self.args = plane, plane.api, node, args

    def cpu(self) -> float:
        return sum(map(cpu_seconds, self.node.agent.pids))

    def memory(self) -> tuple[float, float]:
        """Resident and anonymous MiB of all the agent's processes."""
        return tuple(map(sum, zip(*map(memory, self.node.agent.pids))))

    def watch_until(self, version: str, ended, timeout: float = 240) -> float:
        """The monotonic time at which ended(type, pod) was true for a change after this version."""
        stop = time.monotonic() + timeout
        for kind, item in self.api.watch("Pod", NAMESPACE, timeout=int(timeout), resourceVersion=version):
            if ended(kind, item):
                return time.monotonic()
            if time.monotonic() > stop:
                break
        raise AssertionError(f"not all pods got there within {timeout} s")

    def version(self) -> str:
        return self.api.request("GET", self.api.path("Pod", NAMESPACE))["metadata"]["resourceVersion"]

    def start(self, names: list[str]) -> dict:
        """Creates the pods; seconds until all are Ready, and the agent's CPU seconds meanwhile."""
        selector = {"kubernetes.io/hostname": self.node.name}
        missing, version, cpu, start = set(names), self.version(), self.cpu(), time.monotonic()
        for name in names:
            self.api.create(pod(name, testapp("--http", 8080), nodeSelector=selector), NAMESPACE)

        def ended(_, item) -> bool:
            if is_ready(item):
                missing.discard(item["metadata"]["name"])
            return not missing

        seconds = self.watch_until(version, ended) - start
        return {"seconds": seconds, "cpu": self.cpu() - cpu}

    def end(self, names: list[str]) -> dict:
        """Deletes the pods, with their grace; seconds until the API server has none of them."""
        left, version, cpu, start = set(names), self.version(), self.cpu(), time.monotonic()
        self.api.request("DELETE", self.api.path("Pod", NAMESPACE))

        def ended(kind, item) -> bool:
            if kind == "DELETED":
                left.discard(item["metadata"]["name"])
            return not left

        seconds = self.watch_until(version, ended) - start
        return {"seconds": seconds, "cpu": self.cpu() - cpu}

    def idle(self) -> dict:
        time.sleep(self.args.settle)
        before = self.cpu()
        time.sleep(self.args.idle)
        cpu = (self.cpu() - before) / self.args.idle * 100
        resident, anonymous = self.memory()
        return {"resident": resident, "anonymous": anonymous, "cpu": cpu}

    def run(self) -> dict:
        found, many = {}, [f"pod-{number}" for number in range(self.args.pods)]
        found["empty"] = self.idle()
        note(f"{self.node.kind}: idle without pods: {found['empty']}")
        self.start(["warm"])
        self.end(["warm"])
        singles = []
        for number in range(self.args.repeat):
            singles.append(self.start([f"single-{number}"]))
            self.end([f"single-{number}"])
        found["one"] = {key: statistics.median(item[key] for item in singles) for key in ("seconds", "cpu")}
        note(f"{self.node.kind}: one pod: {found['one']['seconds']:.3f} s of {[round(s['seconds'], 3) for s in singles]}")
        found["many"] = self.start(many)
        note(f"{self.node.kind}: {len(many)} pods: {found['many']['seconds']:.2f} s")
        found["full"] = self.idle()
        found["ready_at_end"] = sum(map(is_ready, self.api.list("Pod", NAMESPACE)))
        assert found["ready_at_end"] == len(many), f"only {found['ready_at_end']} pods are still Ready"
        note(f"{self.node.kind}: idle with {len(many)} pods: {found['full']}")
        found["end"] = self.end(many)
        note(f"{self.node.kind}: {len(many)} pods deleted: {found['end']['seconds']:.2f} s")
        return found


def bare_runtime(args) -> dict:
    """The same pods by CRI calls alone, beside the idle control plane: what no agent can be faster than."""
    machine = Machine()
    floor = Floor(machine)
    try:
        one = [floor.measure(1, 1)["ready_seconds"] for _ in range(args.repeat)]
        many = floor.measure(args.pods, 8)
    finally:
        floor.close()
        machine.destroy()
    note(f"bare runtime: {args.pods} pods: {many['ready_seconds']:.2f} s, removed in {many['remove_seconds']:.2f} s")
    return {
        "one": {"seconds": statistics.median(one)},
        "many": {"seconds": many["ready_seconds"]},
        "end": {"seconds": many["remove_seconds"]},
    }


def measure(plane: ControlPlane, kind: str, number: int, args) -> dict:
    # syncFrequency as by default: nothing here waits for a changed ConfigMap.
    node = ClusterNode(plane, number, agent=kind, config={"syncFrequency": "1m"})
    try:
        node.join_network()
        node.wait_ready()
        return Bench(plane, node, args).run()
    except BaseException:
        print(node.agent.log_text()[-4000:], file=sys.stderr)
        raise
    finally:
        node.agent.stop()
        node.close()
        plane.closers.remove(node)
        plane.api.delete("Node", node.name)


def table(found: dict[str, dict], args) -> list[tuple[str, str, str, str, float, float | None]]:
    """Rows of: what, bare runtime, kubelet + kube-proxy, Keelson, times less, goal of that."""
    pods, rows = args.pods, []

    def row(what: str, unit: str, goal: float | None, *path: str, digits: int = 2) -> None:
        values = []
        for kind in ("kubelet", "keelson"):
            value = found[kind]
            for key in path:
                value = value[key]
            values.append(value)
        upstream, own = values
        cells = [f"{value:.{digits}f} {unit}" for value in values]
        bare = found["bare"].get(path[0], {}).get(path[1])
        cells.insert(0, "" if bare is None else f"{bare:.{digits}f} {unit}")
        rows.append((what, *cells, upstream / own if own else float("inf"), goal))

    row("one pod, created to Ready", "s", 4, "one", "seconds", digits=3)
    row("  CPU of the agent", "s", None, "one", "cpu", digits=3)
    row(f"{pods} pods, created to all Ready", "s", 1.8, "many", "seconds")
    row("  CPU of the agent", "s", None, "many", "cpu")
    row(f"{pods} pods, deleted to all gone", "s", 1.8, "end", "seconds")
    row("  CPU of the agent", "s", None, "end", "cpu")
    for when, key in (("no pods", "empty"), (f"{pods} pods", "full")):
        row(f"resident, {when}", "MiB", 6, key, "resident", digits=1)
        row(f"anonymous, {when}", "MiB", 8, key, "anonymous", digits=1)
        row(f"CPU idle, {when}", "%", 20, key, "cpu", digits=3)
    return rows


def show(rows: list, args) -> None:
    print(f"{os.cpu_count()} cores, Kubernetes 1.35.4, containerd 1.6, median of {args.repeat} for one pod")
    texts = [("", "bare runtime", "kubelet+kube-proxy", "keelson", "less by", "goal", "")]
    for what, bare, upstream, own, ratio, goal in rows:
        verdict = "" if goal is None else "met" if ratio >= goal else "MISSED"
        texts.append((what, bare, upstream, own, f"{ratio:.1f} x", "" if goal is None else f"{goal:g} x", verdict))
    widths = [max(len(text[column]) for text in texts) for column in range(7)]
    for text in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(text, widths)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench cluster", description=__doc__)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5, help="runs of one pod, the median counts")
    parser.add_argument("--idle", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--settle", type=int, default=15, metavar="SECONDS", help="before memory and idle CPU are read")
    parser.add_argument("--only", choices=["kubelet", "keelson"], help="measure one and print its numbers as JSON")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    plane, found = ControlPlane(), {}
    try:
        plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        wait_for(lambda: plane.api.find("ServiceAccount", "default", NAMESPACE), 20, "the default service account")
        if not args.only:
            found["bare"] = bare_runtime(args)
        for number, kind in enumerate(["kubelet", "keelson"], 1):
            if args.only in (None, kind):
                found[kind] = measure(plane, kind, number, args)
    finally:
        plane.close()
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    if args.only:
        print(json.dumps(found[args.only], indent=1))
    else:
        show(table(found, args), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
