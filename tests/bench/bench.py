#!/usr/bin/python3
"""`./dev bench`: Keelson beside the floor (the same CRI calls with no agent), on one containerd, in one run.

Prints one row per measurement with the goal; --json FILE keeps the raw numbers. Takes about six minutes.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from harness import paths  # noqa: E402
from harness.manifests import TESTAPP, pod, testapp  # noqa: E402
from harness.node import Machine, Node, bridge_conflist, is_ready  # noqa: E402
from harness.process import wait_for  # noqa: E402

MIB = 1 << 20
# Seconds. An agent soon gives back what its start or a burst needed, and once a minute it asks the runtime for everything:
# what is resident counts after such a minute, not before.
SETTLED = 65
PROBES = {
    kind: {"httpGet": {"path": path, "port": 8080}}
    for kind, path in (("readinessProbe", "/ready"), ("livenessProbe", "/health"))
}


def note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


class Floor:
    """Runs cri_floor (tests/bench/cri_floor.cpp) with CNI left to the runtime; the same bridge network as Keelson's pods."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.logs = machine.folder / "floor-logs"
        self.conflist = machine.shim_dir / "10-floor.conflist"
        self.conflist.write_text(json.dumps(bridge_conflist(machine.folder / "floor-ipam", name="floor")))
        time.sleep(0.5)  # containerd takes a new network up by itself and says nowhere that it has

    def seconds(self, pods: int, concurrency: int) -> float:
        return self.measure(pods, concurrency)["ready_seconds"]

    def measure(self, pods: int, concurrency: int) -> dict:
        """What cri_floor prints: ready_seconds, remove_seconds and more."""
        command = [
            paths.BIN / "cri_floor",
            "--endpoint",
            self.machine.containerd.endpoint,
            "--pods",
            pods,
            "--concurrency",
            concurrency,
            "--image",
            TESTAPP,
            "--args=--http",
            "--args=8080",
            "--log-dir",
            self.logs,
            "--cgroup-parent",
            "/keelson-floor",
        ]
        done = self.machine.network.run(*command, timeout=300)
        return json.loads(done.stdout)

    def close(self) -> None:
        self.conflist.unlink()
        shutil.rmtree(self.logs, ignore_errors=True)
        for cgroups in ("*/keelson-floor/pod*", "*/keelson-floor"):
            for cgroup in pathlib.Path("/sys/fs/cgroup").glob(cgroups):
                cgroup.rmdir()


class Watcher:
    """Tells when pods are Ready: by `get pods --watch` where it exists, else by asking again and again."""

    def __init__(self, node: Node):
        self.node = node
        self.streams = "--watch" in node.cli("get", "pods", "--help", check=False).stdout
        self.ask_every = 0.005

    def wait(self, names: set[str], timeout: float = 240) -> float:
        """The monotonic time at which the last of the pods was seen Ready."""
        return self._stream(names, timeout) if self.streams else self._ask(names, timeout)

    def _ask(self, names: set[str], timeout: float) -> float:
        every = self.ask_every if len(names) == 1 else 0.1
        wait_for(lambda: names <= self.ready(), timeout, f"{len(names)} pods ready", every=every)
        return time.monotonic()

    def ready(self) -> set[str]:
        return ready_rows(self.node.cli("get", "pods").stdout.splitlines())

    def _stream(self, names: set[str], timeout: float) -> float:
        command = [paths.BIN / "keelson", "get", "pods", "--watch", "--socket", self.node.agent.socket]
        missing, end = set(names), time.monotonic() + timeout
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stream:
            try:
                while missing and time.monotonic() < end and (line := stream.stdout.readline()):
                    missing -= ready_rows([line])
            finally:
                stream.kill()
        assert not missing, f"{len(missing)} pods were not ready within {timeout} s"
        return time.monotonic()


def ready_rows(lines: list[str]) -> set[str]:
    """Names in rows of `keelson get pods` whose containers are all ready."""
    return {word for line in lines if " 1/1 " in f" {line} ".replace("\t", " ") for word in line.split()[:2]}


def memory(pid: int) -> tuple[float, float]:
    """Resident and anonymous MiB."""
    sizes = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        sizes[name] = int(value.split()[0]) / 1024
    return sizes["Rss"], sizes["Anonymous"]


def cpu_seconds(pid: int) -> float:
    """Time on a CPU of all threads, to the nanosecond where the kernel keeps it."""
    try:
        return (
            sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))
            / 1e9
        )
    except (OSError, IndexError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_floor(machine: Machine, args) -> dict:
    floor, found = Floor(machine), {}
    try:
        found["one"] = statistics.median(floor.seconds(1, 1) for _ in range(args.repeat))
        note(f"floor, one pod: {found['one']:.3f} s")
        found["many"] = {}
        for concurrency in args.concurrency:
            found["many"][concurrency] = floor.seconds(args.pods, concurrency)
            note(f"floor, {args.pods} pods, {concurrency} at a time: {found['many'][concurrency]:.2f} s")
    finally:
        floor.close()
    return found


def probe_floor(node: Node, seconds: float) -> float:
    """Per cent of a core that the same probes cost with bare blocking sockets and no agent (tests/bench/probe_floor.cpp)."""
    command = [paths.BIN / "probe_floor", "--seconds", seconds, "--period", 10, "--port", 8080, "--path", "/ready", "/health"]
    addresses = [found["status"]["podIP"] for found in node.agent.list("pods")]
    done = json.loads(node.machine.network.run(*command, "--address", *addresses, timeout=seconds + 60).stdout)
    assert done["answered"] == done["attempts"], done
    return done["cpu_seconds"] / seconds * 100


def start_pods(node: Node, watcher: Watcher, names: list[str], **probes) -> float:
    """Writes one file with these pods; seconds from its rename to the last of them Ready."""
    objects = [pod(name, testapp("--http", 8080, **probes)) for name in names]
    node.apply("bench.yaml", *objects)
    start = (node.manifests / "bench.yaml").stat().st_ctime_ns / 1e9  # the rename, by the kernel's clock
    offset = time.time() - time.monotonic()
    return watcher.wait(set(names)) - (start - offset)


def end_pods(node: Node) -> float:
    start = time.monotonic()
    node.remove("bench.yaml")
    node.wait_for(lambda: not node.agent.list("pods"), 240, "all pods gone")
    return time.monotonic() - start


def measure_keelson(machine: Machine, args) -> dict:
    node = Node(machine)
    try:
        watcher, found = Watcher(node), {}
        note("Ready seen by a stream" if watcher.streams else "Ready seen by asking (adds a few ms)")
        time.sleep(SETTLED)
        found["memory_empty"] = memory(node.agent.pid)
        singles = []
        for number in range(args.repeat):
            singles.append(start_pods(node, watcher, [f"single-{number}"]))
            end_pods(node)
        found["one"] = statistics.median(singles)
        note(f"keelson, one pod: {found['one']:.3f} s")
        names = [f"pod-{number}" for number in range(args.pods)]
        runs = []
        for _ in range(len(args.concurrency)):  # as many tries as the floor has; the best counts there, too
            started = start_pods(node, watcher, names)
            runs.append((started, end_pods(node)))
            note(f"keelson, {args.pods} pods: {started:.2f} s")
        found["many"], found["end_many"] = min(runs)
        start_pods(node, watcher, names, **PROBES)
        time.sleep(5)
        note(f"idling {args.idle} s with {args.pods} probed pods")
        pids = {"keelson": node.agent.pid, "containerd": machine.containerd.process.pid}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(args.idle)
        found["cpu"] = {name: (cpu_seconds(pid) - before[name]) / args.idle * 100 for name, pid in pids.items()}
        time.sleep(max(0, SETTLED - 5 - args.idle))
        found["memory_full"] = memory(node.agent.pid)
        found["cpu"]["floor"] = probe_floor(node, args.idle / 2)
        found["ready_at_end"] = sum(map(is_ready, node.agent.list("pods")))
    finally:
        left = node.close()
    found["left_behind"] = left
    return found


def table(floor: dict, keelson: dict, args) -> list[tuple[str, str, str, str, str, bool]]:
    """Rows of: what, floor, keelson, ratio, goal, met."""
    concurrency, many = min(floor["many"].items(), key=lambda item: item[1])
    rows = [
        (
            "one pod, file to Ready",
            f"{floor['one'] * 1e3:.0f} ms",
            f"{keelson['one'] * 1e3:.0f} ms",
            f"+{(keelson['one'] - floor['one']) * 1e3:.0f} ms",
            "floor + 50 ms",
            keelson["one"] <= floor["one"] + 0.05,
        ),
        (
            f"{args.pods} pods, file to all Ready",
            f"{many:.2f} s ({concurrency} at a time)",
            f"{keelson['many']:.2f} s",
            f"{keelson['many'] / many:.2f} x",
            "1.1 x floor",
            keelson["many"] <= 1.1 * many,
        ),
    ]
    for when, key, goal, anonymous_goal in (
        ("no pods", "memory_empty", 24, 6),
        (f"{args.pods} probed pods", "memory_full", 30, 10),
    ):
        resident, anonymous = keelson[key]
        rows.append((f"resident, {when}", "", f"{resident:.1f} MiB", "", f"{goal} MiB", resident <= goal))
        rows.append(
            (f"anonymous, {when}", "", f"{anonymous:.1f} MiB", "", f"{anonymous_goal} MiB", anonymous <= anonymous_goal)
        )
    cpu = keelson["cpu"]
    rows.append(
        (
            f"CPU idle, {args.pods} probed pods",
            f"{cpu['floor']:.2f} % (bare sockets)",
            f"{cpu['keelson']:.2f} %",
            f"{cpu['keelson'] / cpu['floor']:.2f} x",
            "0.20 %",
            cpu["keelson"] <= 0.2,
        )
    )
    rows.append(("  containerd in the same minute", "", f"{cpu['containerd']:.2f} %", "", "", True))
    rows.append((f"{args.pods} pods removed", "", f"{keelson['end_many']:.2f} s", "", "", True))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5, help="runs of one pod, the median counts")
    parser.add_argument("--idle", type=int, default=60, metavar="SECONDS")
    parser.add_argument(
        "--concurrency", type=int, nargs="+", default=[2, 4, 8], help="of the floor; the fastest counts"
    )
    parser.add_argument("--containerd", default="1.6", choices=["1.6", "2.2"])
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    machine = Machine(args.containerd, ["pause", "testapp"])
    try:
        floor = measure_floor(machine, args)
        keelson = measure_keelson(machine, args)
    finally:
        machine.destroy()
    rows = table(floor, keelson, args)
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    print(f"{os.cpu_count()} cores, containerd {args.containerd}")
    for row in [("", "floor", "keelson", "", "goal", None), *rows]:
        cells = "  ".join(cell.ljust(max(width, 8)) for cell, width in zip(row[:5], widths))
        print(f"{cells}{'' if row[5] is None or not row[4] else '  met' if row[5] else '  MISSED'}")
    for line in keelson["left_behind"]:
        print(f"left behind: {line}", file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps({"floor": floor, "keelson": keelson}, indent=1))
    return 1 if keelson["left_behind"] else 0


if __name__ == "__main__":
    sys.exit(main())
