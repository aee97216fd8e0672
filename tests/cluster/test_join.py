"""From a bootstrap token to a Ready node, and its certificate renewed before it ends."""

import pathlib
import time

import pytest

from harness import paths
from harness.manifests import deployment, service, testapp
from harness.plane import SERVER
from harness.process import run, wait_for


def bootstrap_kubeconfig(plane, path: pathlib.Path) -> pathlib.Path:
    return plane.pki.kubeconfig(path, f"{{token: {plane.bootstrap_token()}}}")


def expiry(certificate: pathlib.Path) -> str:
    return run("openssl", "x509", "-in", certificate, "-noout", "-enddate", "-subject").stdout


@pytest.fixture
def short_certificates(cluster):
    """The controllers sign for a minute only (their certificates are dated back by five)."""
    cluster.plane.restart("controller-manager", cluster_signing_duration="60s")
    yield
    cluster.plane.restart("controller-manager")


def test_bootstrap_to_ready_and_rotation(space, third_node, short_certificates):
    plane = space.plane
    kubeconfig = plane.folder / "joined.kubeconfig"
    credentials = ["--bootstrap-kubeconfig", bootstrap_kubeconfig(plane, plane.folder / "bootstrap.kubeconfig")]
    credentials += ["--kubeconfig", kubeconfig]
    node = third_node(credentials=credentials, config={"rotateCertificates": True})
    node.join_network()
    node.wait_ready()
    requests = plane.api.list("CertificateSigningRequest")
    first = next(item for item in requests if item["spec"]["username"].startswith("system:bootstrap:"))
    assert first["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
    assert set(first["spec"]["usages"]) == {"digital signature", "client auth"}
    assert {item["type"] for item in first["status"]["conditions"]} == {"Approved"}
    current = node.folder / "pki" / "kubelet-client-current.pem"
    assert kubeconfig.exists() and current.is_symlink()
    file = current.resolve()
    before, end = expiry(file), time.time() + expires_in(file)  # read now: of former files the node keeps one
    assert f"O = system:nodes, CN = system:node:{node.name}" in before
    # The new node serves.
    on_node = {"nodeSelector": {"kubernetes.io/hostname": node.name}}
    space.apply(service("web", {"port": 80, "targetPort": 8080}))
    space.apply(deployment("web", 3, testapp("--http", 8080), **on_node))
    space.wait_apps("web", 3)
    url = f"http://{space.get('Service', 'web')['spec']['clusterIP']}/"
    for item in (node, space.cluster.nodes[0]):
        space.wait_for(lambda: item.fetch(url), 20, f"the Service answers on {item.name}")
    # The certificate is renewed by the node itself, and the node outlives the first one.
    wait_for(lambda: current.resolve() != file, 90, "a new certificate", every=0.5)
    assert expiry(current) != before
    requests = plane.api.list("CertificateSigningRequest")
    renewals = [item for item in requests if item["spec"]["username"] == f"system:node:{node.name}"]
    assert any("certificate" in item["status"] for item in renewals), renewals
    time.sleep(max(0.0, end + 1 - time.time()))
    space.patch("Deployment", "web", {"spec": {"replicas": 4}})
    space.wait_apps("web", 4)
    node.wait_ready()


def expires_in(certificate: pathlib.Path) -> float:
    text = run("openssl", "x509", "-in", certificate, "-noout", "-enddate", "-dateopt", "iso_8601").stdout
    moment = text.strip().removeprefix("notAfter=").removesuffix("Z")
    return time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S")) - time.timezone - time.time()


def test_keelson_join(space, third_node, agent_kind):
    """The sequence of docs/join.md: from a token and the CA's hash to a Deployment that serves through its Service."""
    if agent_kind == "kubelet":
        pytest.skip("kubeadm's part, not the kubelet's")
    plane = space.plane
    folder = plane.folder / "etc-keelson"
    credentials = ["--bootstrap-kubeconfig", folder / "bootstrap.conf", "--kubeconfig", folder / "kubeconfig"]
    node = third_node(credentials=credentials, flags=["--config", folder / "config.yaml"], start=False)

    def join(ca_hash: str):
        command = [paths.BIN / "keelson", "join", SERVER.removeprefix("https://"), "--dir", folder]
        command += ["--token", token, "--discovery-token-ca-cert-hash", ca_hash]
        return node.network.run(*command, check=False)

    token = plane.bootstrap_token()
    wait_for(lambda: join(plane.pki.ca_hash()).returncode == 0, 20, "the token has signed cluster-info", every=0.3)
    other = join("sha256:" + "0" * 64)
    assert other.returncode == 1 and "none of those given" in other.stderr
    node.start()
    node.join_network()
    node.wait_ready()
    on_node = {"nodeSelector": {"kubernetes.io/hostname": node.name}}
    space.apply(deployment("web", 3, testapp("--http", 8080), **on_node), service("web", {"port": 80, "targetPort": 8080}))
    space.wait_apps("web", 3)
    url = f"http://{space.get('Service', 'web')['spec']['clusterIP']}/"
    space.wait_for(lambda: node.fetch(url), 20, "the Service answers")


def test_serving_certificate_from_the_cluster(space, third_node):
    """serverTLSBootstrap: the node asks, an administrator approves, and the port shows the cluster's certificate."""
    plane = space.plane
    node = third_node(config={"serverTLSBootstrap": True})
    node.join_network()
    node.wait_ready()

    def asked():
        return [
            item
            for item in plane.api.list("CertificateSigningRequest")
            if item["spec"]["signerName"] == "kubernetes.io/kubelet-serving" and "conditions" not in item["status"]
        ]

    request = wait_for(asked, 30, "a request for a serving certificate", every=0.2)[0]
    assert request["spec"]["username"] == f"system:node:{node.name}"
    plane.kubectl("certificate", "approve", request["metadata"]["name"])

    def trusted():
        url = f"https://{node.ip}:10250/pods"
        done = node.network.run("curl", "-sS", "--max-time", "3", "--cacert", plane.pki.ca, url, check=False)
        return done.stdout == "Unauthorized"

    wait_for(trusted, 30, "the port shows a certificate of the cluster's CA", every=0.3)


def test_a_wrong_token_is_refused(third_node, cluster):
    """Nothing joins, and the agent goes on trying without an end."""
    path = cluster.plane.pki.kubeconfig(cluster.plane.folder / "wrong.kubeconfig", "{token: abcdef.0123456789abcdef}")
    credentials = ["--bootstrap-kubeconfig", path, "--kubeconfig", cluster.plane.folder / "never.kubeconfig"]
    node = third_node(credentials=credentials, config={"rotateCertificates": True}, start=False)
    node.agent.start(wait=False)
    try:
        wait_for(lambda: "Unauthorized" in node.agent.log_text(), 20, "the refusal is in the log", every=0.2)
        assert node.agent.running()
        assert cluster.api.find("Node", node.name) is None
    finally:
        node.agent.stop()


def test_discovery_document(cluster):
    """What `keelson join` reads first: signed by the token's secret, with the API server's address and CA."""
    plane = cluster.plane
    public = plane.bootstrap_token().split(".")[0]
    info = wait_for(
        lambda: (found := plane.api.get("ConfigMap", "cluster-info", "kube-public"))
        and f"jws-kubeconfig-{public}" in found["data"]
        and found,
        20,
        "the signature",
    )
    assert SERVER in info["data"]["kubeconfig"]
