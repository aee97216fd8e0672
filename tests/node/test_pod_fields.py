"""Fields of a Pod that have no test among those of their subject, asserted inside the container, several to a test."""

import pathlib

import pytest

from harness.manifests import literal, mount, pod, shell, testapp, value_from
from harness.netns import NODE_IP
from harness.node import container_status, waiting_reason

CGROUP = pathlib.Path("/sys/fs/cgroup")


def test_working_dir_and_termination_message_path(node):
    node.apply(
        "done.yaml",
        pod(
            "done",
            shell(
                "pwd; grep -c /last-words /proc/1/mounts; printf bye > /last-words",
                workingDir="/tmp/deep/er",
                terminationMessagePath="/last-words",
            ),
            restartPolicy="Never",
        ),
    )
    found = node.wait_phase("done", "Succeeded")
    assert node.logs("done") == "/tmp/deep/er\n1\n"
    assert container_status(found)["state"]["terminated"]["message"] == "bye"


def test_host_ip_of_a_port(node):
    ports = [
        {"containerPort": 8080, "hostPort": 18081, "hostIP": NODE_IP},
        {"containerPort": 8080, "hostPort": 18082, "hostIP": "127.0.0.9"},
    ]
    node.apply("hp.yaml", pod("hp", testapp("--http", 8080, ports=ports)))
    node.wait_ready("hp")
    url = f"http://{NODE_IP}:18081/hostname"
    node.wait_for(lambda: node.fetch(url, outside=True).stdout == "hp\n", what="hostPort answers")
    assert node.fetch(f"http://{NODE_IP}:18082/hostname", outside=True, check=False).returncode != 0


def test_names_of_the_host(node):
    node.apply(
        "names.yaml",
        pod("plain", hostname="inner", subdomain="sub"),
        pod("fqdn", hostname="inner", subdomain="sub", setHostnameAsFQDN=True),
        pod("over", hostname="inner", subdomain="sub", hostnameOverride="quite.another.name"),
    )
    node.wait_ready("plain", "fqdn", "over")
    names = {name: node.exec(name, "hostname").stdout.strip() for name in ("plain", "fqdn", "over")}
    assert names == {"plain": "inner", "fqdn": "inner.sub.default.svc.cluster.local", "over": "quite.another.name"}


def test_hooks_of_every_kind(node):
    """All four kinds, as postStart and as preStop; a hook that fails would keep the pod from being Ready."""
    get = {"port": 8080, "path": "/from-hook", "httpHeaders": [{"name": "X-Why", "value": "start"}]}
    hook = {"postStart": {"httpGet": get}, "preStop": {"sleep": {"seconds": 1}}}
    begin = {"exec": {"command": ["sh", "-c", "echo began > /tmp/began"]}}
    tcp = {"postStart": begin, "preStop": {"tcpSocket": {"port": 8081}}}
    node.apply(
        "hooks.yaml",
        pod(
            "hooks",
            testapp("--http", 8080, lifecycle=hook),
            testapp("--http", 8081, name="other", lifecycle=tcp),
            terminationGracePeriodSeconds=5,
        ),
    )
    node.wait_ready("hooks")
    assert node.exec("hooks", "cat", "/tmp/began", container="other").stdout == "began\n"
    node.remove("hooks.yaml")
    node.wait_gone("hooks")


def test_standard_input_and_terminal(node):
    node.apply(
        "in.yaml",
        pod(
            "in",
            shell("readlink /proc/self/fd/0; exec sleep 600", name="none"),
            shell("readlink /proc/self/fd/0; exec sleep 600", name="open", stdin=True, stdinOnce=True),
            shell("tty; exec sleep 600", name="term", stdin=True, tty=True),
        ),
    )
    node.wait_ready("in")
    for name in ("none", "open", "term"):
        node.wait_for(lambda: node.logs("in", name).strip(), what=f"what {name} says")
    assert node.logs("in", "none") == "/dev/null\n"
    assert node.logs("in", "open").startswith("pipe:")
    assert node.logs("in", "term").strip().startswith("/dev/")


def test_variables_from_a_file_of_a_volume(node):
    """An init container writes the file; one that is reached through a link out of the volume is not read."""
    key = {"volumeName": "d", "path": "deep/conf.env"}
    env = [
        value_from("COLOUR", fileKeyRef={**key, "key": "COLOUR"}),
        value_from("NONE", fileKeyRef={**key, "key": "OTHER", "optional": True}),
        literal("AFTER", "$(COLOUR)!"),
    ]
    script = "mkdir /d/deep; echo \"COLOUR='deep blue'\" > /d/deep/conf.env; ln -s /etc /d/out"
    write = shell(script, name="write", volumeMounts=[mount("d", "/d")])
    volumes = [{"name": "d", "emptyDir": {}}]
    printing = shell("env; echo printed; exec sleep 600", env=env)
    node.apply("env.yaml", pod("env", printing, initContainers=[write], volumes=volumes))
    outside = [value_from("X", fileKeyRef={"volumeName": "d", "path": "out/passwd", "key": "root"})]
    node.apply("out.yaml", pod("out", shell("env", env=outside), initContainers=[write], volumes=volumes))
    node.wait_ready("env")
    node.wait_for(lambda: node.logs("env").endswith("\nprinted\n"), what="the printed environment")
    found = node.logs("env").splitlines()
    assert "COLOUR=deep blue" in found and "AFTER=deep blue!" in found
    assert not [line for line in found if line.startswith("NONE")]
    node.wait_pod("out", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    assert "leads outside of volume" in node.explain("out")


@pytest.mark.skipif(not (CGROUP / "memory").is_dir(), reason="reads cgroup v1 files")
def test_resources_of_the_pod_and_overhead(node):
    limits = {"cpu": "200m", "memory": "64Mi"}
    node.apply("whole.yaml", pod("whole", shell("sleep 600"), resources={"limits": limits, "requests": limits}))
    small = shell("sleep 600", resources={"limits": limits})
    node.apply("over.yaml", pod("over", small, overhead={"cpu": "50m", "memory": "16Mi"}))
    [whole, over] = node.wait_ready("whole", "over")

    def read(found: dict, controller: str, file: str) -> int:
        return int((CGROUP / controller / f"kubepods/pod{found['metadata']['uid']}" / file).read_text())

    assert whole["status"]["qosClass"] == "Guaranteed" == over["status"]["qosClass"]
    assert read(whole, "memory", "memory.limit_in_bytes") == 64 << 20
    assert read(whole, "cpu", "cpu.cfs_quota_us") == 20000
    assert read(over, "memory", "memory.limit_in_bytes") == 80 << 20
    assert read(over, "cpu", "cpu.cfs_quota_us") == 25000 and read(over, "cpu", "cpu.shares") == 256


def test_what_others_decide_is_passed_over_and_what_nobody_does_is_refused(node):
    """A scheduler's wishes do not keep a pod from the only node; what would be lost in silence is an error."""
    preferred = [{"weight": 1, "preference": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}]
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "free"}}}
    node.apply(
        "free.yaml",
        pod(
            "free",
            affinity={
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred},
                "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
            },
            topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "x", "whenUnsatisfiable": "DoNotSchedule"}],
            schedulerName="other",
            preemptionPolicy="Never",
            serviceAccount="old-name",
        ),
    )
    node.wait_ready("free")
    assert node.pod("free")["spec"]["serviceAccountName"] == "old-name"
    refusals = {
        "debug": ({"ephemeralContainers": [{"name": "e", "image": "i"}]}, "spec.ephemeralContainers: Forbidden"),
        "gate": ({"schedulingGates": [{"name": "example.com/g"}]}, "spec.schedulingGates: Forbidden"),
        "cert": (
            {"volumes": [{"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": "s"}}]}}]},
            "spec.volumes[0].projected.sources[0].podCertificate: Unsupported value",
        ),
        "windows": ({"os": {"name": "windows"}}, "PodOSNotSupported"),
    }
    for name, (fields, _) in refusals.items():
        node.apply(f"{name}.yaml", pod(name, **fields))
    for name, (_, words) in refusals.items():
        node.wait_for(lambda: words in node.agent.log_text(), 8, words)
        assert name not in node.pods()
