#!/usr/bin/python3
"""`./dev bench proxy`: Keelson's Service proxy beside upstream's kube-proxy, both backends each, on one API server.

Each peer runs alone in a network namespace of its own. Services and EndpointSlices (2 endpoints each) are written to the
API server directly. A change is one endpoint of a Service replaced by an address that was never used before; it has
arrived when the kernel's own events tell of that address (rule_watch.cpp), so nothing lists rules. Prints one table for
each number of Services with the goals; --json FILE keeps the raw numbers. A whole run takes about fifteen minutes.
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from bench import cpu_seconds, note  # noqa: E402
from harness import paths  # noqa: E402
from harness.api import Api  # noqa: E402
from harness.cluster_node import NodeNetwork  # noqa: E402
from harness.plane import ADDRESS, BINARY, ControlPlane  # noqa: E402
from harness.process import Process, run, wait_for  # noqa: E402

NAMESPACE = "bench"
POD_CIDR = "10.244.0.0/14"  # rule_watch looks for addresses of it
SERVER_PORT = 8080
# The real endpoints that connections are made to, beyond POD_CIDR, each of one Service; those lie evenly over all. One
# for all of them would make the kernel move source ports out of each other's way.
SERVERS = [f"10.243.0.{2 + number}" for number in range(20)]
MODES = ("iptables", "nftables")
MODEL_MODES = ("nftables",)  # 44,000 Services are beyond what iptables is for
PEERS = [f"{program} {mode}" for program in ("kube-proxy", "keelson") for mode in MODES]
TICKS = os.sysconf("SC_CLK_TCK")


def cluster_ip(number: int) -> str:
    return f"10.96.{16 + number // 250}.{1 + number % 250}"


class Cluster:
    """The Services and slices on the API server, and what they are at any moment."""

    def __init__(self, plane: ControlPlane):
        self.plane, self.api = plane, plane.api
        self.endpoints: list[list[str]] = []  # by Service
        self._addresses = (f"10.{244 + n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in itertools.count())
        self._local = threading.local()
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def _own_api(self) -> Api:
        if not hasattr(self._local, "api"):
            pki = self.plane.pki
            self._local.api = Api(self.plane.netns, ADDRESS, 6443, pki.ca, pki.folder / "admin.crt")
        return self._local.api

    @staticmethod
    def _slice(number: int, addresses: list[str], port: int = SERVER_PORT) -> dict:
        labels = {"kubernetes.io/service-name": f"svc-{number}", "endpointslice.kubernetes.io/managed-by": "bench"}
        endpoints = [{"addresses": [ip], "conditions": {"ready": True}, "nodeName": "elsewhere"} for ip in addresses]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"svc-{number}-1", "labels": labels},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }

    def _create(self, number: int) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": SERVER_PORT, "protocol": "TCP"}]
        spec = {"clusterIP": cluster_ip(number), "ports": ports}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"svc-{number}"}, "spec": spec}
        api = self._own_api()
        api.create(service, NAMESPACE)
        api.create(self._slice(number, self.endpoints[number]), NAMESPACE)

    def grow(self, total: int) -> None:
        first = len(self.endpoints)
        self.endpoints += [[next(self._addresses), next(self._addresses)] for _ in range(first, total)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self._create, range(first, total)))

    def change(self, number: int) -> tuple[str, int]:
        """Replaces one endpoint; its new address, and the monotonic nanoseconds at which the request was sent."""
        address = next(self._addresses)
        self.endpoints[number][random.randrange(2)] = address
        return address, self._write(number, self.endpoints[number])

    def serve_really(self, numbers: list[int], really: bool) -> None:
        for number, server in zip(numbers, SERVERS):
            self._write(number, [server] if really else self.endpoints[number])

    def _write(self, number: int, addresses: list[str]) -> int:
        path = self.api.path("EndpointSlice", NAMESPACE, f"svc-{number}-1")
        body = json.dumps(self._slice(number, addresses))
        sent = time.monotonic_ns()
        self.api.request("PUT", path, body)
        return sent

    def addresses(self) -> set[str]:
        return {ip for endpoints in self.endpoints for ip in endpoints}


class RuleWatch:
    """When each address was first seen in the kernel's events of one namespace."""

    def __init__(self, network: NodeNetwork):
        command = list(map(str, network.enter(paths.BIN / "rule_watch")))
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout.readline() == "ready\n", "rule_watch did not start"
        self.seen: dict[str, int] = {}
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.popen.stdout:
            address, nanoseconds = line.split()
            with self.changed:
                self.seen[address] = int(nanoseconds)
                self.changed.notify_all()

    def wait(self, addresses: set[str], timeout: float) -> int:
        """The time of the last of them."""
        missing = set(addresses)
        end = time.monotonic() + timeout
        with self.changed:
            while missing := {address for address in missing if address not in self.seen}:
                left = end - time.monotonic()
                alive = self.popen.poll() is None
                assert left > 0 and alive, f"{len(missing)} addresses not in the kernel after {timeout} s"
                self.changed.wait(min(left, 5))
            return max(self.seen[address] for address in addresses)

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()


class Peer:
    """One proxy in a namespace of its own, with a server behind it for real connections."""

    def __init__(self, cluster: Cluster, kind: str, number: int):
        self.cluster, self.kind = cluster, kind
        self.program, self.mode = kind.split()
        plane = cluster.plane
        self.name = f"proxy{number}"
        self.network = NodeNetwork(plane, self.name, f"192.168.77.{100 + number}")
        self.process: Process | None = None
        self.folder = plane.folder / self.name
        self.folder.mkdir()
        self._register()

    def _register(self) -> None:
        """kube-proxy waits half a minute for its node's address."""
        api, address = self.cluster.api, f"192.168.77.{100 + int(self.name.removeprefix('proxy'))}"
        api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}})
        status = {"status": {"addresses": [{"type": "InternalIP", "address": address}]}}
        api.patch("Node", self.name, status, sub="status")

    def start(self) -> None:
        configuration = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": self.mode,
            "clusterCIDR": POD_CIDR,
            "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": str(self.cluster.plane.admin)},
            "conntrack": {"maxPerCore": 0, "min": 0},
        }
        file = self.folder / "proxy.yaml"
        file.write_text(json.dumps(configuration, indent=1))
        binary = [BINARY, "kube-proxy"] if self.program == "kube-proxy" else [paths.BIN / "keelson", "proxy"]
        self.process = Process(self.network.enter(*binary, "--config", file), self.folder / "log")

    def cpu(self) -> float:
        """Of the proxy and of the programs that it ran to their end."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return cpu_seconds(self.process.pid) + (int(fields[13]) + int(fields[14])) / TICKS

    def memory(self) -> dict:
        """Resident MiB: as it is now, of that anonymous, and the highest so far."""
        out, proc = {}, pathlib.Path(f"/proc/{self.process.pid}")
        for line in ((proc / "smaps_rollup").read_text() + (proc / "status").read_text()).splitlines():
            words = line.split()
            for field, name in (("Rss:", "resident"), ("Anonymous:", "anonymous"), ("VmHWM:", "highest")):
                if words[0] == field:
                    out[name] = int(words[1]) / 1024
        return out

    def serve(self) -> Process:
        """The server, behind a veth of the namespace."""
        inner = f"{self.network.node}-server"
        run("ip", "netns", "add", inner)
        self.network.run("ip", "link", "add", "srv0", "type", "veth", "peer", "name", "eth0", "netns", inner)
        self.network.run("ip", "addr", "add", "10.243.0.1/24", "dev", "srv0")
        self.network.run("ip", "link", "set", "srv0", "up")
        for command in (
            ["ip", "link", "set", "lo", "up"],
            *(["ip", "addr", "add", f"{server}/24", "dev", "eth0"] for server in SERVERS),
            ["ip", "link", "set", "eth0", "up"],
            ["ip", "route", "add", "default", "via", "10.243.0.1"],
        ):
            run("nsenter", f"--net=/run/netns/{inner}", *command)
        command = ["nsenter", f"--net=/run/netns/{inner}", paths.BIN / "connector", "serve", SERVER_PORT]
        return Process(command, self.folder / "server.log")

    def close(self) -> None:
        if self.process:
            self.process.stop()
        run("ip", "netns", "del", f"{self.network.node}-server", check=False)
        self.network.delete()
        self.cluster.api.delete("Node", self.name)


def quiet(peer: Peer, seconds: float = 2, timeout: float = 60) -> None:
    """Until the proxy takes no CPU to speak of."""
    end, last = time.monotonic() + timeout, peer.cpu()
    while time.monotonic() < end:
        time.sleep(seconds)
        if (now := peer.cpu()) - last < 0.02 * seconds:
            return
        last = now


def change_times(peer: Peer, watch: RuleWatch, args) -> list[float]:
    """Milliseconds from the request's sending to the rule, each after a quiet second."""
    times = []
    for _ in range(args.repeat):
        time.sleep(1.1 + random.random() / 10)  # upstream's minSyncPeriod is a second: a change within it would wait
        address, sent = peer.cluster.change(random.randrange(len(peer.cluster.endpoints)))
        times.append((watch.wait({address}, 60) - sent) / 1e6)
    return times


def burst(peer: Peer, watch: RuleWatch) -> dict:
    """CPU of 100 changes, twenty a second, and how late the last came."""
    before, wanted, sent = peer.cpu(), set(), 0
    start = time.monotonic()
    for number in range(100):
        address, sent = peer.cluster.change(random.randrange(len(peer.cluster.endpoints)))
        wanted.add(address)
        time.sleep(max(0.0, start + number / 20 - time.monotonic()))
    # An endpoint that was replaced again before it was written never comes.
    end = watch.wait(wanted & peer.cluster.addresses(), 120)
    quiet(peer, 1)
    return {"cpu": peer.cpu() - before, "last_ms": (end - sent) / 1e6}


def connections(peer: Peer, args) -> dict:
    """New connections per second through ClusterIPs, from the node itself."""
    total = len(peer.cluster.endpoints)
    numbers = [(index * 2 + 1) * total // (2 * len(SERVERS)) for index in range(len(SERVERS))]
    server = peer.serve()
    try:
        peer.cluster.serve_really(numbers, True)
        wait_for(lambda: "ready" in server.log_text(), 5, "the server listens")
        targets = [f"{cluster_ip(number)}:80" for number in numbers]

        def dial(seconds: float, *to: str) -> dict:
            peer.network.run("conntrack", "-F")  # ten seconds' worth of connections would fill the table
            command = [paths.BIN / "connector", "dial", seconds, *to]
            return json.loads(peer.network.run(*command, timeout=90).stdout)

        wait_for(lambda: dial(0.1, *targets)["failures"] == 0, 30, "all real Services answer")
        rounds = [dial(args.dial, *targets) for _ in range(3)]
        direct = dial(args.dial, *(f"{server}:{SERVER_PORT}" for server in SERVERS))
        assert all(item["failures"] < item["connections"] / 1000 for item in rounds), rounds
        rates = [item["connections"] / item["seconds"] for item in rounds]
        return {"rate": statistics.median(rates), "direct": direct["connections"] / direct["seconds"]}
    finally:
        peer.cluster.serve_really(numbers, False)
        server.stop()


def measure(cluster: Cluster, kind: str, number: int, args) -> dict:
    total = len(cluster.endpoints)
    peer = Peer(cluster, kind, number)
    watch = RuleWatch(peer.network)
    try:
        start = time.monotonic_ns()
        peer.start()
        found = {"first_seconds": (watch.wait(cluster.addresses(), 180) - start) / 1e9}
        quiet(peer)
        found["first_cpu"] = peer.cpu()
        found["change_ms"] = change_times(peer, watch, args)
        found["burst"] = burst(peer, watch)
        found["memory"] = peer.memory()
        if total == args.dial_at:
            found["connections"] = connections(peer, args)
        shown = {key: value for key, value in found.items() if key != "change_ms"}
        shown["change_ms"] = f"{statistics.median(found['change_ms']):.1f} of {[round(t, 1) for t in found['change_ms']]}"
        note(f"{total} Services, {kind}: {shown}")
        return found
    except BaseException:
        print(peer.process.log_text()[-3000:] if peer.process else "", file=sys.stderr)
        raise
    finally:
        watch.close()
        peer.close()


def measure_model(mode: str, services: int) -> dict:
    """Keelson's proxy with a generated model, without API server."""
    name = f"kb{os.getpid()}-model"
    run("ip", "netns", "add", name)
    try:
        command = [paths.BIN / "proxy_model", "--mode", mode, "--services", services, "--changes", 20]
        found = json.loads(run("nsenter", f"--net=/run/netns/{name}", *command, timeout=300).stdout.splitlines()[-1])
        note(f"model of {services} Services, {mode}: {found}")
        return found
    finally:
        run("ip", "netns", "del", name, check=False)


def show_model(found: dict[str, dict], services: int) -> None:
    print(f"\nKeelson with a generated model: {services} Services, {2 * services} endpoints")
    for mode, numbers in found.items():
        full, change = numbers["full_seconds"], numbers["change_ms"]
        verdicts = ("", "")
        if mode == "nftables":
            verdicts = tuple(f" ({aim}: {'met' if met else 'MISSED'})" for aim, met in (("<= 10 s", full <= 10), ("<= 10 ms", change <= 10)))
        print(
            f"  {mode}: full sync {full:.2f} s{verdicts[0]}, CPU {numbers['full_cpu']:.2f} s; one change {change:.1f} ms{verdicts[1]},"
            f" CPU {numbers['change_cpu_ms']:.1f} ms; resident {numbers['resident_mib']:.0f} MiB, highest {numbers['highest_mib']:.0f} MiB"
        )


# What is shown: name, unit, where it is, digits, and the goals: times less than kube-proxy's of the same mode (or more,
# for rates), and a greatest value.
ROWS = [
    ("one change, median", "ms", lambda f: statistics.median(f["change_ms"]), 1),
    ("one change, slowest", "ms", lambda f: max(f["change_ms"]), 1),
    ("first full sync, from start", "s", lambda f: f["first_seconds"], 2),
    ("  CPU", "s", lambda f: f["first_cpu"], 2),
    ("CPU of 100 changes", "s", lambda f: f["burst"]["cpu"], 3),
    ("resident", "MiB", lambda f: f["memory"]["resident"], 1),
    ("resident, highest", "MiB", lambda f: f["memory"]["highest"], 1),
    ("new connections", "/s", lambda f: f["connections"]["rate"], 0),
    ("  with no Service between", "/s", lambda f: f["connections"]["direct"], 0),
]


def goal(what: str, services: int, mode: str, own: float, ratio: float | None) -> tuple[str, bool] | None:
    """The goal of a row of Keelson's, and whether it was met."""
    if what == "one change, median" and mode == "nftables":
        return "<= 10 ms", own <= 10
    if what == "first full sync, from start" and services == 10000:
        return "<= 2 s", own <= 2
    if ratio is None:
        return None
    if what == "one change, median" and mode == "iptables" and services == 5000:
        return ">= 3 x", ratio >= 3
    if what in ("  CPU", "CPU of 100 changes", "resident"):
        return ">= 5 x", ratio >= 5
    if what == "new connections":
        return "not slower", ratio <= 1 / 0.97  # what two runs of the same differ by
    return None


def show(found: dict[str, dict[str, dict]]) -> None:
    print(f"{os.cpu_count()} cores, Kubernetes 1.35.4, 2 endpoints for each Service; less by: kube-proxy's / Keelson's")
    for services, peers in found.items():
        lines = [(f"{services} Services", *PEERS[:2], *PEERS[2:], "less by", "goal")]
        for what, unit, value, digits in ROWS:
            values = {}
            for peer, numbers in peers.items():
                with contextlib.suppress(KeyError):  # connections are only made at one number of Services
                    values[peer] = value(numbers)
            if not values:
                continue
            cells = [f"{values[peer]:.{digits}f} {unit}" if peer in values else "" for peer in PEERS]
            ratios, goals = [], []
            for mode in MODES:
                own, upstream = values.get(f"keelson {mode}"), values.get(f"kube-proxy {mode}")
                ratio = upstream / own if own and upstream else None
                ratios.append("-" if ratio is None else f"{ratio:.1f} x")
                aim = None if own is None else goal(what, int(services), mode, own, ratio)
                goals.append("" if aim is None else f"{mode} {aim[0]}: {'met' if aim[1] else 'MISSED'}")
            lines.append((what, *cells, ", ".join(ratios), "; ".join(filter(None, goals))))
        widths = [max(len(line[column]) for line in lines) for column in range(7)]
        print()
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench proxy", description=__doc__)
    parser.add_argument("--services", default="100,1000,5000,10000", help="numbers of Services, ascending")
    parser.add_argument("--repeat", type=int, default=10, help="single changes, the median counts")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {PEERS}")
    parser.add_argument("--dial", type=float, default=4, metavar="SECONDS", help="of each round of new connections")
    parser.add_argument("--dial-at", type=int, default=5000, metavar="SERVICES", help="0: no connections")
    parser.add_argument("--model", type=int, default=44000, metavar="SERVICES", help="without API server; 0: not")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    peers = args.peers.split(",")
    assert set(peers) <= set(PEERS), f"--peers: of {PEERS}"
    random.seed(1)
    modes = [mode for mode in MODES if f"keelson {mode}" in peers and mode in MODEL_MODES]
    models = {mode: measure_model(mode, args.model) for mode in modes if args.model}
    found: dict[str, dict] = {}
    plane = ControlPlane()
    try:
        for part in ("controller-manager", "scheduler"):  # they would only take time from what is measured
            plane.stop(part)
        cluster, numbers = Cluster(plane), itertools.count(1)
        for services in map(int, args.services.split(",")):
            note(f"writing {services} Services")
            cluster.grow(services)
            found[str(services)] = {kind: measure(cluster, kind, next(numbers), args) for kind in peers}
    finally:
        plane.close()
        if args.json:
            args.json.write_text(json.dumps({**found, "model": models}, indent=1))
    show(found)
    if models:
        show_model(models, args.model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
