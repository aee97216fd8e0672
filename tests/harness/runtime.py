"""A private containerd: Debian's 1.6, or 2.2 built with Go into build/tools. State below one folder, nothing global."""

import os
import pathlib
import shutil
import signal
import subprocess

import grpc

from . import paths
from .process import Process, run, wait_for

CONFIG = """version = 2
root = "{dir}/root"
state = "{dir}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.blockfile", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{dir}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = {restricted}
  sandbox_image = "docker.io/local/pause:1"
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{dir}/cni-bin"
    conf_dir = "{cni_conf}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
      BinaryName = "{dir}/crun"
"""


# crun refuses cgroup v1 beside a v2 mount that has a controller left: it gets a mount namespace without that mount.
# The calls are kept for tests that ask which runtime a pod has.
CRUN_WRAPPER = """#!/bin/sh
echo "$*" >> "${0%/*}/crun.calls"
grep -qs . /sys/fs/cgroup/unified/cgroup.controllers || exec crun "$@"
exec unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec crun "$@"' crun "$@"
"""


def available(version: str) -> bool:
    return version == "1.6" or all((paths.TOOLS / name).exists() for name in ("containerd", "runc"))


def can_lower_oom_score() -> bool:
    """CAP_SYS_RESOURCE, without which a negative oom_score_adj is refused and containerd must be told so."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 24 & 1)
    return False


class Containerd:
    """Starts at once; `enter` wraps its command line (nsenter for a network namespace, or nothing)."""

    def __init__(
        self, folder: pathlib.Path, cni_conf: pathlib.Path, version: str = "1.6", enter=lambda *command: list(command)
    ):
        self.folder, self.version, self.enter = folder, version, enter
        self.bin = paths.TOOLS if version != "1.6" else pathlib.Path("/usr/bin")
        self.socket = folder / "containerd.sock"
        self.endpoint = f"unix://{self.socket}"
        self.process: Process | None = None
        self.was_killed = False
        (folder / "cni-bin").mkdir(parents=True, exist_ok=True)
        cni_conf.mkdir(parents=True, exist_ok=True)
        (folder / "containerd.toml").write_text(
            CONFIG.format(
                dir=folder,
                cni_conf=cni_conf,
                restricted="false" if can_lower_oom_score() else "true",
                runc=self.bin / "runc",
            )
        )
        (folder / "crun").write_text(CRUN_WRAPPER)
        (folder / "crun").chmod(0o755)
        for plugin in (*paths.CNI_BIN.iterdir(), paths.BIN / "keelson-cni"):
            link = folder / "cni-bin" / plugin.name
            if not link.is_symlink():
                link.symlink_to(plugin)
        self.start()

    def start(self) -> None:
        env = {"PATH": f"{self.bin}:{os.environ['PATH']}"}
        self.process = Process(
            self.enter(self.bin / "containerd", "--config", self.folder / "containerd.toml"),
            self.folder / "containerd.log",
            env=env,
        )
        wait_for(self._answers, 30, "containerd answers")

    def _answers(self) -> bool:
        if not self.process.running():
            raise RuntimeError(f"containerd ended:\n{self.process.log_text()[-2000:]}")
        return self.socket.exists() and self.ctr("version", check=False).returncode == 0

    def kill(self) -> None:
        """As by the OOM killer: containerd goes, containers and their shims stay."""
        self.was_killed = True
        self.process.stop(signal.SIGKILL)

    def ctr(self, *args, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess:
        return run(self.bin / "ctr", "-a", self.socket, "-n", "k8s.io", *args, check=check, timeout=timeout)

    def import_images(self, names: list[str]) -> None:
        for name in names:
            self.ctr("images", "import", paths.IMAGES / f"{name}.tar")

    def containers(self) -> list[str]:
        return self.ctr("containers", "ls", "-q").stdout.split()

    def cri(self, rpc: str, request: bytes = b"") -> bytes:
        """One call of CRI's RuntimeService, in bytes, so that no generated code is needed."""
        with grpc.insecure_channel(self.endpoint) as channel:
            return channel.unary_unary(f"/runtime.v1.RuntimeService/{rpc}")(request, timeout=30)

    def unknown_to_cri(self) -> list[str]:
        """Of containers() those that CRI lists neither as container nor as sandbox."""
        known = self.cri("ListContainers") + self.cri("ListPodSandbox")
        return [name for name in self.containers() if name.encode() not in known]

    def start_container(self, container: str) -> None:
        """CRI's StartContainer, as no agent would call it; a grpc.RpcError tells that it failed."""
        self.cri("StartContainer", b"\x0a" + bytes([len(container)]) + container.encode())  # container_id is field 1

    def remove(self, *names: str) -> None:
        """The tasks of these containers, where there are any, and then the containers."""
        for verb in (("tasks", "rm", "-f"), ("containers", "rm")):
            for name in names:
                self.ctr(*verb, name, check=False)

    def running_tasks(self) -> dict[str, int]:
        lines = [line.split() for line in self.ctr("tasks", "ls").stdout.splitlines()[1:]]
        return {words[0]: int(words[1]) for words in lines if words[2] == "RUNNING"}

    def namespaces(self) -> list[str]:
        """Pod network namespaces that the runtime holds, as paths."""
        return [str(path) for path in self.folder.glob("state/**/netns/*")]

    def destroy(self) -> None:
        """Ends everything that was started through this containerd, and the daemon itself. Safe to call at any moment."""
        if self.process and self.process.running() and self.socket.exists():
            self.remove(*self.ctr("containers", "ls", "-q", check=False).stdout.split())
        if self.process:
            self.process.stop()
        self._kill_shims()

    def _kill_shims(self) -> None:
        """Shims outlive containerd on purpose; ours are those whose command line names our socket."""
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (proc / "cmdline").read_bytes()
                if b"containerd-shim" not in command or str(self.socket).encode() not in command:
                    continue
                children = [int(pid) for task in proc.glob("task/*/children") for pid in task.read_text().split()]
                for pid in [*children, int(proc.name)]:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue


def unmount_below(folder: pathlib.Path) -> list[str]:
    """Unmounts everything mounted below the folder, innermost first; the paths found."""
    found = mounts_below(folder)
    for path in reversed(found):
        run("umount", "-l", path, check=False)
    return found


def mounts_below(folder: pathlib.Path) -> list[str]:
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in points if point.startswith(f"{folder}/")]


def remove_folder(folder: pathlib.Path) -> None:
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)
