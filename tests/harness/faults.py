"""What tests inject: CriProxy, between agent and runtime; FaultCount, of what was injected and survived."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
import sys

from .process import Process, wait_for


class FaultCount:
    """Faults that one test injected. They count as survived when the test passes (harness/tally.py adds them up)."""

    def __init__(self):
        self.injected = 0

    def add(self, number: int = 1) -> None:
        self.injected += number


class Fault:
    """One rule of the proxy. Removing it lets calls that hang go on."""

    def __init__(self, proxy: "CriProxy", number: int):
        self.proxy, self.number, self.last = proxy, number, 0

    @property
    def hits(self) -> int:
        if self.number is not None:
            self.last = self.proxy.order(do="state")["hits"][str(self.number)]
        return self.last

    def remove(self) -> None:
        if self.number is not None:
            self.last = self.proxy.order(do="remove", number=self.number)
            self.number = None


class CriProxy:
    """harness/cri_proxy.py as a process: what stands there says what the kinds of faults are."""

    def __init__(self, folder: pathlib.Path, backend: pathlib.Path):
        self.socket, self.control = folder / "cri.sock", folder / "cri-control.sock"
        self.endpoint = f"unix://{self.socket}"
        program = pathlib.Path(__file__).with_name("cri_proxy.py")
        self.process = Process([sys.executable, "-B", program, self.socket, backend, self.control], folder / "cri_proxy.log")
        wait_for(self._answers, 15, "the CRI proxy listens")

    def _answers(self) -> bool:
        if not self.process.running():
            raise RuntimeError(f"the CRI proxy ended:\n{self.process.log_text()}")
        return self.control.exists() and self.socket.exists() and self.order(do="state") is not None

    def order(self, **order):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.control))
            with connection.makefile("rw") as lines:
                lines.write(json.dumps(order) + "\n")
                lines.flush()
                return json.loads(lines.readline())

    def inject(self, method: str, kind: str, *words: str, times: int | None = 1, **fields) -> Fault:
        """`words`: pod name and the like, all of which the call must be about; `times` None: for good."""
        rule = {"method": method, "kind": kind, "words": list(words), "times": times, **fields}
        return Fault(self, self.order(do="add", rule=rule))

    @contextlib.contextmanager
    def during(self, method: str, kind: str, *words: str, **fields):
        fault = self.inject(method, kind, *words, times=None, **fields)
        try:
            yield fault
        finally:
            fault.remove()

    def calls(self) -> dict[str, int]:
        return self.order(do="state")["calls"]

    def cut(self) -> None:
        """Closes the agent's connections now."""
        self.order(do="cut")

    def close(self) -> None:
        self.process.stop()
