"""`keelson explain` names the cause: of each fault the object, the step, since when, what the other side said, and what to do.

Most faults stand side by side in one folder of one node (`crowd`), each a pod or file of its own, which also shows that none
hides another; each is a test. The rest need a node of their own and follow below.
"""

import re

import pytest

from harness import hangs
from harness.manifests import config_map, literal, mount, pod, secret, shell, testapp, value_from
from harness.node import Machine, Node, bridge_conflist, is_ready, restarts
from harness.plugin import Plugin
from harness.registry import Registry, pull_secret, silent_registry

FAST = {"periodSeconds": 1, "failureThreshold": 1}
HOST_PORT = 18080


def image(name: str) -> dict:
    return {"name": "app", "image": name, "args": ["--http", "8080"]}


def env(*items: dict) -> dict:
    return shell("sleep 600", env=list(items))


def with_volume(name: str, source: dict, **spec) -> dict:
    return pod(name, testapp("--http", 8080, volumeMounts=[mount("v", "/v")]), volumes=[{"name": "v", **source}], **spec)


def probed(name: str, kind: str, *args) -> dict:
    probe = {"httpGet": {"path": {"startup": "/start", "liveness": "/health", "readiness": "/ready"}[kind], "port": 8080}}
    return pod(name, testapp("--http", 8080, *args, **{f"{kind}Probe": {**probe, **FAST}}))


def secured(name: str, context: dict, **spec) -> dict:
    return pod(name, testapp("--http", 8080, securityContext=context), **spec)


def affine_claim(name: str) -> list[dict]:
    """A claim whose volume is on another node."""
    away = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["another-node"]}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "m"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{name}"},
            "spec": {
                **spec,
                "capacity": {"storage": "1Gi"},
                "local": {"path": "/tmp"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [away]}]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {**spec, "volumeName": f"pv-{name}", "resources": {"requests": {"storage": "1Gi"}}},
        },
        with_volume(name, {"persistentVolumeClaim": {"claimName": name}}),
    ]


# name -> (objects, words of explain NAME). WAIT: the cause is a wait, so it also has its time and what to do.
WAIT = ["Waits:", "since", "because:", "what to do:"]
CROWD = {
    "image-name": ([pod("image-name", image("Not a/valid:image"))], [*WAIT, "container app", "InvalidImageName"]),
    "image-never": (
        [pod("image-never", {**image("docker.io/local/none:1"), "imagePullPolicy": "Never"})],
        [*WAIT, "ErrImageNeverPull", "docker.io/local/none:1", "pull policy of Never"],
    ),
    "registry-refused": ([pod("registry-refused", image("127.0.0.1:5999/x:1"))], [*WAIT, "ImagePull", "connection refused", "is the registry running"]),
    "registry-auth": (
        [pod("registry-auth", image("127.0.0.1:5000/real:1"))],
        [*WAIT, "ImagePull", "127.0.0.1:5000/real:1", "401 Unauthorized", "in imagePullSecrets"],
    ),
    "registry-wrong-password": (
        [
            pull_secret("wrong", "not-it"),
            pod("registry-wrong-password", image("127.0.0.1:5000/real:2"), imagePullSecrets=[{"name": "wrong"}]),
        ],
        [*WAIT, "ImagePull", "127.0.0.1:5000/real:2"],
    ),
    "pull-secret-missing": (
        [pod("pull-secret-missing", image("127.0.0.1:5000/real:3"), imagePullSecrets=[{"name": "nobody"}])],
        [*WAIT, "FailedToRetrieveImagePullSecret", "(nobody)"],
    ),
    "image-missing": (
        [
            pull_secret("right"),
            pod("image-missing", image("127.0.0.1:5000/none:1"), imagePullSecrets=[{"name": "right"}]),
        ],
        [*WAIT, "127.0.0.1:5000/none:1", "not found"],
    ),
    "pull-hangs": ([pod("pull-hangs", image("127.0.0.1:5001/x:1"))], [*WAIT, "it is being pulled from 127.0.0.1:5001"]),
    "env-map": (
        [pod("env-map", env(value_from("X", configMapKeyRef={"name": "no-map", "key": "k"})))],
        [*WAIT, "CreateContainerConfigError", 'configmap "no-map" not found', "create the object"],
    ),
    "env-map-key": (
        [pod("env-map-key", env(value_from("X", configMapKeyRef={"name": "there", "key": "other"})))],
        [*WAIT, "couldn't find key other in ConfigMap default/there", "add the key"],
    ),
    "env-secret": (
        [pod("env-secret", env(value_from("X", secretKeyRef={"name": "no-secret", "key": "k"})))],
        [*WAIT, "CreateContainerConfigError", 'secret "no-secret" not found', "create the object"],
    ),
    "env-secret-key": (
        [pod("env-secret-key", env(value_from("X", secretKeyRef={"name": "there", "key": "other"})))],
        [*WAIT, "couldn't find key other in Secret default/there", "add the key"],
    ),
    "env-from": (
        [pod("env-from", shell("sleep 600", envFrom=[{"configMapRef": {"name": "no-map"}}]))],
        [*WAIT, 'configmap "no-map" not found'],
    ),
    "volume-map": (
        [with_volume("volume-map", {"configMap": {"name": "no-map"}})],
        [*WAIT, "volumes", 'configmap "no-map" not found', "create the object"],
    ),
    "volume-secret": (
        [with_volume("volume-secret", {"secret": {"secretName": "no-secret"}})],
        [*WAIT, "volumes", 'secret "no-secret" not found', "create the object"],
    ),
    "volume-key": (
        [with_volume("volume-key", {"configMap": {"name": "there", "items": [{"key": "other", "path": "p"}]}})],
        [*WAIT, "references non-existent config key: other", "add the key"],
    ),
    "claim-missing": (
        [with_volume("claim-missing", {"persistentVolumeClaim": {"claimName": "no-claim"}})],
        [*WAIT, 'persistentvolumeclaim "no-claim" not found'],
    ),
    "claim-elsewhere": (affine_claim("claim-elsewhere"), [*WAIT, 'NodeAffinity check failed for volume "pv-claim-elsewhere"', "another node"]),
    "host-path": (
        [with_volume("host-path", {"hostPath": {"path": "/etc/passwd", "type": "Directory"}})],
        [*WAIT, "/etc/passwd", "is not a directory"],
    ),
    "root-refused": (
        [secured("root-refused", {"runAsNonRoot": True})],
        [*WAIT, "container has runAsNonRoot and image will run as root"],
    ),
    "seccomp": (
        [secured("seccomp", {"seccompProfile": {"type": "Localhost", "localhostProfile": "no-such.json"}})],
        [*WAIT, "no-such.json"],
    ),
    "executable": ([pod("executable", testapp(command=["/no/such/program"]))], [*WAIT, "/no/such/program"]),
    "crash": (
        [pod("crash", shell("echo out of cheese >&2; exit 7", terminationMessagePolicy="FallbackToLogsOnError"))],
        [*WAIT, "CrashLoopBackOff", "exited with code 7", "out of cheese", "keelson logs", "next try"],
    ),
    "init-crash": (
        [pod("init-crash", initContainers=[shell("exit 9", name="prepare")])],
        [*WAIT, "container prepare", "exited with code 9"],
    ),
    "oom": (
        [pod("oom", testapp("--alloc", 400, resources={"limits": {"memory": "32Mi"}}))],
        ["OOMKilled", "exit code 137", "memory limit"],
    ),
    "liveness": ([probed("liveness", "liveness", "--fail", "health")], ["Liveness probe failed", "statuscode: 503"]),
    "readiness": (
        [probed("readiness", "readiness", "--fail", "ready")],
        [*WAIT, "container app: waiting for its readiness probe", "statuscode: 503"],
    ),
    "startup": (
        [
            pod(
                "startup",
                testapp(
                    "--http", 8080, "--fail", "start",
                    startupProbe={"httpGet": {"path": "/start", "port": 8080}, "periodSeconds": 1, "failureThreshold": 600},
                ),
            )
        ],
        [*WAIT, "container app: waiting for its startup probe", "statuscode: 503"],
    ),
    "post-start": (
        [pod("post-start", testapp("--http", 8080, lifecycle={"postStart": {"exec": {"command": ["false"]}}}))],
        [*WAIT, "PostStartHookError", "exited with 1"],
    ),
    "post-start-hangs": (
        [pod("post-start-hangs", testapp("--http", 8080, lifecycle={"postStart": hangs.FOR_EVER}))],
        ["Under way:", "container app: postStart, since", "what to do:"],
    ),
    "host-port": (
        [pod("host-port", testapp("--http", 8080, ports=[{"containerPort": 8080, "hostPort": HOST_PORT}]))],
        ["Problems:", "NodePorts", "didn't have free ports"],
    ),
    "too-big": (
        [pod("too-big", testapp("--http", 8080, resources={"requests": {"cpu": "4000"}}))],
        ["Problems:", "OutOfcpu", "requested: 4000000", "starts as soon as the node can take it"],
    ),
    "sysctl": (
        [pod("sysctl", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]})],
        ["Problems:", "SysctlForbidden", 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
    ),
    "runtime-class": ([pod("runtime-class", runtimeClassName="no-such-class")], [*WAIT, "no-such-class"]),
    "sub-path": (
        [
            pod(
                "sub-path",
                shell("sleep 600", name="app", volumeMounts=[mount("v", "/v", subPath="out/inside")]),
                volumes=[{"name": "v", "emptyDir": {}}],
                initContainers=[shell("ln -s /etc /v/out", name="escape", volumeMounts=[mount("v", "/v")])],
            )
        ],
        [*WAIT, "container app", "subPath", "out"],
    ),
    "sub-path-dots": (
        [with_volume("sub-path-dots", {"emptyDir": {}})],
        None,  # filled below: the field is wrong, so it is a problem of the file
    ),
    "deadline": (
        [pod("deadline", shell("sleep 600"), activeDeadlineSeconds=1)],
        ["DeadlineExceeded", "longer than the specified deadline"],
    ),
    "nfs": ([with_volume("nfs", {"nfs": {"server": "127.0.0.1", "path": "/x"}})], [*WAIT, "nfs"]),
    "token": (
        [with_volume("token", {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}})],
        [*WAIT, "token"],
    ),
    "bad-field": (["apiVersion: v1\nkind: Pod\nmetadata: {name: bad-field}\nspec: {containers: 7}"], ["bad-field", "spec.containers"]),
    "bad-quantity": (
        [pod("bad-quantity", testapp(resources={"limits": {"memory": "12 buckets"}}))],
        ["Problems:", "spec.containers[0].resources.limits", "12 buckets"],
    ),
    "bad-yaml": (["apiVersion: v1\nkind: Pod\n  metadata: }{\n"], ["bad-yaml.yaml", "line 3"]),
    "twin": ([pod("twin"), pod("twin", testapp("--http", 9090))], ["Problems:", "duplicate"]),
}
CROWD["sub-path-dots"][0][0]["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = "../x"
CROWD["sub-path-dots"] = (CROWD["sub-path-dots"][0], ["Problems:", "subPath", "must not contain '..'"])
# Optional references to what is not there: no fault at all.
OPTIONAL = pod(
    "optional",
    env(
        value_from("X", configMapKeyRef={"name": "no-map", "key": "k", "optional": True}),
        value_from("Y", secretKeyRef={"name": "there", "key": "other", "optional": True}),
        literal("Z", "z"),
    ),
    volumes=[{"name": "v", "secret": {"secretName": "no-secret", "optional": True}}],
)


@pytest.fixture(scope="module")
def crowd(images):
    machine = Machine("1.6")
    node = None
    left = []
    try:
        node = Node(machine)
        registry, silent = Registry(node, auth=True), silent_registry(node, 5001)
        for number in (1, 2, 3):
            registry.push(f"real:{number}")
        holder = testapp("--http", 8080, ports=[{"containerPort": 8080, "hostPort": HOST_PORT}])
        node.apply("0-good.yaml", config_map("there", k="v"), secret("there", k="v"), OPTIONAL, pod("holder", holder))
        node.wait_ready("optional", "holder")
        for name, (objects, _) in CROWD.items():
            node.apply(f"{name}.yaml", *objects)
        yield node
        node.wait_ready("optional", "holder")
        registry.close()
        silent.stop()
        left = node.close()
    finally:
        machine.destroy()
    assert not left, "left behind:\n  " + "\n  ".join(left[:30])


def subject_of(name: str) -> str:
    return f"{name}.yaml" if name.startswith("bad-") else name


@pytest.mark.parametrize("name", CROWD)
def test_cause_of(crowd, faults, name):
    words = CROWD[name][1]
    crowd.wait_for(lambda: all(word in crowd.explain(subject_of(name)) for word in words), 40, told(crowd, name, words))
    faults.add()


def told(node, name: str, words: list[str]):
    class Text:
        def __str__(self):
            text = node.explain(subject_of(name))
            return f"explain {name} says {[word for word in words if word not in text]}:\n{text}"

    return Text()


def test_absent_objects_that_are_optional_are_no_cause(crowd):
    text = crowd.explain("optional")
    assert "Waits:" not in text and "Under way:" not in text and is_ready(crowd.pod("optional"))


def test_each_wait_tells_since_when_and_what_to_do(crowd):
    """Every wait of every pod of the crowd, whatever it is."""
    for name in crowd.pods():
        text = crowd.explain(name)
        for block in re.findall(r"^  \S.*: waiting for .*(?:\n    .*)*", text, re.MULTILINE):
            assert re.search(r", since \d", block), f"{name}: {block}"
            assert "because: " in block and "what to do: " in block, f"{name}: {block}"


# Faults of the node itself, each on a node of its own.


def test_process_that_ignores_sigterm(node, faults):
    node.apply("stubborn.yaml", pod("stubborn", testapp("--http", 8080, "--ignore-term"), terminationGracePeriodSeconds=6))
    node.wait_ready("stubborn")
    node.remove("stubborn.yaml")
    words = ["Terminating", "Under way:", "container app: stop, since", "terminationGracePeriodSeconds"]
    node.wait_for(lambda: all(word in node.explain("stubborn") for word in words), 5, told(node, "stubborn", words))
    faults.add()
    node.wait_gone("stubborn")


def test_pre_stop_that_hangs(node, faults):
    container = testapp("--http", 8080, lifecycle={"preStop": hangs.FOR_EVER})
    node.apply("slow.yaml", pod("slow", container, terminationGracePeriodSeconds=4))
    node.wait_ready("slow")
    node.remove("slow.yaml")
    words = ["container app: preStop, since", "what to do:"]
    node.wait_for(lambda: all(word in node.explain("slow") for word in words), 4, told(node, "slow", words))
    faults.add()
    node.wait_gone("slow")


def test_plugin_that_hangs_is_named(node, faults):
    plugin = Plugin(node)
    plugin.mode("hang")
    node.apply("web.yaml", pod("web"))
    words = ["create sandbox, since", 'the CNI plugin "scripted" has not answered ADD', "it may take 1", "what to do:"]
    node.wait_for(lambda: all(word in node.explain("web") for word in words), 20, told(node, "web", words))
    plugin.mode("ok")
    node.wait_ready("web")
    node.wait_for(lambda: "Under way" not in node.explain("web"), what="nothing is under way any more")
    faults.add()


def test_plugin_that_fails(node, faults):
    plugin = Plugin(node)
    plugin.mode("fail")
    node.apply("web.yaml", pod("web"))
    words = [*WAIT, "its sandbox", "scripted failure 100", "next try"]
    node.wait_for(lambda: all(word in node.explain("web") for word in words), 20, told(node, "web", words))
    plugin.mode("ok")
    node.wait_ready("web", timeout=45)
    faults.add()


@pytest.mark.parametrize(
    "name,content,seen,words",
    [
        ("missing-plugin", {"plugins": [{"type": "not-here"}]}, "plugins=1", ["not-here"]),
        ("not-json", "{ not json", "no pod network", ["10-pods.conflist"]),
        ("no-network", None, "no pod network", ["no network"]),
    ],
)
def test_network_that_cannot_be_used(node, faults, name, content, seen, words):
    path = node.net_d / "10-pods.conflist"
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content)
    else:
        node.conflist({**bridge_conflist(node.ipam), **content})
    node.wait_for(lambda: seen in node.agent.log_text(), what="the agent sees the change before a pod wants the network")
    node.apply("web.yaml", pod("web"))
    words = [*WAIT, "its sandbox", *words]
    node.wait_for(lambda: all(word in node.explain("web") for word in words), 20, told(node, "web", words))
    node.conflist(bridge_conflist(node.ipam))
    node.wait_ready("web", timeout=45)
    faults.add()


def test_runtime_that_is_down(node, faults):
    node.apply("web.yaml", pod("web"))
    node.wait_ready("web")
    node.containerd.kill()
    node.apply("late.yaml", pod("late"))
    words = [*WAIT, "containerd.sock"]
    node.wait_for(lambda: all(word in node.explain("late") for word in words), 20, told(node, "late", words))
    node.containerd.start()
    node.wait_ready("late", timeout=40)
    assert restarts(node.pod("web")) == 0
    faults.add()


def test_turn_that_has_not_come(node, faults):
    """More pods want to start than may at the same time, and those before them take long."""
    plugin = Plugin(node)
    plugin.mode("hang")
    node.apply("pods.yaml", *[pod(f"pod-{i}") for i in range(12)])
    words = ["wait for its turn, since", "parallelPodStarts"]
    node.wait_for(
        lambda: any(all(word in node.explain(f"pod-{i}") for word in words) for i in range(12)), 10, "a pod that waits"
    )
    plugin.mode("ok")
    node.wait_ready(*[f"pod-{i}" for i in range(12)], timeout=60)
    faults.add()


def test_name_that_is_not_there(node, faults):
    node.apply("web.yaml", pod("web-server"))
    node.wait_ready("web-server")
    done = node.cli("explain", "web-sever", check=False)
    assert done.returncode == 1 and "Names like it: web-server" in done.stderr
    faults.add()
