"""A node's network namespace with an outside world: a client namespace joined by a veth pair, so that NodePorts and
ClusterIPs can be reached from beyond the node. Addresses need not be unique, they live in the namespaces."""

from .process import run

NODE_IP = "192.168.77.2"
CLIENT_IP = "192.168.77.1"


class Network:
    def __init__(self, name: str):
        self.node, self.client = f"{name}-node", f"{name}-out"
        try:
            self._create()
        except BaseException:
            self.delete()
            raise

    def _create(self) -> None:
        run("ip", "netns", "add", self.node)
        run("ip", "netns", "add", self.client)
        run(
            "ip",
            "link",
            "add",
            "eth0",
            "netns",
            self.node,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.client,
        )
        for netns, own, other in ((self.node, NODE_IP, CLIENT_IP), (self.client, CLIENT_IP, NODE_IP)):
            self.run("ip", "link", "set", "lo", "up", netns=netns)
            self.run("ip", "addr", "add", f"{own}/24", "dev", "eth0", netns=netns)
            self.run("ip", "link", "set", "eth0", "up", netns=netns)
            self.run("ip", "route", "add", "default", "via", other, netns=netns)

    def enter(self, *command, netns: str | None = None) -> list:
        """The command line that runs `command` in the namespace; mounts stay the machine's, unlike with ip netns exec."""
        return ["nsenter", f"--net=/run/netns/{netns or self.node}", *map(str, command)]

    def run(self, *command, netns: str | None = None, **options):
        return run(*self.enter(*command, netns=netns), **options)

    def delete(self) -> None:
        for name in (self.node, self.client):
            run("ip", "netns", "del", name, check=False)
