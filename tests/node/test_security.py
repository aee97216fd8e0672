"""Security contexts, asserted from inside by /proc/self/status and by what the kernel lets the process do."""

import pytest

from harness.manifests import mount, pod, shell, testapp
from harness.node import waiting_reason


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
