"""Container logs on disk: rotation by size and number, reading on across it, and what goes with a dead container."""

import gzip
import pathlib
import subprocess
import time

import pytest

from harness import paths
from harness.manifests import pod, shell
from harness.node import container_status, kubelet_config, restarts

MAX_SIZE, MAX_FILES = 1 << 20, 3


def rotating(size: str = "1Mi", files: int = MAX_FILES) -> list[dict]:
    return [kubelet_config(containerLogMaxSize=size, containerLogMaxFiles=files)]


def log_folder(node, found: dict, container: str = "app") -> pathlib.Path:
    meta = found["metadata"]
    return node.logs_dir / f"{meta.get('namespace', 'default')}_{meta['name']}_{meta['uid']}" / container


def sizes(folder: pathlib.Path) -> dict[str, int]:
    found = {}
    for path in folder.iterdir():
        try:
            found[path.name] = path.stat().st_size
        except FileNotFoundError:  # renamed just now
            pass
    return found


def ends_with(folder: pathlib.Path, text: str) -> bool:
    """The last line may be in the active log, or just have been rotated away with it."""
    for path in sorted(folder.iterdir(), key=lambda path: (path.name != "0.log", path.name), reverse=True):
        try:
            with open(path, "rb") as log:
                log.seek(max(0, path.stat().st_size - 500))
                if text.encode() in log.read():
                    return True
        except FileNotFoundError:
            pass
    return False


@pytest.mark.agent(config=rotating("10Mi"))
def test_fast_writer_stays_within_its_limit(node):
    """A writer as fast as the runtime takes it (well over 50 MB/s where the machine can) has no more on disk than
    maxFiles * maxSize and what it writes until its log is looked at, which a busy machine may delay now and then."""
    line = "x" * 1000
    node.apply("fast.yaml", pod("fast", shell(f"sleep 1; yes {line} | head -c 400000000; echo over; sleep 600")))
    [found] = node.wait_ready("fast")
    folder, used, most = log_folder(node, found), [], 0
    begin = time.monotonic()
    while not ends_with(folder, "over\n") and time.monotonic() < begin + 40:
        for _ in range(20):
            now = sizes(folder)
            used.append(sum(now.values()))
            most = max(most, len(now))
            time.sleep(0.01)
    node.wait_for(lambda: ends_with(folder, "over\n"), what="the last line")  # renamed under our eyes, it is not seen
    used = sorted(size for size in used if size > 0)
    usual, worst = used[len(used) // 2], used[-1]
    assert usual < (MAX_FILES + 2) * (10 << 20), f"{usual >> 20} MiB on disk"
    assert worst < 200 << 20, f"{worst >> 20} MiB on disk"  # half of all
    assert 2 <= most <= MAX_FILES + 1  # one more between two steps of a rotation
    node.wait_for(lambda: len(sizes(folder)) <= MAX_FILES, what="the limit of files")
    assert restarts(node.pod("fast")) == 0


@pytest.mark.agent(config=rotating("1Mi", 6))
def test_rotated_logs_are_compressed_and_lines_kept(node):
    """Every line is in the files once, in order; older files become .gz."""
    line = "y" * 200
    burst = f'i=0; while [ $i -lt 6000 ]; do echo "$n $i {line}"; i=$((i+1)); done; sleep 12'
    node.apply("slow.yaml", pod("slow", shell(f"for n in 0 1 2; do {burst}; done; sleep 600")))
    [found] = node.wait_ready("slow")
    folder = log_folder(node, found)
    node.wait_for(lambda: any(name.endswith(".gz") for name in sizes(folder)), 50, "a compressed log")
    node.wait_for(lambda: ends_with(folder, "2 5999 "), 40, "the last line")
    node.wait_for(lambda: not any(name.endswith(".tmp") for name in sizes(folder)), what="compression done")

    def entries() -> list[str]:
        text = ""
        for name in sorted(sizes(folder), key=lambda name: (name == "0.log", name)):
            path = folder / name
            text += gzip.open(path, "rt").read() if name.endswith(".gz") else path.read_text()
        return [entry.split(" ", 3)[3] for entry in text.splitlines()]

    # A runtime that is behind cuts the line in two at which it changes files, so only all of the text is compared.
    wanted = "".join(f"{n} {i} {line}" for n in range(3) for i in range(6000))

    def complete() -> bool:
        found = entries()
        return "".join(found) == wanted and len(found) < 18000 + len(sizes(folder))

    # A file may be compressed between its listing and its reading; then it is read again.
    node.wait_for(complete, what="every line, once")


@pytest.mark.agent(config=rotating())
def test_follow_goes_on_across_a_rotation(node):
    line = '$i $(head -c 9000 /dev/zero | tr "\\0" z)'
    talk = f'i=0; while [ $i -lt 400 ]; do echo "{line}"; i=$((i+1)); sleep 0.02; done'
    script = f"echo begin; until [ -e /tmp/go ]; do sleep 0.1; done; {talk}"
    node.apply("talk.yaml", pod("talk", shell(script), restartPolicy="Never"))
    node.wait_ready("talk")
    follow = subprocess.Popen(
        [paths.BIN / "keelson", "logs", "-f", "talk", "--socket", node.agent.socket], stdout=subprocess.PIPE, text=True
    )
    try:
        assert follow.stdout.readline() == "begin\n"  # it follows, before anything is rotated
        node.exec("talk", "touch", "/tmp/go")
        followed, _ = follow.communicate(timeout=60)
    finally:
        follow.kill()
    rotated = [name for name in sizes(log_folder(node, node.pod("talk"))) if name != "0.log"]
    assert rotated
    # A runtime that is behind cuts the line in two at which it changes files, so only all of the text is compared.
    lines = followed.splitlines()
    complete = "".join(lines) == "".join(f"{i} {'z' * 9000}" for i in range(400))
    assert complete and len(lines) < 405, [text[:8] for text in lines]


@pytest.mark.agent(config=rotating())
def test_quiet_logs_are_not_looked_at(node):
    """A container that writes nothing costs no look at its log (it has an inotify watch instead)."""
    node.apply("quiet.yaml", pod("quiet", shell("echo once; sleep 600")))
    node.wait_ready("quiet")
    time.sleep(2.5)

    def switches() -> int:
        status = pathlib.Path(f"/proc/{node.agent.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt_switches"))

    def is_quiet() -> bool:
        before = switches()
        time.sleep(3)
        return switches() - before < 8

    # The kernel's log, which the agent reads, also tells of the pods of tests that run beside this one.
    node.wait_for(is_quiet, 60, "three seconds in which the agent hardly wakes up")


def test_logs_of_dead_instances_go(node):
    """A container that restarts again and again keeps the logs of its last two instances."""
    node.apply("loop.yaml", pod("loop", shell("echo here; sleep 0.1; exit 1")))
    found = node.wait_pod("loop", lambda found: restarts(found) >= 3, timeout=60)
    folder = log_folder(node, found)
    node.wait_for(lambda: "0.log" not in sizes(folder) and len(sizes(folder)) <= 2, what="all but the last two logs go")

    def links_lead_somewhere() -> bool:
        links = [path for path in node.log_links.iterdir() if path.name.startswith("loop_")]
        assert links and all(path.exists() for path in links), links
        return True

    node.wait_for(links_lead_somewhere, what="the links of the other logs go")
    assert container_status(node.pod("loop"))["restartCount"] >= 3
