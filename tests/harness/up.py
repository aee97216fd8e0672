"""`./dev up`: runs an example on this machine, shows that it works, stays until Ctrl-C, and takes all of it away again."""

import argparse
import ipaddress
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from harness import paths  # noqa: E402
from harness.agent import Agent  # noqa: E402
from harness.node import bridge_conflist, is_ready  # noqa: E402
from harness.process import run, wait_for  # noqa: E402
from harness.runtime import Containerd, mounts_below, remove_folder  # noqa: E402

BRIDGE = "keelson0"
GUESTBOOK_DATA = pathlib.Path("/var/lib/guestbook-data")
IMAGES = ["pause", "busybox", "guestbook-web", "guestbook-db"]
SYSCTLS = [
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
]


def say(text: str) -> None:
    print(f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)


def free_ranges() -> tuple[str, str]:
    """Two /16 for pods and Services that no route and no address of this machine touches."""
    taken = []
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "all").stdout or "[]"):
        if route["dst"] != "default":
            taken.append(ipaddress.ip_network(route["dst"], strict=False))
    wanted = (
        ipaddress.ip_network(f"10.{second}.0.0/16") for second in (213, 217, 219, 221, 227, 229, 231, 237, 239, 243)
    )
    free = [str(network) for network in wanted if not any(network.overlaps(other) for other in taken)]
    if len(free) < 2:
        raise SystemExit("dev up: no free /16 for pods and Services among the candidates")
    return free[0], free[1]


def node_address() -> str:
    """The address that this machine uses towards the world, or its first global one."""
    found = run("ip", "-j", "-4", "route", "get", "192.0.2.200", check=False)
    if (
        found.returncode == 0
        and (source := json.loads(found.stdout)[0].get("prefsrc"))
        and not source.startswith("127.")
    ):
        return source
    for link in json.loads(run("ip", "-j", "-4", "addr", "show", "scope", "global").stdout):
        for address in link.get("addr_info", []):
            return address["local"]
    raise SystemExit("dev up: this machine has no IPv4 address besides the loopback")


class Stage:
    """What `up` makes; down() takes it away and tells what it could not."""

    def __init__(self, args):
        self.args = args
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-up-", dir="/var/tmp"))
        self.pods, self.services = free_ranges()
        self.address = node_address()
        self.sysctls = {
            name: pathlib.Path("/proc/sys", name).read_text().strip()
            for name in SYSCTLS
            if pathlib.Path("/proc/sys", name).exists()
        }
        self.portmap_was_there = "CNI-HOSTPORT" in run("iptables-save", "-t", "nat").stdout
        self.had_data = GUESTBOOK_DATA.exists()
        self.containerd = self.agent = None

    def up(self) -> None:
        shim = self.folder / "shim.d"
        flags = []
        if self.args.runtime:
            flags, endpoint = ["--cni", "auto"], self.args.runtime
        else:
            say("starting containerd and importing images")
            self.containerd = Containerd(self.folder / "ctrd", shim)
            self.containerd.import_images(IMAGES)
            flags, endpoint = ["--install-cni-shim", shim], self.containerd.endpoint
        net_d = self.folder / "net.d"
        net_d.mkdir()
        conflist = bridge_conflist(self.folder / "ipam", bridge=BRIDGE, subnet=self.pods, name="keelson-up")
        (net_d / "10-bridge.conflist").write_text(json.dumps(conflist, indent=2))
        flags += [
            "--pod-logs-dir",
            self.folder / "logs" / "pods",
            "--container-logs-dir",
            self.folder / "logs" / "containers",
        ]
        command = [
            "--root-dir",
            self.folder / "root",
            "--cni-conf-dir",
            net_d,
            "--cni-bin-dir",
            paths.CNI_BIN,
            "--cni-socket",
            self.folder / "cni.sock",
            "--container-runtime-endpoint",
            endpoint,
            "--node-ip",
            self.address,
            "--cluster-cidr",
            self.pods,
            "--service-cidr",
            self.services,
            *flags,
        ]
        self.agent = Agent(self.folder, ["--manifests", self.args.manifests, *command])
        say(f"keelson run --manifests {self.args.manifests}")
        self.agent.start()

    def wait_ready(self) -> None:
        start, last = time.monotonic(), ""

        def ready() -> bool:
            nonlocal last
            pods = self.agent.list("pods")
            now = f"{sum(map(is_ready, pods))} of {len(pods)} pods ready"
            if now != last:
                print(f"  {time.monotonic() - start:5.1f} s  {now}", flush=True)
                last = now
            return bool(pods) and all(is_ready(pod) or pod["status"].get("phase") == "Succeeded" for pod in pods)

        try:
            wait_for(ready, 60, "all pods Ready")
        except AssertionError:
            print(self.agent.cli("get", "pods", check=False).stdout)
            for pod in self.agent.list("pods"):
                if not is_ready(pod):
                    print(self.agent.cli("explain", pod["metadata"]["name"], check=False).stdout)
            raise
        say(f"ready after {time.monotonic() - start:.1f} s")

    def show(self) -> None:
        for command in (["get", "pods", "-o", "wide"], ["get", "services"]):
            say(f"keelson {' '.join(command)}")
            print(self.agent.cli(*command).stdout, end="")
        for service in self.agent.list("services"):
            port = service["spec"]["ports"][0]
            if "nodePort" not in port:
                continue
            cluster, node = (
                f"http://{service['spec']['clusterIP']}:{port['port']}/",
                f"http://{self.address}:{port['nodePort']}/",
            )
            wait_for(lambda: run("curl", "-sSf", "--max-time", "3", cluster), 10, "the Service answers")
            run(
                "curl",
                "-sSf",
                "--max-time",
                "3",
                "-d",
                f"entry=hello from ./dev up, {time.strftime('%H:%M:%S')}",
                cluster,
            )
            for url in (cluster, node):
                say(f"curl {url}")
                print(run("curl", "-sSf", "--max-time", "3", url).stdout, end="")

    def stay(self) -> None:
        say("running; Ctrl-C ends it and cleans up. In another shell:")
        print(
            f"  export KEELSON_SOCKET={self.agent.socket} PATH={paths.BIN}:$PATH\n"
            f"  keelson get pods; keelson explain POD; keelson logs POD\n"
            f"  edit {self.args.manifests} and watch; the log is {self.agent.log}"
        )
        self.agent.process.popen.wait()
        raise AssertionError(f"keelson ended by itself:\n{self.agent.log_text()[-3000:]}")

    def down(self) -> list[str]:
        """`keelson cleanup` takes down what the agent made; what up() made besides is removed here."""
        say("cleaning up")
        left = []
        if self.agent:
            self.agent.stop()
            done = self.agent.cleanup()
            left += [f"keelson cleanup: {done.stderr}"] if done.returncode else []
            left += [f"container: {name}" for name in (self.containerd.containers() if self.containerd else [])]
        if self.containerd:
            self.containerd.destroy()
        run("ip", "link", "del", BRIDGE, check=False)
        self._remove_portmap_chains()
        if not self.had_data:
            shutil.rmtree(GUESTBOOK_DATA, ignore_errors=True)
        for name, value in self.sysctls.items():
            path = pathlib.Path("/proc/sys", name)
            if path.exists() and path.read_text().strip() != value:
                path.write_text(value)
        left += [f"mount: {path}" for path in mounts_below(self.folder)]
        left += [f"rule: {line}" for line in run("iptables-save").stdout.splitlines() if line.startswith(":KUBE-")]
        remove_folder(self.folder)
        return left

    def _remove_portmap_chains(self) -> None:
        """The portmap plugin keeps its top chains for good; where it had none before, they are ours to remove."""
        if self.portmap_was_there:
            return
        rules = run("iptables-save", "-t", "nat").stdout.splitlines()
        for line in rules:
            if line.startswith("-A ") and "CNI-HOSTPORT" in line:
                run("sh", "-c", f"iptables -t nat -D {line[3:]}", check=False)
        for line in rules:
            if line.startswith(":CNI-HOSTPORT"):
                run("iptables", "-t", "nat", "-X", line[1:].split()[0], check=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev up", description=__doc__)
    parser.add_argument("--once", action="store_true", help="show, then clean up at once and exit (for CI)")
    parser.add_argument(
        "--runtime",
        metavar="ENDPOINT",
        help="use this CRI endpoint (unix:///run/containerd/containerd.sock) "
        "instead of a private containerd; the images must be there and no other agent may use it",
    )
    parser.add_argument(
        "--manifests", type=pathlib.Path, default=paths.ROOT / "examples" / "guestbook", help="the folder to run"
    )
    args = parser.parse_args()
    args.manifests = args.manifests.resolve()
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, signal.default_int_handler)
    stage, status = Stage(args), 0
    try:
        stage.up()
        stage.wait_ready()
        stage.show()
        if not args.once:
            stage.stay()
    except KeyboardInterrupt:
        print()
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"dev up: {error}", file=sys.stderr)
        if stage.agent:
            print(stage.agent.log_text()[-3000:], file=sys.stderr)
        status = 1
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, signal.SIG_IGN)  # cleaning up is not interrupted by a second Ctrl-C
    left = stage.down()
    for line in left:
        print(f"dev up: left behind: {line}", file=sys.stderr)
    return 1 if left else status


if __name__ == "__main__":
    sys.exit(main())
