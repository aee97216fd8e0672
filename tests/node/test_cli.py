"""The command line: help, version, errors, cleanup, and what `explain` tells of a pod that went well."""

import json

import pytest

from harness import paths
from harness.manifests import pod
from harness.process import run


def test_help_names_every_command():
    text = run(paths.BIN / "keelson", "--help").stdout
    for command in ("run", "get", "logs", "exec", "explain", "version", "cleanup"):
        assert command in text
    assert "--manifests" in run(paths.BIN / "keelson", "run", "--help").stdout


def test_version_without_a_daemon():
    assert run(paths.BIN / "keelson", "version", env={"KEELSON_SOCKET": "/nonexistent/socket"}).stdout.startswith(
        "keelson "
    )


def test_no_daemon_is_said_plainly(tmp_path):
    done = run(paths.BIN / "keelson", "get", "pods", "--socket", tmp_path / "none.sock", check=False)
    assert done.returncode != 0 and "none.sock" in done.stderr


def test_unknown_flag_and_bad_value_fail():
    assert run(paths.BIN / "keelson", "run", "--no-such-flag", check=False).returncode != 0
    done = run(paths.BIN / "keelson", "run", "--manifests", "/tmp", "--node-ip", "not-an-address", check=False)
    assert done.returncode != 0 and "node-ip" in done.stderr


def test_socket_is_for_root_only(node):
    assert node.agent.socket.stat().st_mode & 0o077 == 0


def test_explain_tells_the_steps_with_durations(node):
    node.apply("web.yaml", pod("web"))
    node.wait_ready("web")
    text = node.explain("web").lower()
    for word in ("sandbox", "created", "started", "ms"):
        assert word in text, word


def test_explain_of_an_unknown_pod_fails(node):
    done = node.cli("explain", "nobody", check=False)
    assert done.returncode != 0 and "nobody" in done.stderr


def test_json_output_is_a_list_of_the_api(node):
    node.apply("web.yaml", pod("web"))
    node.wait_ready("web")
    document = json.loads(node.cli("get", "pods", "-o", "json").stdout)
    assert (document["apiVersion"], document["kind"]) == ("v1", "List") or document["kind"] == "PodList"
    assert document["items"][0]["metadata"]["name"] == "web"


@pytest.mark.agent(
    config=[
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "maxPods": 50,
            "noSuchField": 1,
        },
        {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables"},
    ]
)
def test_unknown_configuration_fields_are_warned_about_by_path(node):
    assert "noSuchField" in node.agent.log_text()
    node.apply("web.yaml", pod("web"))
    node.wait_ready("web")


def test_two_agents_on_one_root_are_refused(node):
    second = run(
        *node.network.enter(paths.BIN / "keelson", "run", "--socket", node.agent.socket, *node.agent.flags),
        check=False,
        timeout=20
    )
    assert second.returncode != 0 and node.agent.running()
