"""Child processes with a log, ended by their own pid only; and waiting for a condition with a good error."""

import os
import pathlib
import signal
import subprocess
import time


class Timeout(AssertionError):
    pass


def wait_for(condition, timeout: float = 20.0, what: str = "", every: float = 0.05):
    """Returns the first true value of condition(); fails with `what` and the last value (or AssertionError) after timeout."""
    end = time.monotonic() + timeout
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, KeyError, IndexError, OSError, subprocess.SubprocessError) as error:
            last = error
        if time.monotonic() > end:
            raise Timeout(
                f"not within {timeout:g} s: {what or getattr(condition, '__name__', condition)}; last: {last!r}"
            )
        time.sleep(every)


def run(*command, check: bool = True, timeout: float = 60, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end; the error of a failed one carries its output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Process:
    """A daemon in a session of its own, its output appended to a log file."""

    def __init__(self, command: list, log: pathlib.Path, env: dict | None = None):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def running(self) -> bool:
        return self.popen.poll() is None

    def send(self, signo: int) -> None:
        if self.running():
            self.popen.send_signal(signo)

    def stop(self, signo: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Sends the signal and waits; SIGKILL after the timeout. The exit status, negative for a signal."""
        self.send(signo)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait(10)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
