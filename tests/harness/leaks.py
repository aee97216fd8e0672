"""What a node must not keep after its pods are gone, looked up at the kernel and the runtime and not at the agent."""

import pathlib

from .netns import IPV6
from .process import Timeout, wait_for
from .runtime import mounts_below


class Leaks:
    def __init__(self, node):
        self.node = node

    def after_drain(self) -> list[str]:
        """With the agent running and no manifest left: nothing of a pod may be there. Given a moment, then final."""
        try:
            wait_for(lambda: not self._of_pods(), 10, every=0.2)
        except Timeout:
            self._remove_forgotten()
        return self._of_pods()

    def _remove_forgotten(self) -> None:
        """A containerd whose client is killed inside RunPodSandbox or CreateContainer may keep a container of which its own
        CRI plugin knows nothing: no client of CRI can remove that, nor see it."""
        if self.node.agent.was_killed:
            self.node.containerd.remove(*self.node.containerd.unknown_to_cri())

    def after_cleanup(self) -> list[str]:
        """With the agent ended and `keelson cleanup` done: no rule and no mount may be there."""
        rules = [
            line
            for tool in ("iptables", *(["ip6tables"] if IPV6 else []))
            for table in ("nat", "filter", "mangle")
            for line in self.node.rules(table, tool).splitlines()
            if line.startswith((":KUBE-", "-A KUBE-")) or "-j KUBE-" in line
        ]
        rules += [line for line in self.node.nft_tables() if line.endswith(" kube-proxy")]
        return [f"rule after cleanup: {line}" for line in rules[:5]] + [
            f"mount after cleanup: {path}" for path in mounts_below(self.node.folder)
        ]

    def _of_pods(self) -> list[str]:
        node = self.node
        found = [f"container in the runtime: {name}" for name in node.containerd.containers()]
        # A containerd that is killed inside RunPodSandbox forgets the namespace it has just made.
        if not node.containerd.was_killed:
            found += [f"network namespace: {path}" for path in node.containerd.namespaces()]
        found += [f"mount: {path}" for path in mounts_below(node.root / "pods")]
        found += [f"pod folder: {path}" for path in self._list(node.root / "pods")]
        found += [
            f"address kept: {path} of {' '.join(path.read_text().split())}"
            for path in node.ipam.glob("*/*")
            if path.name != "lock" and not path.name.startswith("last_reserved_ip")
        ]
        found += [f"interface: {line.split(':')[1].strip()}" for line in self._links() if "veth" in line.split("@")[0]]
        found += self._of_services()
        found += [f"log: {path}" for folder in (node.logs_dir, node.log_links) for path in self._list(folder)]
        return found + self._of_cgroups()

    def _of_services(self) -> list[str]:
        chains = (":KUBE-SVC-", ":KUBE-SEP-", ":KUBE-EXT-", ":CNI-DN-")
        return [f"rule: {line}" for line in self.node.rules("nat").splitlines() if line.startswith(chains)]

    def _of_cgroups(self) -> list[str]:
        """Cgroups are in a tree shared by the machine; only those of our pods count."""
        patterns = [
            f"{start}kubepods/{qos}pod{uid}" for uid in self.node.uids for start in ("*/", "") for qos in ("*/", "")
        ]
        return [f"cgroup: {path}" for pattern in patterns for path in pathlib.Path("/sys/fs/cgroup").glob(pattern)]

    def _links(self) -> list[str]:
        return self.node.network.run("ip", "-o", "link").stdout.splitlines()

    @staticmethod
    def _list(folder: pathlib.Path) -> list[pathlib.Path]:
        return sorted(folder.iterdir()) if folder.is_dir() else []
