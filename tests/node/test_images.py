"""Pulling from a registry on the loopback of the node: policies, credentials, a missing or slow one, backoff."""

import json
import signal

import pytest

from harness.manifests import pod
from harness.node import container_status, is_ready, kubelet_config, waiting_reason
from harness.registry import PASSWORD, USER, Registry, pull_secret, silent_registry


@pytest.fixture
def registry(node, request):
    registry = Registry(node, auth=request.node.get_closest_marker("registry_auth") is not None)
    yield registry
    registry.close()


def pulling(image: str, policy: str | None = None) -> dict:
    return {
        "name": "app",
        "image": f"127.0.0.1:5000/{image}",
        "args": ["--http", "8080"],
        **({"imagePullPolicy": policy} if policy else {}),
    }


@pytest.mark.runtimes("1.6", "2.2")
def test_image_is_pulled_and_reported(node, registry):
    registry.push("app:1")
    node.apply("web.yaml", pod("web", pulling("app:1")))
    [web] = node.wait_ready("web")
    status = container_status(web)
    assert status["image"] == "127.0.0.1:5000/app:1" and "sha256:" in status["imageID"]
    assert "pull" in node.explain("web").lower()


def test_missing_image_backs_off_and_recovers(node, registry):
    node.apply("web.yaml", pod("web", pulling("late:1")))
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    web = node.wait_pod("web", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
    assert web["status"]["phase"] == "Pending"
    node.wait_pod("web", lambda found: waiting_reason(found) == "ImagePullBackOff")
    assert "127.0.0.1:5000/late:1" in node.explain("web")
    node.wait_for(lambda: "ImagePullBackOff" in node.cli("get", "pods").stdout, what="get pods tells, too")
    registry.push("late:1")
    node.wait_ready("web", timeout=45)


def test_registry_that_is_down_is_tried_again(node, registry):
    registry.push("app:1")
    registry.stop()
    node.apply("web.yaml", pod("web", pulling("app:1")))
    node.wait_pod("web", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
    registry.start()
    node.wait_ready("web", timeout=45)


def test_pull_policies(node, registry):
    registry.push("app:1")
    node.apply("web.yaml", pod("web", pulling("app:1", "Always")))
    node.wait_ready("web")
    registry.stop()
    node.apply("kept.yaml", pod("kept", pulling("app:1", "IfNotPresent")), pod("never", pulling("app:1", "Never")))
    node.apply("always.yaml", pod("always", pulling("app:1", "Always")))
    node.wait_ready("kept", "never")
    node.wait_pod("always", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
    assert is_ready(node.pod("web"))


def test_tag_latest_is_the_default_and_always_pulled(node, registry):
    registry.push("app:latest")
    node.apply("web.yaml", pod("web", pulling("app")))
    node.wait_ready("web")
    registry.stop()
    node.apply("again.yaml", pod("again", pulling("app")))
    node.wait_pod("again", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))


def with_secrets(name: str, image: str, *secrets: str) -> dict:
    return pod(name, pulling(image), imagePullSecrets=[{"name": secret} for secret in secrets])


@pytest.mark.registry_auth
@pytest.mark.runtimes("1.6", "2.2")
def test_pull_secrets(node, registry):
    """Both kinds of Secret; a missing one among them is told and does no harm; another registry's does not help."""
    for image in ("a:1", "b:1", "c:1"):
        registry.push(image)
    other = pull_secret("other", location="registry.example")
    node.apply("secrets.yaml", pull_secret("new"), pull_secret("old", legacy=True), other)
    node.apply("a.yaml", with_secrets("a", "a:1", "new"))
    node.apply("b.yaml", with_secrets("b", "b:1", "gone", "old"))
    node.apply("c.yaml", with_secrets("c", "c:1", "other"))
    node.wait_ready("a", "b")
    told = node.explain("b")
    assert "FailedToRetrieveImagePullSecret" in told
    assert "Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed." in told
    node.wait_pod("c", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
    assert PASSWORD not in node.agent.log_text()


@pytest.mark.registry_auth
@pytest.mark.runtimes("1.6", "2.2")
def test_an_image_pulled_with_a_secret_is_not_for_everybody(node, registry):
    """That it is here already helps only pods with such credentials, and an agent that starts anew knows that, too."""

    def using(name: str, policy: str, *secrets: str) -> dict:
        made = with_secrets(name, "private:1", *secrets)
        made["spec"]["containers"][0]["imagePullPolicy"] = policy
        return made

    registry.push("private:1")
    node.apply("secrets.yaml", pull_secret("mine"), pull_secret("copy"), pull_secret("wrong", "no"))
    node.apply("first.yaml", using("first", "IfNotPresent", "mine"))
    node.wait_ready("first")
    for restarted in (False, True):
        if restarted:
            node.agent.process.stop(signal.SIGKILL)
            node.agent.start()
        end = "2" if restarted else "1"
        node.apply("bare.yaml", using("bare" + end, "IfNotPresent"), using("wrong" + end, "IfNotPresent", "wrong"))
        node.apply("never.yaml", using("never" + end, "Never"))
        node.apply("copy.yaml", using("copy" + end, "Never", "copy"))
        node.wait_ready("copy" + end)
        for name in ("bare", "wrong"):
            node.wait_pod(name + end, lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
        node.wait_pod("never" + end, lambda found: waiting_reason(found) == "ErrImageNeverPull")


def credential_provider(node, name: str, script: str, images: str = "127.0.0.1:5000") -> list:
    """A plugin of the node, and the flags that name it."""
    folder = node.folder / "providers"
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    version = "credentialprovider.kubelet.k8s.io/v1"
    provider = {"name": name, "matchImages": [images], "defaultCacheDuration": "1h", "apiVersion": version}
    config = {"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [provider]}
    (node.folder / "providers.yaml").write_text(json.dumps(config))
    flags = {"config": node.folder / "providers.yaml", "bin-dir": folder}
    return [f"--image-credential-provider-{flag}={value}" for flag, value in flags.items()]


@pytest.mark.registry_auth
@pytest.mark.agent(start=False)
def test_a_credential_provider_is_asked(node, registry):
    """It knows what no Secret says; while it takes its time, explain says so; it is asked once for two pods."""
    for image in ("a:1", "b:1"):
        registry.push(image)
    answer = {
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "kind": "CredentialProviderResponse",
        "cacheKeyType": "Registry",
        "auth": {"127.0.0.1:5000": {"username": USER, "password": PASSWORD}},
    }
    gate, asked = node.folder / "gate", node.folder / "asked"
    script = f"cat >> {asked}; echo >> {asked}; while [ ! -e {gate} ]; do sleep 0.1; done; echo '{json.dumps(answer)}'"
    node.agent.flags += credential_provider(node, "cloud", script)
    node.agent.start()
    node.apply("a.yaml", pod("a", pulling("a:1")))
    waits = "the credential provider cloud is asked for credentials"
    node.wait_for(lambda: waits in node.explain("a"), what="explain names the provider")
    gate.touch()
    node.wait_ready("a")
    node.apply("b.yaml", pod("b", pulling("b:1")))
    node.wait_ready("b")
    [request] = [json.loads(line) for line in asked.read_text().splitlines()]
    assert (request["kind"], request["image"]) == ("CredentialProviderRequest", "127.0.0.1:5000/a")
    assert PASSWORD not in node.agent.log_text()


@pytest.mark.registry_auth
@pytest.mark.agent(start=False)
def test_a_credential_provider_that_fails(node, registry):
    """The pull is tried without, and the log says why; a configuration that makes no sense ends the agent at once."""
    registry.push("a:1")
    node.agent.flags += credential_provider(node, "cloud", "echo no role >&2; exit 3")
    node.agent.start()
    node.apply("a.yaml", pod("a", pulling("a:1")))
    node.wait_pod("a", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
    assert 'error="exit code 3: no role"' in node.agent.log_text()
    node.agent.stop()
    (node.folder / "providers" / "cloud").unlink()
    node.agent.start(wait=False)
    node.wait_for(lambda: not node.agent.running(), what="the agent ends")
    assert f"provider cloud: {node.folder}/providers/cloud: No such file or directory" in node.agent.log_text()
    credential_provider(node, "cloud", "exit 0")
    node.agent.start()


@pytest.mark.registry_auth
def test_a_pull_secret_that_comes_late_is_used_at_once(node, registry):
    registry.push("late:1")
    node.apply("web.yaml", with_secrets("web", "late:1", "mine"))
    node.wait_pod("web", lambda found: waiting_reason(found) in ("ErrImagePull", "ImagePullBackOff"))
    node.apply("wrong.yaml", pull_secret("mine", "no"))
    node.wait_for(lambda: "Unable to retrieve" in node.explain("web"), what="the missing secret is told")
    node.apply("wrong.yaml", pull_secret("mine"))
    node.wait_ready("web", timeout=8)  # sooner than any backoff


@pytest.mark.agent(config=[kubelet_config(maxParallelImagePulls=1)])
def test_a_registry_that_hangs_blocks_no_other(node, registry):
    """With one pull at a time from each registry; what is waited for is told, also of a pull that waits for its turn."""
    registry.push("app:1")
    silent = silent_registry(node, 5001)
    try:
        stuck = {**pulling("x:1"), "image": "127.0.0.1:5001/x:1"}
        node.apply("stuck.yaml", pod("stuck", stuck), pod("queued", {**stuck, "image": "127.0.0.1:5001/y:1"}))
        node.wait_for(lambda: "being pulled from 127.0.0.1:5001" in node.explain("stuck") + node.explain("queued"))
        node.wait_for(lambda: "other images are being pulled" in node.explain("stuck") + node.explain("queued"))
        node.apply("good.yaml", pod("good", pulling("app:1")))
        node.wait_ready("good")
        node.remove("stuck.yaml")
        node.wait_gone("stuck", "queued")
    finally:
        silent.stop()
