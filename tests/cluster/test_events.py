"""What `kubectl describe pod` tells of a pod that is not well: the reasons and messages of upstream's kubelet."""

import re

from harness.manifests import mount, pod, shell, testapp
from harness.node import container_status, waiting_reason


def described(space, name: str) -> str:
    return space.kubectl("describe", "pod", name).stdout


def test_a_pod_that_starts(space):
    space.apply(pod("fine", testapp("--http", 8080)))
    space.wait_ready("fine")
    space.wait_event("fine", "Started")
    found = [(item["type"], item["reason"], item["message"]) for item in space.events("fine")]
    assert ("Normal", "Created", "Container created") in found
    assert ("Normal", "Started", "Container started") in found
    present = "already present on machine and can be accessed by the pod"
    assert ("Normal", "Pulled", f'Container image "docker.io/local/testapp:1" {present}') in found
    event = space.event("fine", "Started")
    node = space.pod("fine")["spec"]["nodeName"]
    assert event["source"] == {"component": "kubelet", "host": node}
    assert event["involvedObject"]["fieldPath"] == "spec.containers{app}"
    assert event["involvedObject"]["uid"] == space.pod("fine")["metadata"]["uid"]
    text = described(space, "fine")
    assert re.search(r"Normal\s+Started\s+\S+\s+kubelet\s+(spec.containers\{app\}: )?Container started", text)


def test_a_bad_image(space):
    image = "127.0.0.1:9/none:1"
    space.apply(pod("bad", {"name": "app", "image": image}))
    space.wait_pod("bad", lambda item: waiting_reason(item) == "ImagePullBackOff", 40)
    assert space.wait_event("bad", "Pulling")["message"] == f'Pulling image "{image}"'
    failed = space.wait_event("bad", "Failed", "Failed to pull image")
    assert failed["type"] == "Warning" and failed["message"].startswith(f'Failed to pull image "{image}": ')
    space.wait_event("bad", "Failed", "Error: ErrImagePull")
    assert space.wait_event("bad", "BackOff")["message"] == f'Back-off pulling image "{image}"'
    space.wait_event("bad", "Failed", "Error: ImagePullBackOff")
    assert "ImagePullBackOff" in described(space, "bad")


def test_an_image_that_must_be_there_and_is_not(space):
    image = "docker.io/local/none:1"
    space.apply(pod("never", {"name": "app", "image": image, "imagePullPolicy": "Never"}))
    space.wait_pod("never", lambda item: waiting_reason(item) == "ErrImageNeverPull")
    message = f'Container image "{image}" is not present with pull policy of Never'
    space.wait_event("never", "ErrImageNeverPull", message)


def test_failing_probes(space):
    readiness = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    liveness = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    container = testapp("--http", 8080, "--fail", "ready", readinessProbe=readiness, livenessProbe=liveness)
    space.apply(pod("ill", container))
    text = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    event = space.wait_event("ill", "Unhealthy", text)
    assert event["type"] == "Warning"
    space.wait_for(lambda: space.event("ill", "Unhealthy", text)["count"] >= 3, 20, "the same event is counted")
    assert len([item for item in space.events("ill") if item["message"] == text]) == 1
    space.wait_pod("ill", lambda item: container_status(item).get("started"))
    node = space.cluster.node_of(space.pod("ill"))
    node.fetch(f"http://{space.pod('ill')['status']['podIP']}:8080/switch/health/off")
    space.wait_event("ill", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503")
    space.wait_event("ill", "Killing", "Container app failed liveness probe, will be restarted")
    space.wait_pod("ill", lambda item: container_status(item)["restartCount"] == 1)


def test_a_missing_secret(space):
    volumes = [{"name": "s", "secret": {"secretName": "none"}}]
    space.apply(pod("locked", shell("sleep 600", volumeMounts=[mount("s", "/s")]), volumes=volumes))
    event = space.wait_event("locked", "FailedMount")
    assert event["message"] == 'MountVolume.SetUp failed for volume "s" : secret "none" not found'
    assert event["type"] == "Warning"
    space.wait_pod("locked", lambda item: waiting_reason(item) == "ContainerCreating", what="the status beside the event")
    assert re.search(r'Warning\s+FailedMount.*secret "none" not found', described(space, "locked"))


def test_a_missing_secret_in_the_environment(space):
    source = {"secretKeyRef": {"name": "none", "key": "k"}}
    space.apply(pod("envless", shell("sleep 600", env=[{"name": "X", "valueFrom": source}])))
    found = space.wait_pod("envless", lambda item: waiting_reason(item) == "CreateContainerConfigError")
    assert container_status(found)["state"]["waiting"]["message"] == 'secret "none" not found'
    space.wait_event("envless", "Failed", 'Error: secret "none" not found')


def test_an_oom_kill(space):
    """The container's status tells it, and the reason is in what describe prints."""
    limits = {"limits": {"memory": "32Mi"}}
    hog = testapp("--alloc", 200, "--http", 8080, resources=limits)
    space.apply(pod("hog", hog, restartPolicy="Never"))
    found = space.wait_phase("hog", "Failed", timeout=40)
    ended = container_status(found)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert re.search(r"Reason:\s+OOMKilled", described(space, "hog"))


def test_a_crash_loop(space):
    space.apply(pod("crash", shell("exit 2")))
    found = space.wait_pod("crash", lambda item: waiting_reason(item) == "CrashLoopBackOff", 40)
    uid = found["metadata"]["uid"]
    status = container_status(found)
    assert re.fullmatch(
        rf"back-off \S+ restarting failed container=app pod=crash_{space.name}\({uid}\)",
        status["state"]["waiting"]["message"],
    )
    assert status["lastState"]["terminated"]["exitCode"] == 2
    text = f"Back-off restarting failed container app in pod crash_{space.name}({uid})"
    space.wait_event("crash", "BackOff", text)


def test_a_request_no_node_can_meet(space):
    space.apply(pod("huge", testapp(resources={"requests": {"cpu": "900"}})))
    event = space.wait_event("huge", "FailedScheduling")
    assert "Insufficient cpu" in event["message"] and space.pod("huge")["status"]["phase"] == "Pending"


def test_a_node_refuses_what_does_not_fit(space):
    """Bound past the scheduler: the node itself says no."""
    node = space.cluster.nodes[0]
    space.apply(pod("forced", testapp(resources={"requests": {"cpu": "900"}}), nodeName=node.name))
    found = space.wait_phase("forced", "Failed")
    assert found["status"]["reason"] == "OutOfcpu"
    text = "Pod was rejected: Node didn't have enough resource: cpu, requested: 900000, used: "
    assert found["status"]["message"].startswith(text)
    event = space.wait_event("forced", "OutOfcpu")
    assert event["message"].startswith("Node didn't have enough resource: cpu, requested: 900000, used: ")


def test_a_critical_pod_makes_room_for_itself(space):
    """A node that is full ends a pod of less importance for one that the cluster cannot do without."""
    node = space.cluster.nodes[0]
    allocatable = space.api.get("Node", node.name)["status"]["allocatable"]["cpu"]
    most = {"requests": {"cpu": str(int(allocatable) - 0.6)}}
    space.apply(pod("filler", testapp(resources=most), nodeName=node.name))
    space.wait_ready("filler")
    critical = pod("critical", testapp(resources=most), nodeName=node.name, priorityClassName="system-node-critical")
    space.apply(critical)
    found = space.wait_phase("filler", "Failed")
    assert found["status"]["reason"] == "Preempting"
    assert found["status"]["message"] == "Preempted in order to admit critical pod"
    target = next(c for c in found["status"]["conditions"] if c["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    space.wait_event("filler", "Preempting", "Preempted in order to admit critical pod")
    space.wait_ready("critical")


def test_a_node_refuses_a_selector_it_does_not_meet(space):
    node = space.cluster.nodes[0]
    space.apply(pod("astray", testapp(), nodeName=node.name, nodeSelector={"disk": "none"}))
    found = space.wait_phase("astray", "Failed")
    assert found["status"]["reason"] == "NodeAffinity"
    text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert found["status"]["message"] == f"Pod was rejected: {text}"
