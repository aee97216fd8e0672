"""Random edits of a manifest folder, and whether the node has caught up with them. KEELSON_SEED repeats a run."""

import os
import random
import time

from .manifests import mount, pod, testapp
from .node import is_ready

SEED = int(os.environ.get("KEELSON_SEED", str(time.time_ns() % 1_000_000)))


def churned(name: str, version: int) -> dict:
    return pod(
        name,
        testapp("--print", f"version {version}", "--http", 8080, volumeMounts=[mount("c", "/c"), mount("m", "/m")]),
        labels={"app": "churn"},
        volumes=[{"name": "c", "configMap": {"name": "conf"}}, {"name": "m", "emptyDir": {"medium": "Memory"}}],
    )


class Churn:
    """Random edits of the manifest folder; `wanted` is what it says now."""

    def __init__(self, node, dice: random.Random, limit: int = 8):
        self.node, self.dice, self.limit, self.wanted, self.next = node, dice, limit, {}, 0

    def step(self) -> None:
        kind = self.dice.choice(["add", "add", "change", "remove"] if self.wanted else ["add"])
        if kind == "add" and len(self.wanted) < self.limit:
            self.next += 1
            self._write(f"churn-{self.next}")
        elif kind == "change":
            self._write(self.dice.choice(list(self.wanted)))
        elif self.wanted:
            name = self.dice.choice(list(self.wanted))
            del self.wanted[name]
            self.node.remove(f"{name}.yaml")

    def _write(self, name: str) -> None:
        self.wanted[name] = self.wanted.get(name, 0) + 1
        self.node.apply(f"{name}.yaml", churned(name, self.wanted[name]))

    def settled(self) -> bool:
        """The node has caught up; an AssertionError tells what is wrong."""
        pods = {name: found for name, found in self.node.pods().items() if name.startswith("churn-")}
        wrong = sorted(pods.keys() ^ self.wanted.keys())
        wrong += [f"{name} is not Ready" for name, found in pods.items() if not is_ready(found)]
        if not wrong:
            logs = {name: self.node.logs(name) for name in pods}
            wrong = [f"{name} says {log!r}" for name, log in logs.items() if log != f"version {self.wanted[name]}\n"]
        if wrong:
            raise AssertionError(", ".join(wrong))
        return True
