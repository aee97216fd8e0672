#!/usr/bin/python3
"""`./dev bench hang`: how long a hundred pods take to start beside one pod with each kind of hang, and without them.

The kinds are those of tests/harness/hangs.py. Both sorts of run are made in turn on one node, with the CRI proxy in between;
the best of each sort counts, as in `./dev bench`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from bench import end_pods, note, ready_rows  # noqa: E402
from harness import paths  # noqa: E402
from harness.hangs import Hangs  # noqa: E402
from harness.manifests import pod  # noqa: E402
from harness.node import Machine, Node  # noqa: E402

GOAL = 1.1


def start_times(node: Node, names: list[str], timeout: float = 240) -> list[float]:
    """Seconds from the rename of one file with these pods to each of them Ready, in order."""
    missing, times = set(names), []
    command = [paths.BIN / "keelson", "get", "pods", "--watch", "--socket", node.agent.socket]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stream:
        try:
            node.apply("bench.yaml", *map(pod, names))
            start = time.monotonic()
            while missing and time.monotonic() - start < timeout and (line := stream.stdout.readline()):
                now = ready_rows([line]) & missing
                missing -= now
                times += [time.monotonic() - start] * len(now)
        finally:
            stream.kill()
    assert not missing, f"{len(missing)} pods were not ready within {timeout} s"
    return times


def measure(machine: Machine, args) -> dict:
    node = Node(machine, start=False, proxy=True)
    found = {"without": [], "with": []}
    try:
        hangs = Hangs(node)
        names = [f"pod-{number}" for number in range(args.pods)]
        note(f"{args.pods} pods, caches cold: {start_times(node, names)[-1]:.2f} s")
        end_pods(node)
        for _ in range(args.repeat):
            found["without"].append(start_times(node, names))
            end_without(node, names)
            hangs.begin()
            found["with"].append(start_times(node, names))
            end_without(node, names)
            hangs.explained()
            hangs.remove()
            hangs.release()
            node.wait_for(lambda: not node.agent.list("pods"), 60, "no pod")
            note(f"{args.pods} pods: {found['without'][-1][-1]:.2f} s; beside hangs: {found['with'][-1][-1]:.2f} s")
            hangs.reset()
    finally:
        left = node.close()
    found["kinds"], found["left_behind"] = len(hangs.words), left
    return found


def end_without(node: Node, names: list[str]) -> None:
    node.remove("bench.yaml")
    node.wait_for(lambda: not set(names) & set(node.pods()), 240, "the pods of the run are gone")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench hang", description=__doc__)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--containerd", default="1.6", choices=["1.6", "2.2"])
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    machine = Machine(args.containerd)
    try:
        found = measure(machine, args)
    finally:
        machine.destroy()
    print(f"{os.cpu_count()} cores, containerd {args.containerd}, {found['kinds']} pods hang")
    for what, of in (("median pod", statistics.median), ("last pod", max)):
        without, beside = (min(map(of, found[sort])) for sort in ("without", "with"))
        verdict = "met" if beside <= GOAL * without else "MISSED"
        print(f"{args.pods} pods, {what} Ready: {without:.2f} s; beside hangs {beside:.2f} s, {beside / without:.2f} x  ({GOAL} x: {verdict})")
    for line in found["left_behind"]:
        print(f"left behind: {line}", file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return 1 if found["left_behind"] else 0


if __name__ == "__main__":
    sys.exit(main())
