"""A CNI plugin that fails, asks to be called again, hangs, or cannot delete: nothing leaks, others go on, it recovers."""

import json

import pytest

from harness.manifests import pod, testapp
from harness.node import bridge_conflist, is_ready
from harness.plugin import Plugin

@pytest.fixture
def plugin(node):
    plugin = Plugin(node)
    yield plugin
    plugin.mode("ok")


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("mode,words", [("fail", ["scripted failure 100", "scripted"]), ("garbage", ["scripted"])])
def test_failed_add_is_rolled_back_explained_and_tried_again(node, plugin, mode, words):
    plugin.mode(mode)
    node.apply("web.yaml", pod("web"))
    node.wait_for(lambda: all(word in node.explain("web") for word in words), what=f"explain names {words}")
    node.wait_for(lambda: plugin.calls("DEL") >= 1, what="DEL after the failed ADD")
    node.apply("host.yaml", pod("host", testapp("--http", 8099), hostNetwork=True))
    node.wait_ready("host")
    plugin.mode("ok")
    node.wait_ready("web", timeout=45)
    assert plugin.addresses() == [node.pod("web")["status"]["podIP"]], "addresses of failed attempts are freed"


def test_code_eleven_is_called_again_within_the_same_add(node, plugin):
    plugin.mode("again")
    node.apply("web.yaml", pod("web"))
    node.wait_for(lambda: plugin.calls("ADD") >= 2, what="a second call")
    plugin.mode("ok")
    node.wait_ready("web", timeout=30)
    assert len(plugin.addresses()) == 1


def test_hanging_plugin_holds_up_its_own_pod_only(node, plugin):
    node.apply("before.yaml", pod("before"))
    node.wait_ready("before")
    plugin.mode("hang")
    node.apply("stuck.yaml", pod("stuck"))
    node.wait_for(lambda: plugin.calls("ADD") == 2, what="the plugin hangs")
    node.apply("host.yaml", pod("host", testapp("--http", 8099), hostNetwork=True))
    node.wait_ready("host")
    assert "before" in node.cli("get", "pods", timeout=3).stdout and not is_ready(node.pod("stuck"))
    plugin.mode("ok")
    node.wait_ready("stuck", timeout=30)


def test_agent_killed_while_a_plugin_hangs(node, plugin):
    plugin.mode("hang")
    node.apply("stuck.yaml", pod("stuck"))
    node.wait_for(lambda: plugin.calls("ADD") == 1, what="the plugin hangs")
    node.agent.kill()
    plugin.mode("ok")
    node.agent.start()
    node.wait_ready("stuck", timeout=45)
    node.wait_for(
        lambda: plugin.addresses() == [node.pod("stuck")["status"]["podIP"]], 20, "only the living pod has an address"
    )


def test_pod_removed_while_its_plugin_hangs(node, plugin):
    plugin.mode("hang")
    node.apply("stuck.yaml", pod("stuck"))
    node.wait_for(lambda: plugin.calls("ADD") == 1, what="the plugin hangs")
    node.remove("stuck.yaml")
    plugin.mode("ok")
    node.wait_gone("stuck")
    node.wait_for(lambda: not plugin.addresses(), what="no address kept")


def test_failing_delete_is_tried_again_until_it_works(node, plugin):
    node.apply("web.yaml", pod("web"))
    node.wait_ready("web")
    plugin.mode("fail-del")
    node.remove("web.yaml")
    node.wait_for(lambda: plugin.calls("DEL") >= 1, what="a failed DEL")
    plugin.mode("ok")
    node.wait_gone("web", timeout=60)
    node.wait_for(lambda: not plugin.addresses(), what="the address is freed")


def test_broken_configuration_file_beside_a_good_one(node):
    (node.net_d / "00-broken.conflist").write_text("{ not json")
    node.apply("web.yaml", pod("web"))
    node.wait_for(lambda: "00-broken.conflist" in node.agent.log_text(), what="the log names the file")
    (node.net_d / "00-broken.conflist").unlink()
    node.wait_ready("web", timeout=30)


def test_plugin_that_is_not_installed_is_named(node):
    conflist = bridge_conflist(node.ipam)
    node.conflist({**conflist, "plugins": [*conflist["plugins"], {"type": "not-here"}]})
    node.wait_for(lambda: "plugins=3" in node.agent.log_text(), what="the agent reads the new chain")
    node.apply("web.yaml", pod("web"))
    node.wait_for(lambda: "not-here" in node.explain("web"), what="explain names the plugin")
    node.conflist(conflist)
    node.wait_ready("web", timeout=45)
    assert json.loads((node.net_d / "10-pods.conflist").read_text())["plugins"][-1]["type"] == "portmap"
