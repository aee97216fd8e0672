"""Pulling from a registry on the loopback of the node: policies, a missing image, backoff and recovery."""

import pytest

from harness import paths
from harness.manifests import pod
from harness.node import container_status, is_ready, waiting_reason
from harness.process import Process, wait_for

REGISTRY = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:5000"}}
"""


class Registry:
    """docker-registry on 127.0.0.1:5000 of the node's network namespace; runtimes speak plain HTTP to the loopback."""

    def __init__(self, node):
        self.node, self.folder = node, node.folder / "registry"
        self.folder.mkdir()
        (self.folder / "config.yml").write_text(REGISTRY.format(root=self.folder / "data"))
        self.start()

    def start(self) -> None:
        self.process = Process(
            self.node.network.enter("docker-registry", "serve", self.folder / "config.yml"), self.folder / "log"
        )
        wait_for(lambda: self.node.fetch("http://127.0.0.1:5000/v2/"), what="the registry answers")

    def stop(self) -> None:
        self.process.stop()

    def push(self, name: str, image: str = "testapp") -> None:
        self.node.network.run(
            "skopeo",
            "copy",
            "--insecure-policy",
            "--dest-tls-verify=false",
            f"docker-archive:{paths.IMAGES / image}.tar",
            f"docker://127.0.0.1:5000/{name}",
        )


@pytest.fixture
def registry(node):
    registry = Registry(node)
    yield registry
    registry.stop()
    for name in node.containerd.ctr("images", "ls", "-q").stdout.split():
        if name.startswith("127.0.0.1:5000/"):
            node.containerd.ctr("images", "rm", name, check=False)


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
    assert "127.0.0.1:5000/late:1" in node.explain("web") and "ImagePullBackOff" in node.cli("get", "pods").stdout
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
