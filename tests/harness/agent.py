"""The keelson daemon under test, and its command line."""

import json
import os
import pathlib
import signal
import subprocess

from . import paths
from .process import Process, run, wait_for


class Agent:
    """`flags` is the whole command line after `keelson run`; start() returns when the socket answers, or at once."""

    def __init__(
        self, folder: pathlib.Path, flags: list, enter=lambda *command: list(command), env: dict | None = None
    ):
        self.folder, self.flags, self.enter, self.env = folder, flags, enter, env or {}
        self.socket = folder / "keelson.sock"
        self.log = folder / "keelson.log"
        self.process: Process | None = None
        self.was_killed = False

    def start(self, timeout: float = 20, wait: bool = True) -> None:
        binary = paths.BIN / "keelson"
        if not binary.exists():
            raise RuntimeError(f"{binary} is missing: ./dev build first")
        self.process = Process(self.enter(binary, "run", "--socket", self.socket, *self.flags), self.log, env=self.env)
        if wait:
            wait_for(self._answers, timeout, "keelson answers on its socket")

    def _answers(self) -> bool:
        if not self.process.running():
            raise RuntimeError(f"keelson ended with {self.process.popen.returncode}:\n{self.log_text()[-3000:]}")
        return self.cli("version", check=False).returncode == 0 and self.cli("get", "pods", check=False).returncode == 0

    def cli(self, *args, check: bool = True, timeout: float = 30) -> subprocess.CompletedProcess:
        """One keelson command against this daemon's socket."""
        return run(
            paths.BIN / "keelson",
            *args,
            check=check,
            timeout=timeout,
            env={**os.environ, "KEELSON_SOCKET": str(self.socket)},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process is not None and self.process.running()

    def stop(self) -> int:
        return self.process.stop(signal.SIGTERM) if self.process else 0

    def kill(self) -> None:
        if self.process:
            self.was_killed = True
            self.process.stop(signal.SIGKILL)

    def cleanup(self) -> subprocess.CompletedProcess:
        """`keelson cleanup` with the daemon's own flags: pods, networks, files and rules, all gone when it ends."""
        flags = list(self.flags)
        at = flags.index("--manifests")
        del flags[at : at + 2]
        return run(
            *self.enter(paths.BIN / "keelson", "cleanup", "--socket", self.socket, *flags), check=False, timeout=120
        )

    def list(self, kind: str) -> list[dict]:
        return json.loads(self.cli("get", kind, "-o", "json").stdout)["items"]

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
