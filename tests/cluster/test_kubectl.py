"""kubectl against a node: logs, exec, cp, attach, port-forward, as users type them."""

import os
import pty
import re
import socket
import subprocess
import threading
import time

import pytest

from harness.api import connect
from harness.manifests import pod, shell, testapp
from harness.node import container_status, is_ready


@pytest.fixture
def app(space):
    """One pod with a web server, a shell and a second container."""
    ready = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    web = testapp("--print", "hello from app", "--print-err", "and stderr", "--http", 8080, readinessProbe=ready)
    space.apply(pod("app", web, shell("sleep 600", name="side")))
    space.wait_ready("app")
    return space


class Terminal:
    """A command on a pseudo terminal of its own, typed into and read back."""

    def __init__(self, command: list[str]):
        master, slave = pty.openpty()
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.master, self.text = master, ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, pattern: str, timeout: float = 15) -> re.Match:
        end = time.monotonic() + timeout
        os.set_blocking(self.master, False)
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, f"no {pattern!r} in {self.text!r}"
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                assert re.search(pattern, self.text), f"ended without {pattern!r}: {self.text!r}"
        self.text = self.text[found.end() :]
        return found

    def close(self) -> int:
        """Waits for the command's end."""
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()
            os.close(self.master)


def test_logs(app):
    def both() -> str | None:
        whole = app.kubectl("logs", "app", "-c", "app").stdout
        # Of two streams: which comes first is the runtime's choice.
        return whole if sorted(whole.splitlines()) == ["and stderr", "hello from app"] else None

    whole = app.wait_for(both, what="both lines")
    lines = whole.splitlines()
    assert app.kubectl("logs", "app", "-c", "app", "--tail=1").stdout == f"{lines[-1]}\n"
    assert app.kubectl("logs", "app", "-c", "app", "--limit-bytes=5").stdout == whole[:5]
    stamped = app.kubectl("logs", "app", "-c", "app", "--timestamps").stdout
    assert re.match(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z {lines[0]}\n", stamped)
    assert app.kubectl("logs", "app", "-c", "app", "--since=1h").stdout == whole
    missing = app.kubectl("logs", "app", "-c", "none", check=False)
    assert missing.returncode != 0 and "container none is not valid for pod app" in missing.stderr


def test_logs_of_the_previous_instance(space):
    script = '[ -e /d/once ] && n=1 || n=0; touch /d/once; echo "run $n"; [ $n = 1 ] && sleep 600; exit 1'
    container = shell(script, volumeMounts=[{"name": "d", "mountPath": "/d"}])
    space.apply(pod("twice", container, volumes=[{"name": "d", "emptyDir": {}}]))
    space.wait_pod("twice", lambda item: container_status(item).get("restartCount") == 1 and is_ready(item))
    space.wait_for(lambda: space.kubectl("logs", "twice").stdout == "run 1\n", what="the log of the second instance")
    assert space.kubectl("logs", "twice", "--previous").stdout == "run 0\n"


def test_logs_follow_until_the_container_ends(space):
    script = "echo line 1; until [ -e /go ]; do sleep 0.1; done; for i in 2 3 4; do echo line $i; sleep 0.5; done"
    space.apply(pod("talker", shell(script), restartPolicy="Never"))
    space.wait_pod("talker", lambda item: "waiting" not in container_status(item).get("state", {"waiting": 1}))
    process = subprocess.Popen(space.kubectl_command("logs", "-f", "talker"), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "line 1\n", "lines come as they are written"
    space.exec("talker", "touch", "/go")
    assert list(process.stdout) == [f"line {number}\n" for number in range(2, 5)]
    assert process.wait(10) == 0


def test_exec_output_and_exit_code(app):
    done = app.exec("app", "sh", "-c", "echo out; echo err >&2; exit 7", container="side", check=False)
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert "err\n" in done.stderr and "exit code 7" in done.stderr
    missing = app.exec("app", "/no/such/program", container="side", check=False)
    assert missing.returncode != 0 and "no such file" in missing.stderr


@pytest.mark.parametrize("protocol", ["websocket", "spdy"])
def test_exec_with_input(app, protocol):
    """A megabyte through cat and back, over both of the protocols that clients speak."""
    sent = os.urandom(1 << 19).hex()
    environment = {**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true" if protocol == "websocket" else "false"}
    command = app.kubectl_command("exec", "-i", "app", "-c", "side", "--", "sh", "-c", "cat; echo; echo end >&2")
    done = subprocess.run(command, input=sent, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == sent + "\n" and done.stderr.endswith("end\n")


def test_exec_on_a_terminal(app):
    terminal = Terminal(app.kubectl_command("exec", "-it", "app", "-c", "side", "--", "sh"))
    terminal.expect(r"# ")
    terminal.type("tty; echo a$((20+3))b\r")
    terminal.expect(r"/dev/pts/\d+\r\n")
    terminal.expect(r"a23b\r\n")
    terminal.type("exit 5\r")
    assert terminal.close() == 5


def test_cp_both_ways(app, tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "data").write_bytes(data := os.urandom(300_000))
    app.kubectl("cp", tree, "app:/tmp/tree", "-c", "side")
    assert app.exec("app", "ls", "/tmp/tree/deep", container="side").stdout == "data\n"
    app.kubectl("cp", "app:/tmp/tree/deep/data", tmp_path / "back", "-c", "side")
    assert (tmp_path / "back").read_bytes() == data


def test_attach(space):
    """The running process' own output and input; the container goes on when the client leaves."""
    script = 'while read line; do echo "got $line"; done; echo closed; sleep 600'
    space.apply(pod("listener", shell(script, stdin=True)))
    space.wait_ready("listener")
    command = space.kubectl_command("attach", "-i", "listener")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    try:
        time.sleep(1)  # attach shows only what is written while it is there
        process.stdin.write("one\n")
        process.stdin.flush()
        assert process.stdout.readline() == "got one\n"
    finally:
        process.kill()
        process.communicate()
    assert container_status(space.pod("listener"))["restartCount"] == 0
    space.wait_for(lambda: "got one\n" in space.kubectl("logs", "listener").stdout, what="it is in the log, too")


def test_attach_to_a_terminal(space):
    space.apply(pod("term", shell("sh", stdin=True, tty=True)))
    space.wait_ready("term")
    terminal = Terminal(space.kubectl_command("attach", "-it", "term"))
    terminal.type("\r")
    terminal.expect(r"# ")
    terminal.type("echo $((40+2))!\r")
    terminal.expect(r"42!")
    terminal.process.kill()
    terminal.close()


def read_all(netns: str, port: int, request: bytes) -> bytes:
    with connect(netns, "127.0.0.1", port, 5) as stream:
        stream.sendall(request)
        stream.shutdown(socket.SHUT_WR)
        found = b""
        while data := stream.recv(65536):
            found += data
        return found


@pytest.mark.parametrize("protocol", ["websocket", "spdy"])
def test_port_forward(app, protocol):
    environment = {**os.environ, "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true" if protocol == "websocket" else "false"}
    command = app.kubectl_command("port-forward", "app", ":8080")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        port = int(re.search(r"127\.0\.0\.1:(\d+) -> 8080", process.stdout.readline())[1])
        answers: list[bytes] = []

        def fetch() -> None:
            request = b"GET /hostname HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
            answers.append(read_all(app.plane.netns, port, request))

        threads = [threading.Thread(target=fetch) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(answers) == 5 and all(b"200" in text and text.endswith(b"app\n") for text in answers), answers
    finally:
        process.terminate()
        process.communicate(timeout=10)
