"""Security contexts, asserted from inside by /proc/self/status and by what the kernel lets the process do."""

import json
import pathlib

import pytest

from harness.manifests import mount, pod, shell, testapp
from harness.node import is_ready, kubelet_config, restarts, waiting_reason


def has_apparmor() -> bool:
    parameter = pathlib.Path("/sys/module/apparmor/parameters/enabled")
    return parameter.exists() and parameter.read_text().startswith("Y")


def status(node, name: str, container: str | None = None) -> dict[str, str]:
    text = node.exec(name, "cat", "/proc/self/status", container=container).stdout
    return {line.split(":")[0]: line.split(":", 1)[1].strip() for line in text.splitlines()}


def secured(security: dict | None = None, **fields) -> dict:
    return testapp("--http", 8080, **({"securityContext": security} if security else {}), **fields)


def test_users_and_groups(node):
    node.apply(
        "who.yaml",
        pod(
            "who",
            secured(),
            secured({"runAsUser": 1001}, name="own", args=["--http", "8081"]),
            securityContext={
                "runAsUser": 1000,
                "runAsGroup": 3000,
                "supplementalGroups": [4000, 4001],
                "fsGroup": 5000,
            },
            volumes=[{"name": "d", "emptyDir": {}}],
        ),
    )
    node.wait_ready("who")
    found = status(node, "who", "app")
    assert found["Uid"].split() == ["1000"] * 4 and found["Gid"].split() == ["3000"] * 4
    assert {"4000", "4001", "5000"} <= set(found["Groups"].split())
    assert status(node, "who", "own")["Uid"].split() == ["1001"] * 4


def test_fs_group_owns_volumes(node):
    node.apply(
        "fs.yaml",
        pod(
            "fs",
            shell("sleep 600", volumeMounts=[mount("d", "/d")]),
            securityContext={"runAsUser": 1000, "fsGroup": 5000},
            volumes=[{"name": "d", "emptyDir": {}}],
        ),
    )
    node.wait_ready("fs")
    assert node.exec("fs", "sh", "-c", "stat -c %g /d; touch /d/f && stat -c %g /d/f").stdout == "5000\n5000\n"


def test_capabilities(node):
    node.apply(
        "caps.yaml",
        pod(
            "caps",
            secured({"capabilities": {"drop": ["ALL"]}}, name="none"),
            secured({"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}, name="one", args=["--http", "8081"]),
        ),
    )
    node.wait_ready("caps")
    assert int(status(node, "caps", "none")["CapEff"], 16) == 0
    assert int(status(node, "caps", "one")["CapEff"], 16) == 1 << 12


def test_privileged_and_unprivileged(node):
    node.apply("priv.yaml", pod("priv", secured({"privileged": True})), pod("plain", secured()))
    node.wait_ready("priv", "plain")
    own = int(open("/proc/self/status").read().split("CapBnd:")[1].split()[0], 16)
    assert int(status(node, "priv")["CapEff"], 16) & own == own
    assert int(status(node, "plain")["CapEff"], 16) >> 21 & 1 == 0, "no CAP_SYS_ADMIN by default"
    assert node.exec("priv", "ls", "/dev/kmsg").returncode == 0
    assert node.exec("plain", "ls", "/dev/kmsg", check=False).returncode != 0


def test_read_only_root_and_no_new_privileges(node):
    node.apply(
        "ro.yaml",
        pod(
            "ro",
            secured(
                {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}, volumeMounts=[mount("d", "/d")]
            ),
            volumes=[{"name": "d", "emptyDir": {}}],
        ),
    )
    node.wait_ready("ro")
    assert node.exec("ro", "touch", "/file", check=False).returncode != 0
    node.exec("ro", "touch", "/d/file")
    assert status(node, "ro")["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    "profile,mode", [({"type": "RuntimeDefault"}, "2"), ({"type": "Unconfined"}, "0"), (None, "0")]
)
def test_seccomp(node, profile, mode):
    node.apply("sec.yaml", pod("sec", secured({"seccompProfile": profile} if profile else None)))
    node.wait_ready("sec")
    assert status(node, "sec")["Seccomp"] == mode


def test_seccomp_localhost_profile(node):
    folder = node.root / "seccomp"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "no-mkdir.json").write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": '
        '[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    node.apply(
        "sec.yaml",
        pod(
            "sec",
            secured(),
            securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "no-mkdir.json"}},
        ),
    )
    node.wait_ready("sec")
    assert node.exec("sec", "mkdir", "/tmp/x", check=False).returncode != 0
    node.exec("sec", "touch", "/tmp/x")


def test_run_as_non_root_refuses_a_root_image(node):
    node.apply("root.yaml", pod("root", secured({"runAsNonRoot": True})))
    node.wait_pod("root", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    assert "container has runAsNonRoot and image will run as root" in node.explain("root")
    node.apply("root.yaml", pod("root", secured({"runAsNonRoot": True, "runAsUser": 1000})))
    node.wait_ready("root")


def test_proc_paths_are_masked(node):
    node.apply("mask.yaml", pod("mask", secured()))
    node.wait_ready("mask")
    assert node.exec("mask", "sh", "-c", "wc -c < /proc/kcore 2>/dev/null || echo 0").stdout.strip() == "0"
    assert node.exec("mask", "sh", "-c", "echo x > /proc/sys/kernel/domainname", check=False).returncode != 0


def test_run_as_non_root_wants_a_number_of_the_image(node):
    """The image names its user, and only the image knows who that is."""
    image = {"image": "docker.io/local/testapp-user:1"}
    node.apply("named.yaml", pod("named", secured({"runAsNonRoot": True}, **image)))
    node.wait_pod("named", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    assert "image has non-numeric user (app), cannot verify user is non-root" in node.explain("named")
    context = {"runAsNonRoot": True, "runAsUser": 7}
    node.apply("named.yaml", pod("named", secured(None, **image), securityContext=context))
    node.wait_ready("named")
    assert status(node, "named")["Uid"].split() == ["7"] * 4


SYSCTLS = [
    {"name": "kernel.shm_rmid_forced", "value": "1"},
    {"name": "net/ipv4/ip_unprivileged_port_start", "value": "90"},
    {"name": "kernel.msgmax", "value": "4096"},
]


@pytest.mark.agent(config=[kubelet_config(allowedUnsafeSysctls=["kernel.msg*"])])
def test_sysctls_safe_allowed_and_forbidden(node):
    node.apply("good.yaml", pod("good", securityContext={"sysctls": SYSCTLS}))
    node.apply("bad.yaml", pod("bad", securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "99"}]}))
    node.wait_ready("good")
    files = [f"/proc/sys/{sysctl['name'].replace('.', '/')}" for sysctl in SYSCTLS]
    assert node.exec("good", "cat", *files).stdout == "1\n90\n4096\n"
    refused(node, "bad", 'SysctlForbidden: forbidden sysctl: "net.core.somaxconn" not allowlisted')


def refused(node, name: str, words: str) -> None:
    """The pod is told of with these words wherever one looks, and nothing of it is made."""

    def get() -> str:
        done = node.cli("get", "pods", check=False)
        return done.stdout + done.stderr

    node.wait_for(lambda: words in get(), 8, words)
    assert words.replace('"', '\\"') in node.agent.log_text() and words in node.explain(name)
    assert name not in node.pods()


@pytest.mark.skipif(has_apparmor(), reason="this kernel enforces AppArmor")
def test_apparmor_is_refused_where_the_kernel_has_none(node):
    own = {"type": "Localhost", "localhostProfile": "x"}
    for name, profile in (("runtime", {"type": "RuntimeDefault"}), ("own", own)):
        node.apply(f"{name}.yaml", pod(name, secured({"appArmorProfile": profile})))
    node.apply("free.yaml", pod("free", securityContext={"appArmorProfile": {"type": "Unconfined"}}))
    node.wait_ready("free")
    for name in ("runtime", "own"):
        refused(node, name, "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host")


def test_strict_groups_are_refused_by_a_runtime_that_has_none(node):
    node.apply("strict.yaml", pod("strict", securityContext={"supplementalGroupsPolicy": "Strict"}))
    refused(node, "strict", "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported")


@pytest.mark.runtimes("2.2")
def test_strict_groups_leave_those_of_the_image_out(node):
    """The image's /etc/group puts its user 1000 into group 2000."""
    groups = {"supplementalGroups": [4000], "runAsUser": 1000, "runAsGroup": 3000}
    image = {"image": "docker.io/local/testapp-user:1"}
    for policy in ("Merge", "Strict"):
        context = {**groups, "supplementalGroupsPolicy": policy}
        node.apply(f"{policy}.yaml", pod(policy.lower(), secured(None, **image), securityContext=context))
    node.wait_ready("merge", "strict")
    found = {name: set(status(node, name)["Groups"].split()) - {"3000"} for name in ("merge", "strict")}
    assert found == {"merge": {"2000", "4000"}, "strict": {"4000"}}


def test_stop_signals_and_resource_claims_are_refused(node):
    signalled = testapp("--http", 8080, lifecycle={"stopSignal": "SIGUSR1"})
    node.apply("signal.yaml", pod("signal", signalled, os={"name": "linux"}))
    node.apply("claim.yaml", pod("claim", resourceClaims=[{"name": "gpu", "resourceClaimName": "g"}]))
    missing = "PodFeatureUnsupported: Pod requires node features that are not available: "
    refused(node, "signal", missing + "lifecycle.stopSignal")
    refused(node, "claim", "spec.resourceClaims[gpu] (dynamic resource allocation)")


def test_user_namespaces_are_refused_by_a_runtime_that_has_none(node):
    node.apply("users.yaml", pod("users", hostUsers=False))
    node.wait_for(lambda: "runtime does not support user namespaces" in node.explain("users"), what="the reason")
    assert "can't set `spec.hostUsers: false`" in node.explain("users")


@pytest.mark.runtimes("2.2")
def test_user_namespaces(node):
    """Root inside is nobody's number outside, another block for each pod, and the same after a restart of the agent."""
    node.machine.folder.chmod(0o711)  # as /run/containerd: the pod's root is another user and must get through
    volumes = {"volumes": [{"name": "d", "emptyDir": {}}], "hostUsers": False}
    for name in ("one", "two"):
        container = secured(volumeMounts=[mount("d", "/d")]) if name == "one" else secured({"procMount": "Unmasked"})
        node.apply(f"{name}.yaml", pod(name, container, **volumes))
    pods = node.wait_ready("one", "two")
    bases = []
    for found in pods:
        noted = json.loads((node.root / "pods" / found["metadata"]["uid"] / "userns").read_text())
        assert noted["uidMappings"] == noted["gidMappings"] and noted["uidMappings"][0]["length"] == 65536
        base = noted["uidMappings"][0]["hostId"]
        mapped = node.exec(found["metadata"]["name"], "cat", "/proc/self/uid_map").stdout
        assert mapped.split() == ["0", str(base), "65536"]
        bases.append(base)
    assert len(set(bases)) == 2 and all(base >= 65536 for base in bases)
    assert status(node, "one")["Uid"].split() == ["0"] * 4
    assert node.exec("one", "sh", "-c", "touch /d/f && stat -c %u /d /d/f").stdout == "0\n0\n"
    assert node.exec("one", "sh", "-c", "wc -c < /proc/kcore 2>/dev/null || echo 0").stdout.strip() == "0"
    assert "proc /proc/sys" not in node.exec("two", "cat", "/proc/mounts").stdout, "procMount Unmasked"
    node.agent.stop()
    node.agent.start()
    node.wait_for(lambda: node.exec("one", "true"), what="the new agent knows the pod")
    node.exec("one", "sh", "-c", "kill 1", check=False)
    node.wait_pod("one", lambda found: restarts(found) > 0 and is_ready(found))
    assert node.exec("one", "cat", "/proc/self/uid_map").stdout.split()[1] == str(bases[0])


def test_proc_mount_unmasked_wants_a_user_namespace(node):
    node.apply("bare.yaml", pod("bare", secured({"procMount": "Unmasked"})))
    node.wait_for(lambda: "`hostUsers` must be false to use `Unmasked`" in node.agent.log_text(), 8, "the refusal")
    assert "bare" not in node.pods()
