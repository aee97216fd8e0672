"""What pods read of the cluster: ConfigMaps, Secrets, projected volumes, their own fields, and the API server itself."""

import base64
import json
import time

from harness.manifests import HTTPS_GET, config_map, mount, pod, secret, shell, value_from

TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"
# Long enough for upstream's kubelet, which writes changes when it next syncs the pod.
UPDATE = 30


def test_config_map_and_secret_updates_reach_volumes(space):
    volumes = [
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "key", "secret": {"secretName": "key", "defaultMode": 0o400}},
        {"name": "both", "projected": {"sources": [{"configMap": {"name": "conf"}}, {"secret": {"name": "key"}}]}},
    ]
    mounts = [mount("conf", "/conf"), mount("key", "/key"), mount("both", "/both")]
    mounts.append(mount("conf", "/pinned", subPath="colour"))
    space.apply(config_map("conf", colour="red"), secret("key", password="one"))
    env = [value_from("COLOUR", configMapKeyRef={"name": "conf", "key": "colour"})]
    space.apply(pod("reader", shell("sleep 600", volumeMounts=mounts, env=env), volumes=volumes))
    space.wait_ready("reader")

    def read(*files: str) -> list[str]:
        return space.exec("reader", "sh", "-c", "; ".join(f"cat {file}; echo" for file in files)).stdout.split()

    everything = ("/conf/colour", "/key/password", "/both/colour", "/both/password", "/pinned")
    assert read(*everything) == ["red", "one", "red", "one", "red"]
    assert space.exec("reader", "stat", "-Lc", "%a", "/key/password").stdout.strip() == "400"
    space.apply(config_map("conf", colour="blue", extra="yes"), secret("key", password="two"))
    space.wait_for(lambda: read(*everything[:4]) == ["blue", "two", "blue", "two"], UPDATE, "new content in the volumes")
    assert read("/conf/extra") == ["yes"]
    assert read("/pinned") == ["red"], "a subPath mount keeps what it had at start"
    assert space.exec("reader", "sh", "-c", "echo $COLOUR").stdout.strip() == "red"
    space.apply(config_map("conf", colour="green"))
    space.wait_for(lambda: read("/conf/colour") == ["green"], UPDATE, "a second change")
    gone = space.exec("reader", "cat", "/conf/extra", check=False)
    assert gone.returncode != 0, "a key taken out is gone from the volume"


def test_a_pod_waits_for_its_config_map(space):
    volume = {"name": "conf", "configMap": {"name": "later"}}
    container = shell("cat /conf/k; echo; sleep 600", volumeMounts=[mount("conf", "/conf")])
    space.apply(pod("waiting", container, volumes=[volume]))
    space.wait_event("waiting", "FailedMount", 'configmap "later" not found')
    space.apply(config_map("later", k="here"))
    space.wait_ready("waiting", timeout=60)
    space.wait_for(lambda: space.kubectl("logs", "waiting").stdout == "here\n", 5, "its content")


def test_optional_sources_may_be_missing(space):
    sources = [{"configMap": {"name": "none", "optional": True}}, {"secret": {"name": "none", "optional": True}}]
    env = [value_from("X", configMapKeyRef={"name": "none", "key": "k", "optional": True})]
    container = shell("ls -A /all | wc -l; echo x=$X; sleep 600", volumeMounts=[mount("all", "/all")], env=env)
    space.apply(pod("easy", container, volumes=[{"name": "all", "projected": {"sources": sources}}]))
    space.wait_ready("easy")
    space.wait_for(lambda: "x=\n" in space.kubectl("logs", "easy").stdout, 5, "the log")


def test_downward_api_follows_labels(space):
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    env = [
        value_from("NODE", fieldRef={"fieldPath": "spec.nodeName"}),
        value_from("POD_IP", fieldRef={"fieldPath": "status.podIP"}),
        value_from("HOST_IP", fieldRef={"fieldPath": "status.hostIP"}),
        value_from("CPU", resourceFieldRef={"resource": "limits.cpu", "divisor": "1m"}),
    ]
    limits = {"limits": {"cpu": "250m", "memory": "64Mi"}}
    container = shell("sleep 600", volumeMounts=[mount("info", "/info")], env=env, resources=limits)
    volumes = [{"name": "info", "downwardAPI": {"items": items}}]
    space.apply(pod("self", container, labels={"app": "self", "tier": "one"}, volumes=volumes))
    found = space.wait_ready("self")[0]
    seen = space.exec("self", "sh", "-c", "echo $NODE $POD_IP $HOST_IP $CPU").stdout.split()
    status = found["status"]
    assert seen == [found["spec"]["nodeName"], status["podIP"], status["hostIP"], "250"]
    assert 'tier="one"' in space.exec("self", "cat", "/info/labels").stdout
    space.patch("Pod", "self", {"metadata": {"labels": {"tier": "two"}}})
    space.wait_for(lambda: 'tier="two"' in space.exec("self", "cat", "/info/labels").stdout, UPDATE, "the new label")


def test_a_pod_calls_the_api_with_its_token(space):
    """Through the Service "kubernetes", with the token and the CA that the node has put into the pod."""
    role = {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "view"},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": space.name}],
    }
    space.apply(binding, pod("caller", {"name": "app", "image": HTTPS_GET}))
    space.wait_ready("caller")
    call = (
        f"/https-get --ca {TOKENS}/ca.crt --token {TOKENS}/token "
        f"https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat {TOKENS}/namespace)/"
    )
    answer = json.loads(space.exec("caller", "sh", "-c", call + "pods").stdout)
    assert [item["metadata"]["name"] for item in answer["items"]] == ["caller"]
    refused = space.exec("caller", "sh", "-c", call + "secrets", check=False)
    assert refused.returncode == 22 and "status 403" in refused.stderr
    token = space.exec("caller", "cat", f"{TOKENS}/token").stdout
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["kubernetes.io"]
    found = space.pod("caller")
    assert claims["pod"] == {"name": "caller", "uid": found["metadata"]["uid"]}
    assert claims["node"]["name"] == found["spec"]["nodeName"]


def test_projected_token_for_an_audience(space):
    source = {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 600, "path": "token"}}
    volumes = [{"name": "t", "projected": {"sources": [source]}}]
    security = {"fsGroup": 4000, "runAsUser": 1000}
    container = shell("sleep 600", volumeMounts=[mount("t", "/t")])
    space.apply(pod("aud", container, volumes=volumes, securityContext=security))
    space.wait_ready("aud")
    claims = json.loads(base64.urlsafe_b64decode(space.exec("aud", "cat", "/t/token").stdout.split(".")[1] + "=="))
    assert claims["aud"] == ["vault"] and 500 < claims["exp"] - time.time() <= 600
    assert claims["sub"] == f"system:serviceaccount:{space.name}:default"


def test_a_deleted_pods_token_is_refused(space):
    space.apply(pod("short", shell("sleep 600")))
    space.wait_ready("short")
    token = space.exec("short", "cat", f"{TOKENS}/token").stdout
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}

    def accepted() -> bool:
        done = space.api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
        return done["status"].get("authenticated", False)

    assert accepted()
    space.delete("Pod", "short")
    space.wait_gone("short")
    space.wait_for(lambda: not accepted(), 30, "the token is bound to the pod")
