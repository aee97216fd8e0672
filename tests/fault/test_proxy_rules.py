"""Writing Service rules fails, hangs or finds the lock held, or somebody flushes them: what worked goes on working, status,
log and metrics name the reason, and everything is right once the trouble is over."""

import fcntl
import json
import os
import re
import shutil

import pytest

from harness import paths
from harness.manifests import deployment, service, testapp
from harness.node import is_ready

# iptables-restore under the test's control.
SHIM = """#!/bin/sh
case "$(cat {folder}/mode)" in
  fail) echo "iptables-restore: scripted failure" >&2; exit 2;;
  hang) touch {folder}/hangs; exec sleep 600;;
esac
exec {real} "$@"
"""
PROXY = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"}
SOON = {**PROXY, "iptables": {"syncPeriod": "1s"}}


class Restore:
    """The agent's iptables, from a folder that comes first in its PATH."""

    def __init__(self, node, variant: str = ""):
        self.node, self.folder = node, node.folder / "iptables"
        self.folder.mkdir()
        self.mode("ok")
        for tool in ("", "-save", "-restore"):
            real = shutil.which(f"iptables{variant}{tool}")
            script = SHIM if tool == "-restore" else "#!/bin/sh\nexec {real} \"$@\"\n"
            (self.folder / f"iptables{tool}").write_text(script.format(folder=self.folder, real=real))
            (self.folder / f"iptables{tool}").chmod(0o755)
        node.agent.stop()
        node.agent.env["PATH"] = f"{self.folder}:{os.environ['PATH']}"
        node.agent.env["XTABLES_LOCKFILE"] = str(self.folder / "lock")
        node.agent.start()

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def hangs(self) -> bool:
        return (self.folder / "hangs").exists()


def family(node) -> dict:
    return json.loads(node.cli("status", "-o", "json").stdout)["proxy"]["families"][0]


def metric(node, name: str) -> float:
    text = node.fetch("http://127.0.0.1:10249/metrics").stdout
    return float(re.search(rf'^{name}{{ip_family="IPv4"}} (\S+)$', text, re.M).group(1))


def serve(node, *names: str) -> list[str]:
    """Makes Services of those names, all of one pod, and gives back their URLs."""
    node.apply("svc.yaml", *(service(name, {"port": 80, "targetPort": 8080}, selector={"app": "web"}) for name in names))
    node.wait_for(lambda: set(names) <= set(node.services()), what=f"Services {names}")
    return [f"http://{node.services()[name]['spec']['clusterIP']}/hostname" for name in names]


@pytest.fixture
def first(node):
    """The URL of a Service that answers."""
    node.apply("pods.yaml", deployment("web", 1, testapp("--http", 8080)))
    node.wait_for(lambda: (pods := list(node.pods().values())) and all(map(is_ready, pods)), what="the pod")
    [url] = serve(node, "web")
    node.wait_for(lambda: node.fetch(url), what="the Service answers")
    return url


@pytest.mark.agent(config=[SOON])
def test_failing_restore(node, first, faults):
    restore = Restore(node)
    node.wait_for(lambda: family(node)["fullSyncs"], what="rules are written")
    restore.mode("fail")
    faults.add()
    _, late = serve(node, "web", "late")
    node.wait_for(lambda: "scripted failure" in family(node).get("lastError", ""), what="the status names the failure")
    assert node.fetch(first) and node.fetch(late, check=False).returncode != 0
    assert "scripted failure" in node.agent.log_text()
    assert metric(node, "kubeproxy_sync_proxy_rules_iptables_restore_failures_total") >= 1
    assert "scripted failure" in node.cli("explain", "service", "late").stdout
    restore.mode("ok")
    node.wait_for(lambda: node.fetch(late), 15, "the new Service answers once writing works")
    node.wait_for(lambda: "lastError" not in family(node), what="the status is good again")


@pytest.mark.agent(config=[SOON])
def test_hanging_restore_is_given_up(node, first, faults):
    restore = Restore(node)
    node.wait_for(lambda: family(node)["fullSyncs"], what="rules are written")
    restore.mode("hang")
    faults.add()
    _, late = serve(node, "web", "late")
    node.wait_for(restore.hangs, what="the restore hangs")
    restore.mode("ok")
    assert node.fetch(first) and node.cli("get", "pods", timeout=3)
    node.wait_for(lambda: node.fetch(late), 60, "the new Service answers after the time limit")
    assert metric(node, "kubeproxy_sync_proxy_rules_iptables_restore_failures_total") == 1
    assert "timed out" in node.agent.log_text()


@pytest.mark.agent(config=[SOON])
def test_lock_held_by_another(node, first, faults):
    restore = Restore(node, "-legacy")
    try:
        node.wait_for(lambda: family(node)["fullSyncs"], what="rules are written")
        assert family(node)["backend"] == "iptables-legacy"
        with open(restore.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            faults.add()
            _, late = serve(node, "web", "late")
            node.wait_for(lambda: family(node)["failures"], 20, "the failure is counted")
            assert "lock" in family(node)["lastError"] and "lock" in node.agent.log_text()
            assert node.fetch(first)
        node.wait_for(lambda: node.fetch(late), 20, "the new Service answers once the lock is free")
    finally:
        node.agent.stop()
        env = {**os.environ, **node.agent.env}
        node.network.run(paths.BIN / "keelson", "proxy", "--cleanup", env=env)
        assert "KUBE-SVC" not in node.network.run("iptables-legacy-save").stdout
        node.agent.env.clear()
        node.agent.start()


@pytest.mark.agent(config=[SOON])
def test_rules_flushed_by_somebody_else(node, first, faults):
    before = family(node)["fullSyncs"]
    # In one transaction: the agent, which looks every second, may else see the first flushed and write before the last is.
    node.network.run("nft", "; ".join(f"delete table ip {table}" for table in ("mangle", "nat", "filter")))
    faults.add()
    node.wait_for(lambda: family(node)["fullSyncs"] > before, 15, "everything is written again")
    node.wait_for(lambda: node.fetch(first), 5, "the Service answers again")
    assert "somebody flushed the rules" in node.agent.log_text()
    full = metric(node, "kubeproxy_sync_full_proxy_rules_duration_seconds_count")
    assert full == before + 1
