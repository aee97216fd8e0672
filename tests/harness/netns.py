"""A node's network namespace with an outside world: a client namespace joined by a veth pair, so that NodePorts and
ClusterIPs can be reached from beyond the node. Addresses need not be unique, they live in the namespaces."""

import pathlib

from .process import run

NODE_IP = "192.168.77.2"
CLIENT_IP = "192.168.77.1"
NODE_IP6 = "fd00:77::2"
CLIENT_IP6 = "fd00:77::1"
IPV6 = pathlib.Path("/proc/net/if_inet6").exists()


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
        ends = ((self.node, NODE_IP, CLIENT_IP, NODE_IP6, CLIENT_IP6), (self.client, CLIENT_IP, NODE_IP, CLIENT_IP6, NODE_IP6))
        for netns, own, other, own6, other6 in ends:
            self.run("ip", "link", "set", "lo", "up", netns=netns)
            self.run("ip", "addr", "add", f"{own}/24", "dev", "eth0", netns=netns)
            self.run("ip", "link", "set", "eth0", "up", netns=netns)
            self.run("ip", "route", "add", "default", "via", other, netns=netns)
            # The default route leads back to where packets come from. The kernel remembers what redirects it has sent in the
            # place where it counts its ICMP errors, and with enough of them sends none of those any more.
            for device in ("all", "eth0"):
                self.run("sysctl", "-qw", f"net.ipv4.conf.{device}.send_redirects=0", netns=netns)
            if IPV6:
                self.run("ip", "addr", "add", f"{own6}/64", "dev", "eth0", "nodad", netns=netns)
                self.run("ip", "route", "add", "default", "via", other6, netns=netns)

    def enter(self, *command, netns: str | None = None) -> list:
        """The command line that runs `command` in the namespace; mounts stay the machine's, unlike with ip netns exec."""
        return ["nsenter", f"--net=/run/netns/{netns or self.node}", *map(str, command)]

    def run(self, *command, netns: str | None = None, **options):
        return run(*self.enter(*command, netns=netns), **options)

    def delete(self) -> None:
        for name in (self.node, self.client):
            run("ip", "netns", "del", name, check=False)
