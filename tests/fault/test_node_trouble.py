"""What can be wrong with the machine below and the folder beside the agent: a full disk, a clock that jumps, huge and circular
input. Pods go on, and the agent with them."""

import json
import pathlib
import time

import pytest

from harness.manifests import config_map, pod, shell, testapp
from harness.node import container_status, is_ready, restarts
from harness.process import run


@pytest.fixture
def small_disk(node):
    """The agent's root dir is a file system of its own, of 4 MiB."""
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", node.root)
    node.agent.start()
    yield node.root
    for path in node.root.glob("filler*"):
        path.unlink()


def fill(folder: pathlib.Path) -> pathlib.Path:
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as out:
        try:
            while out.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return filler


@pytest.mark.agent(start=False)
def test_full_disk(node, small_disk, faults):
    node.apply("before.yaml", pod("before"), pod("leaving"))
    [before, leaving] = node.wait_ready("before", "leaving")

    def saved(found: dict) -> bool:
        return is_ready(json.loads((small_disk / "pods" / found["metadata"]["uid"] / "keelson.json").read_text()))

    # A file that is replaced while the disk fills up would leave room again.
    node.wait_for(lambda: saved(before) and saved(leaving), what="what they are is on the disk")
    filler = fill(small_disk)
    faults.add()
    node.apply("late.yaml", pod("late"))
    words = ["No space left on device", "Waits:", "next try", "what to do"]
    node.wait_for(lambda: node.explains("late", *words), what="explain names the full disk")
    node.apply("before.yaml", pod("before"))
    node.wait_gone("leaving")
    assert is_ready(node.pod("before"))
    node.agent.kill()  # and it starts on a full disk, too
    node.agent.start()
    faults.add()
    assert container_status(node.wait_ready("before")[0])["containerID"] == container_status(before)["containerID"]
    filler.unlink()
    node.wait_ready("late", timeout=60)
    assert restarts(node.pod("before")) == 0


def test_symlink_loops_and_other_odd_entries(node, faults):
    loop = node.manifests / "loop.yaml"
    loop.symlink_to("loop.yaml")
    (node.manifests / "self").symlink_to(".")
    (node.manifests / "gone.yaml").symlink_to("/no/such/file")
    (node.manifests / "folder.yaml").mkdir()
    run("mkfifo", node.manifests / "pipe.yaml")
    faults.add(5)
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    told = node.cli("get", "pods", check=False)
    for name in ("loop.yaml", "gone.yaml", "pipe.yaml"):
        assert name in told.stdout + told.stderr
        assert f"{name}: not a readable file" in node.explain(name)
    (node.manifests / "self").unlink()


def test_manifest_of_ten_thousand_lines(node, faults):
    entries = [f"  key_{i}: value {i}" for i in range(10_000)]
    text = "\n".join(["apiVersion: v1", "kind: ConfigMap", "metadata: {name: long}", "data:", *entries])
    faults.add()
    start = time.monotonic()
    node.apply("long.yaml", text, pod("reader", shell("sleep 600", envFrom=[{"configMapRef": {"name": "long"}}])))
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good", "reader", timeout=20)
    assert time.monotonic() - start < 20
    assert node.exec("reader", "sh", "-c", "env | grep -c '^key_'").stdout.strip() == "10000"


def test_huge_file_is_refused_by_name(node, faults):
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    with open(node.manifests / "huge.yaml", "wb") as out:
        out.truncate(1 << 30)
    faults.add()
    node.wait_for(lambda: "larger than 10485760 bytes" in node.explain("huge.yaml"), what="explain names the cause")
    start = time.monotonic()
    assert "good" in node.cli("get", "pods").stdout and time.monotonic() - start < 3
    status = pathlib.Path(f"/proc/{node.agent.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    assert resident < 200 * 1024, f"{resident} KiB for a file that is not read"
    (node.manifests / "huge.yaml").unlink()
    node.wait_for(lambda: "huge.yaml" not in node.cli("get", "pods").stderr, what="forgotten when it is gone")


def test_yaml_that_expands_to_gigabytes_is_refused(node, faults):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    node.apply("bomb.yaml", "\n".join(["apiVersion: v1", "kind: ConfigMap", "metadata: {name: bomb}", *lines]))
    faults.add()
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good", timeout=15)
    node.wait_for(lambda: "line 10: more than 1000000 values" in node.explain("bomb.yaml"), what="explain names the cause")


@pytest.mark.agent(start=False)
@pytest.mark.parametrize("jump", ["+3700", "-3700"])
def test_clock_that_jumps_restarts_nothing(node, faults, jump, tmp_path):
    """The agent's wall clock goes an hour ahead or back while pods run: probes, back-offs and statuses go on."""
    node.agent.env = {**node.agent.env, **fake_clock(tmp_path)}
    probes = {
        kind: {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1}
        for kind in ("livenessProbe", "readinessProbe")
    }
    node.agent.start()
    node.apply("web.yaml", pod("web", testapp("--http", 8080, **probes)), pod("crash", shell("sleep 1; exit 3")))
    [web] = node.wait_ready("web")
    node.wait_pod("crash", lambda found: restarts(found) >= 1)
    (tmp_path / "offset").write_text(jump)
    faults.add()
    count = restarts(node.pod("crash"))
    node.apply("late.yaml", pod("late"))
    node.wait_ready("late")
    node.wait_pod("crash", lambda found: restarts(found) > count, 40, "the crashing pod is started again")
    [after] = node.wait_ready("web")
    assert container_status(after)["containerID"] == container_status(web)["containerID"] and restarts(after) == 0
    node.remove("late.yaml")
    node.wait_gone("late")


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static long offset(void) {
  long value = 0;
  FILE* file = fopen(getenv("CLOCK_OFFSET"), "r");
  if (file) {
    if (fscanf(file, "%ld", &value) != 1) value = 0;
    fclose(file);
  }
  return value;
}
int clock_gettime(clockid_t id, struct timespec* out) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  const int code = real(id, out);
  if (code == 0 && id == CLOCK_REALTIME) out->tv_sec += offset();
  return code;
}
"""


def fake_clock(folder: pathlib.Path) -> dict[str, str]:
    """Environment under which a program's wall clock is off by the seconds in the file `offset`, its steady one is not."""
    (folder / "clock.c").write_text(CLOCK)
    run("gcc", "-O1", "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c", "-ldl")
    return {"LD_PRELOAD": str(folder / "clock.so"), "CLOCK_OFFSET": str(folder / "offset")}


def test_config_map_of_binary_noise(node, faults):
    (node.manifests / "noise.yaml").write_bytes(bytes(range(256)) * 64)
    faults.add()
    node.apply("good.yaml", pod("good"), config_map("conf", k="v"))
    node.wait_ready("good")
    node.wait_for(lambda: "not UTF-8 text" in node.explain("noise.yaml"), what="explain names the cause")
