"""Volumes: what is in them, with which modes, that they follow their sources, and that they go with the pod."""

import os
import pathlib
import shutil
import stat

import pytest

from harness.manifests import BUSYBOX, config_map, mount, pod, secret, shell, testapp
from harness.node import container_status, waiting_reason
from harness.runtime import mounts_below


def holder(*mounts: dict, **fields) -> dict:
    return testapp("--http", 8080, volumeMounts=list(mounts), **fields)


def crash(node) -> None:
    """Ends the container of the pod `vol`; waits until it serves, since what is not heard ends nothing."""
    node.wait_for(lambda: node.exec("vol", "wget", "-qO-", "http://127.0.0.1:8080/"), what="the container serves")
    node.exec("vol", "wget", "-qO-", "http://127.0.0.1:8080/exit/1", check=False)


def test_config_map_volume_with_items_and_modes(node):
    node.apply("conf.yaml", {**config_map("conf", first="1", second="2"), "binaryData": {"raw": "AAEC"}})
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("all", "/all"), mount("some", "/some")),
            volumes=[
                {"name": "all", "configMap": {"name": "conf", "defaultMode": 0o440}},
                {
                    "name": "some",
                    "configMap": {"name": "conf", "items": [{"key": "second", "path": "deep/er", "mode": 0o600}]},
                },
            ],
        ),
    )
    node.wait_ready("vol")
    assert node.exec(
        "vol", "sh", "-c", "cd /all; for f in *; do echo $f; done; cat first second; stat -Lc %a first"
    ).stdout.split() == ["first", "raw", "second", "12440"]
    assert node.exec("vol", "od", "-An", "-tx1", "/all/raw").stdout.split() == ["00", "01", "02"]
    assert node.exec("vol", "sh", "-c", "cat /some/deep/er; stat -Lc %a /some/deep/er; ls /some").stdout.split() == [
        "2600",
        "deep",
    ]
    assert node.exec("vol", "sh", "-c", "echo x > /all/first", check=False).returncode != 0, "must be read-only"


def test_secret_volume_is_in_memory(node):
    node.apply("keys.yaml", secret("keys", token="s3cret"))
    node.apply(
        "vol.yaml",
        pod("vol", holder(mount("keys", "/keys")), volumes=[{"name": "keys", "secret": {"secretName": "keys"}}]),
    )
    [vol] = node.wait_ready("vol")
    assert (
        node.exec("vol", "sh", "-c", "cat /keys/token; stat -Lc %a /keys/token; stat -fc %T /keys").stdout
        == "s3cret644\ntmpfs\n"
    )
    folder = node.root / "pods" / vol["metadata"]["uid"] / "volumes" / "kubernetes.io~secret" / "keys"
    assert (folder / "..data" / "token").read_text() == "s3cret", "the kubelet's layout on disk"


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_volumes_follow_their_source(node, kind):
    make = config_map if kind == "configMap" else secret
    source = {"configMap": {"name": "live"}} if kind == "configMap" else {"secret": {"secretName": "live"}}
    node.apply("live.yaml", make("live", a="old", gone="x"))
    node.apply("vol.yaml", pod("vol", holder(mount("live", "/live")), volumes=[{"name": "live", **source}]))
    [before] = node.wait_ready("vol")
    assert node.exec("vol", "cat", "/live/a").stdout == "old"
    node.apply("live.yaml", make("live", a="new", added="y"))
    node.wait_for(lambda: node.exec("vol", "cat", "/live/a").stdout == "new", 10, "the new content in the pod")
    assert node.exec("vol", "ls", "/live").stdout.split() == ["a", "added"]
    [after] = node.wait_ready("vol")
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"], "no restart for a new content"


def test_optional_sources_may_be_absent(node):
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("c", "/c"), mount("s", "/s")),
            volumes=[
                {"name": "c", "configMap": {"name": "absent", "optional": True}},
                {"name": "s", "secret": {"secretName": "absent", "optional": True}},
            ],
        ),
    )
    node.wait_ready("vol")
    assert node.exec("vol", "sh", "-c", "ls /c /s | grep -v :; true").stdout.split() == []


def test_empty_dir_on_disk_and_in_memory(node):
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("disk", "/disk"), mount("mem", "/mem"), mount("ro", "/ro", readOnly=True)),
            volumes=[
                {"name": "disk", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "ro", "emptyDir": {}},
                {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
            ],
        ),
    )
    [vol] = node.wait_ready("vol")
    assert (
        node.exec("vol", "sh", "-c", "stat -c %a /disk /mem; stat -fc %T /mem; echo x > /disk/f").stdout
        == "777\n777\ntmpfs\n"
    )
    blocks, size = node.exec("vol", "stat", "-fc", "%b %S", "/mem").stdout.split()
    assert int(blocks) * int(size) == 8 << 20
    assert node.exec("vol", "touch", "/ro/f", check=False).returncode != 0
    folder = node.root / "pods" / vol["metadata"]["uid"] / "volumes" / "kubernetes.io~empty-dir"
    assert (folder / "disk" / "f").read_text() == "x\n" and str(folder / "mem") in mounts_below(node.root)
    node.remove("vol.yaml")
    node.wait_gone("vol")
    node.wait_for(lambda: not folder.exists() and not mounts_below(node.root / "pods"), what="folder and tmpfs gone")


def test_empty_dir_outlives_a_restart_of_its_container(node):
    node.apply("vol.yaml", pod("vol", holder(mount("d", "/d")), volumes=[{"name": "d", "emptyDir": {}}]))
    node.wait_ready("vol")
    node.exec("vol", "touch", "/d/kept")
    crash(node)
    node.wait_pod("vol", lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1)
    node.wait_ready("vol")
    assert node.exec("vol", "ls", "/d").stdout == "kept\n"


def test_host_path_types(node):
    host = node.folder / "host"
    host.mkdir()
    (host / "file").write_text("on the host")
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("dir", "/dir"), mount("file", "/file"), mount("new", "/new")),
            volumes=[
                {"name": "dir", "hostPath": {"path": str(host), "type": "Directory"}},
                {"name": "file", "hostPath": {"path": str(host / "file"), "type": "File"}},
                {"name": "new", "hostPath": {"path": str(host / "made"), "type": "DirectoryOrCreate"}},
            ],
        ),
    )
    node.wait_ready("vol")
    assert node.exec("vol", "cat", "/file").stdout == "on the host" == node.exec("vol", "cat", "/dir/file").stdout
    node.exec("vol", "touch", "/new/from-pod")
    assert (host / "made" / "from-pod").exists() and stat.S_IMODE(os.stat(host / "made").st_mode) == 0o755
    node.remove("vol.yaml")
    node.wait_gone("vol")
    assert (host / "file").read_text() == "on the host", "a hostPath is never emptied"


@pytest.mark.parametrize(
    "kind,word",
    [("Directory", "is not a directory"), ("Socket", "is not a socket file"), ("BlockDevice", "is not a block device")],
)
def test_host_path_of_the_wrong_type_waits(node, kind, word):
    path = node.folder / "thing"
    path.write_text("a file")
    node.apply(
        "vol.yaml",
        pod("vol", holder(mount("h", "/h")), volumes=[{"name": "h", "hostPath": {"path": str(path), "type": kind}}]),
    )
    node.wait_for(lambda: word in node.explain("vol"), what="explain names the check")
    assert node.pod("vol")["status"]["phase"] == "Pending"


def claim(name: str, path: pathlib.Path, source: str = "hostPath") -> tuple[dict, dict]:
    """A PersistentVolume over a folder of the node, and the claim that names it."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{name}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual",
            source: {"path": str(path)},
        },
    }
    if source == "local":
        here = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}
        volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual",
            "volumeName": f"pv-{name}",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    return volume, claim


@pytest.mark.parametrize("source", ["hostPath", "local"])
def test_claims_keep_data_between_pods(node, source):
    data = node.folder / "data"
    data.mkdir()
    node.apply("pv.yaml", *claim("data", data, source))
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    node.apply(
        "one.yaml",
        pod("one", shell("echo kept > /d/file; sleep 600", volumeMounts=[mount("d", "/d")]), volumes=volumes),
    )
    node.wait_ready("one")
    node.wait_for(lambda: (data / "file").exists(), what="the file on the node")
    node.remove("one.yaml")
    node.wait_gone("one")
    node.apply("two.yaml", pod("two", holder(mount("d", "/d", readOnly=True)), volumes=volumes))
    node.wait_ready("two")
    assert node.exec("two", "cat", "/d/file").stdout == "kept\n"
    assert node.exec("two", "touch", "/d/more", check=False).returncode != 0


def test_missing_config_map_and_claim_wait_then_recover(node):
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("c", "/c"), mount("d", "/d")),
            volumes=[
                {"name": "c", "configMap": {"name": "later"}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "later"}},
            ],
        ),
    )
    node.wait_for(
        lambda: "later" in node.explain("vol") and "not found" in node.explain("vol"),
        what="explain names what is missing",
    )
    assert node.pod("vol")["status"]["phase"] == "Pending"
    (node.folder / "later").mkdir()
    node.apply("conf.yaml", config_map("later", k="v"))
    node.apply("pv.yaml", *claim("later", node.folder / "later"))
    node.wait_ready("vol")


def test_downward_api_volume(node):
    memory = {"containerName": "app", "resource": "limits.memory", "divisor": "1Mi"}
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "who/name", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o400},
        {"path": "memory", "resourceFieldRef": memory},
    ]
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("info", "/info"), resources={"limits": {"memory": "64Mi"}}),
            labels={"a": "1", "b": "two"},
            volumes=[{"name": "info", "downwardAPI": {"defaultMode": 0o440, "items": items}}],
        ),
    )
    [vol] = node.wait_ready("vol")
    assert (
        node.exec("vol", "sh", "-c", "cd /info; cat labels; echo; cat who/name; echo; cat memory").stdout
        == f'a="1"\nb="two"\n{vol["metadata"]["name"]}\n64'
    )
    assert node.exec("vol", "sh", "-c", "stat -Lc %a /info/labels /info/who/name; stat -fc %T /info").stdout.split() == [
        "440",
        "400",
        "tmpfs",
    ]
    folder = node.root / "pods" / vol["metadata"]["uid"] / "volumes" / "kubernetes.io~downward-api" / "info"
    assert (folder / "..data" / "labels").exists(), "the kubelet's layout on disk"


def test_projected_volume_combines_its_sources_and_follows_them(node):
    node.apply("conf.yaml", config_map("conf", first="1", same="map"))
    node.apply("keys.yaml", secret("keys", same="secret", token="s3cret"))
    sources = [
        {"configMap": {"name": "conf"}},
        {"secret": {"name": "keys", "items": [{"key": "same", "path": "same"}, {"key": "token", "path": "in/token"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        {"configMap": {"name": "absent", "optional": True}},
    ]
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("all", "/all")),
            volumes=[{"name": "all", "projected": {"defaultMode": 0o600, "sources": sources}}],
        ),
    )
    [before] = node.wait_ready("vol")
    assert node.exec("vol", "sh", "-c", "cd /all; for f in first same in/token namespace; do cat $f; echo; done").stdout == (
        "1\nsecret\ns3cret\ndefault\n"
    )
    assert node.exec("vol", "stat", "-Lc", "%a", "/all/first").stdout == "600\n"
    node.apply("conf.yaml", config_map("conf", first="2", added="y"))
    node.wait_for(lambda: node.exec("vol", "cat", "/all/first").stdout == "2", 10, "the new content in the pod")
    assert node.exec("vol", "ls", "/all").stdout.split() == ["added", "first", "in", "namespace", "same"]
    [after] = node.wait_ready("vol")
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"], "no restart for a new content"


def test_a_token_without_an_api_server_is_refused_clearly(node):
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("t", "/t")),
            volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
        ),
    )
    node.wait_for(
        lambda: "service account tokens come from an API server" in node.explain("vol"), what="explain says why"
    )


# subPath


def disk_claim(node, name: str = "data") -> pathlib.Path:
    """A folder of the node behind a claim of that name."""
    data = node.folder / name
    data.mkdir(exist_ok=True)
    node.apply(f"pv-{name}.yaml", *claim(name, data, "local"))
    return data


@pytest.mark.runtimes("1.6", "2.2")
def test_sub_paths_show_files_and_folders_and_make_what_is_missing(node):
    node.apply("conf.yaml", config_map("conf", **{"app.conf": "port=1", "other": "x"}))
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(
                mount("scratch", "/logs", subPathExpr="logs/$(POD)"),
                mount("scratch", "/all"),
                mount("scratch", "/ro", subPath="logs", readOnly=True),
                mount("conf", "/etc/app.conf", subPath="app.conf"),
                env=env,
            ),
            volumes=[{"name": "scratch", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "conf"}}],
        ),
    )
    [vol] = node.wait_ready("vol")
    node.exec("vol", "sh", "-c", "echo line > /logs/file")
    assert node.exec("vol", "cat", "/all/logs/vol/file", "/ro/vol/file", "/etc/app.conf").stdout == "line\nline\nport=1"
    assert node.exec("vol", "stat", "-c", "%a %u %g", "/all/logs", "/logs").stdout == "777 0 0\n777 0 0\n"
    assert node.exec("vol", "touch", "/ro/vol/new", check=False).returncode != 0
    assert node.exec("vol", "sh", "-c", "echo x > /etc/app.conf", check=False).returncode != 0
    sub_paths = node.root / "pods" / vol["metadata"]["uid"] / "volume-subpaths"
    assert len(mounts_below(sub_paths)) == 3, "the kubelet's layout"
    node.remove("vol.yaml")
    node.wait_gone("vol")
    assert not sub_paths.exists() and not mounts_below(node.root / "pods")


def test_a_container_with_sub_paths_restarts_though_its_file_was_replaced(node):
    node.apply("conf.yaml", config_map("conf", text="old"))
    container = holder(mount("conf", "/conf", subPath="text"), mount("scratch", "/d", subPath="d"))
    volumes = [{"name": "conf", "configMap": {"name": "conf"}}, {"name": "scratch", "emptyDir": {}}]
    node.apply("vol.yaml", pod("vol", container, volumes=volumes))
    [vol] = node.wait_ready("vol")
    node.exec("vol", "touch", "/d/kept")
    shown = node.root / "pods" / vol["metadata"]["uid"] / "volumes" / "kubernetes.io~configmap" / "conf" / "text"
    node.apply("conf.yaml", config_map("conf", text="new"))
    node.wait_for(lambda: shown.read_text() == "new", what="the volume's new content")
    assert node.exec("vol", "cat", "/conf").stdout == "old", "a subPath mount does not follow"
    crash(node)
    node.wait_pod("vol", lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1)
    node.wait_ready("vol")
    assert node.exec("vol", "cat", "/conf").stdout == "new"
    assert node.exec("vol", "ls", "/d").stdout == "kept\n"


@pytest.mark.parametrize("link", ["/", "../../../../../../../../etc", "/proc/self/root"])
def test_a_link_in_a_volume_does_not_lead_a_sub_path_to_the_node(node, link):
    """CVE-2017-1002101: an init container plants the link that the app's subPath goes through."""
    plant = shell(f"ln -s {link} /v/evil", name="plant", volumeMounts=[mount("v", "/v")])
    node.apply(
        "vol.yaml",
        pod(
            "vol",
            holder(mount("v", "/stolen", subPath="evil")),
            initContainers=[plant],
            volumes=[{"name": "v", "emptyDir": {}}],
        ),
    )
    node.wait_for(lambda: "leads outside of volume path" in node.explain("vol"), what="explain names the escape")
    found = node.pod("vol")
    assert waiting_reason(found) == "CreateContainerConfigError"
    assert not mounts_below(node.root / "pods" / found["metadata"]["uid"] / "volume-subpaths")


def test_removal_of_volumes_does_not_follow_what_containers_left_in_them(node):
    """CVE-2017-1002102, and a mount that somebody made inside a volume."""
    host = node.folder / "host"
    host.mkdir()
    (host / "precious").write_text("x")
    script = f"ln -s {host} /e/link; ln -s {host}/precious /e/file; mkdir /e/mnt; sleep 600"
    node.apply(
        "vol.yaml",
        pod("vol", shell(script, volumeMounts=[mount("e", "/e")]), volumes=[{"name": "e", "emptyDir": {}}]),
    )
    [vol] = node.wait_ready("vol")
    folder = node.root / "pods" / vol["metadata"]["uid"] / "volumes" / "kubernetes.io~empty-dir" / "e"
    node.wait_for(lambda: (folder / "mnt").exists(), what="the container's work")
    node.network.run("mount", "--bind", str(host), str(folder / "mnt"))
    node.remove("vol.yaml")
    node.wait_gone("vol")
    assert not folder.exists() and (host / "precious").read_text() == "x"


def test_volumes_of_a_pod_that_nobody_knows_are_cleaned_up_at_the_start(node):
    """Orphans: the agent died, the manifest went, and something of the node is mounted in the left-over volume."""
    volumes = [{"name": "e", "emptyDir": {"medium": "Memory"}}]
    node.apply("vol.yaml", pod("vol", holder(mount("e", "/e")), volumes=volumes))
    node.wait_ready("vol")
    host = node.folder / "host"
    host.mkdir()
    (host / "precious").write_text("x")
    node.agent.kill()
    node.remove("vol.yaml")
    stranger = node.root / "pods" / "11111111-2222-3333-4444-555555555555" / "volumes/kubernetes.io~empty-dir/old"
    (stranger / "mnt").mkdir(parents=True)
    (stranger / "link").symlink_to(host)
    node.network.run("mount", "--bind", str(host), str(stranger / "mnt"))
    node.agent.start()
    node.wait_for(lambda: not list((node.root / "pods").iterdir()), 30, "no folder of a pod left")
    assert not mounts_below(node.root / "pods") and (host / "precious").read_text() == "x"


# fsGroup and modes


def owners(node, name: str, *paths: str) -> list[str]:
    return node.exec(name, "stat", "-Lc", "%g %a", *paths).stdout.splitlines()


def test_fs_group_owns_every_kind_of_volume_that_takes_it(node):
    data, host = disk_claim(node), node.folder / "host"
    (data / "old").write_text("x")
    os.chmod(data / "old", 0o600)
    host.mkdir(mode=0o755)
    node.apply("conf.yaml", config_map("conf", k="v"), secret("keys", k="v"))
    item = {"path": "k", "fieldRef": {"fieldPath": "metadata.name"}}
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "mem", "emptyDir": {"medium": "Memory"}},
        {"name": "conf", "configMap": {"name": "conf", "defaultMode": 0o400}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "info", "downwardAPI": {"items": [item], "defaultMode": 0o400}},
        {"name": "all", "projected": {"sources": [{"configMap": {"name": "conf"}}], "defaultMode": 0o400}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "host", "hostPath": {"path": str(host)}},
    ]
    mounts = [mount(volume["name"], "/" + volume["name"]) for volume in volumes]
    node.apply(
        "vol.yaml",
        pod("vol", holder(*mounts), securityContext={"fsGroup": 4321, "runAsUser": 1000}, volumes=volumes),
    )
    node.wait_ready("vol")
    assert owners(node, "vol", "/disk", "/mem") == ["4321 2777", "4321 2777"]
    assert owners(node, "vol", "/conf/k", "/keys/k", "/info/k", "/all/k") == ["4321 440"] * 4
    assert owners(node, "vol", "/data", "/data/old") == ["4321 2775", "4321 660"]
    assert owners(node, "vol", "/host") == ["0 755"], "not for hostPath"
    assert "4321" in node.exec("vol", "id", "-G").stdout.split()
    node.exec("vol", "sh", "-c", "cat /conf/k /keys/k /info/k /all/k && echo x > /data/new && echo x > /disk/new")
    assert os.stat(data / "new").st_gid == 4321


@pytest.mark.parametrize("policy", ["Always", "OnRootMismatch"])
def test_fs_group_change_policy(node, policy):
    data = disk_claim(node)
    (data / "file").write_text("x")
    os.chown(data, 0, 4321)
    os.chmod(data, 0o2770)
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    security = {"fsGroup": 4321, "fsGroupChangePolicy": policy}
    node.apply("vol.yaml", pod("vol", holder(mount("d", "/d")), securityContext=security, volumes=volumes))
    node.wait_ready("vol")
    assert owners(node, "vol", "/d/file") == (["4321 664"] if policy == "Always" else ["0 644"])


def test_the_gid_annotation_of_a_volume_becomes_a_supplemental_group(node):
    data = node.folder / "data"
    data.mkdir()
    volume, wanted = claim("data", data)
    volume["metadata"]["annotations"] = {"pv.beta.kubernetes.io/gid": "7654"}
    node.apply("pv.yaml", volume, wanted)
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    node.apply("vol.yaml", pod("vol", holder(mount("d", "/d")), volumes=volumes))
    node.wait_ready("vol")
    assert "7654" in node.exec("vol", "id", "-G").stdout.split()


# emptyDir


def test_a_memory_volume_is_bounded_by_the_pods_memory_limit(node):
    volumes = [
        {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "n", "emptyDir": {"medium": "Memory"}},
    ]
    resources = {"limits": {"memory": "48Mi"}}
    node.apply("vol.yaml", pod("vol", holder(mount("m", "/m"), mount("n", "/n"), resources=resources), volumes=volumes))
    node.wait_ready("vol")
    for path in ("/m", "/n"):
        blocks, size = node.exec("vol", "stat", "-fc", "%b %S", path).stdout.split()
        assert int(blocks) * int(size) == 48 << 20


def test_huge_pages_that_the_node_has_not_wait_with_the_reason(node):
    volumes = [{"name": "h", "emptyDir": {"medium": "HugePages-16Gi"}}]
    node.apply("vol.yaml", pod("vol", holder(mount("h", "/h")), volumes=volumes))
    node.wait_for(lambda: "this node has no huge pages of size 16Gi" in node.explain("vol"), what="explain says why")


# mountPropagation, readOnly, recursiveReadOnly


def test_mount_propagation(node):
    host = node.folder / "host"
    host.mkdir()
    for name in ("none", "from-host", "both"):
        (host / name).mkdir()
    node.network.run("mount", "--bind", str(host), str(host))
    node.network.run("mount", "--make-rshared", str(host))
    try:
        modes = [("n", "None"), ("h", "HostToContainer"), ("b", "Bidirectional")]
        mounts = [mount("v", "/" + name, mountPropagation=mode) for name, mode in modes]
        volumes = [{"name": "v", "hostPath": {"path": str(host)}}]
        node.apply("vol.yaml", pod("vol", holder(*mounts, securityContext={"privileged": True}), volumes=volumes))
        node.wait_ready("vol")
        node.network.run("mount", "-t", "tmpfs", "tmpfs", str(host / "from-host"))
        (host / "from-host" / "seen").write_text("x")
        listed = {name: node.exec("vol", "ls", f"/{name}/from-host").stdout.split() for name, _ in modes}
        assert listed == {"n": [], "h": ["seen"], "b": ["seen"]}
        node.exec("vol", "mount", "-t", "tmpfs", "tmpfs", "/b/both")
        node.exec("vol", "mount", "-t", "tmpfs", "tmpfs", "/h/none")
        assert str(host / "both") in mounts_below(host) and str(host / "none") not in mounts_below(host)
    finally:
        node.remove("vol.yaml")
        node.wait_gone("vol")
        for path in [*reversed(mounts_below(host)), str(host)]:
            node.network.run("umount", path)


def recursive_pod(host: pathlib.Path, mode: str) -> dict:
    mounts = [
        mount("v", "/v", readOnly=True, recursiveReadOnly=mode),
        mount("v", "/plain", readOnly=True),
        mount("v", "/w"),
    ]
    return pod("vol", holder(*mounts), volumes=[{"name": "v", "hostPath": {"path": str(host)}}])


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("mode", ["IfPossible", "Enabled"])
def test_recursive_read_only(node, mode):
    host = node.folder / "host"
    (host / "below").mkdir(parents=True)
    node.network.run("mount", "-t", "tmpfs", "tmpfs", str(host / "below"))
    try:
        node.apply("vol.yaml", recursive_pod(host, mode))
        has_it = node.machine.version != "1.6"
        if mode == "Enabled" and not has_it:
            node.wait_pod("vol", lambda found: waiting_reason(found) == "CreateContainerConfigError")
            assert "does not support recursive read-only mounts" in node.explain("vol")
            return
        [vol] = node.wait_ready("vol")
        assert node.exec("vol", "touch", "/v/x", check=False).returncode != 0
        written = node.exec("vol", "touch", "/v/below/x", check=False).returncode == 0
        assert written == (not has_it), "a mount below a read-only one"
        assert node.exec("vol", "touch", "/plain/below/y", check=False).returncode == 0
        found = container_status(vol)["volumeMounts"]
        assert [(item["mountPath"], item.get("recursiveReadOnly")) for item in found] == [
            ("/v", "Enabled" if has_it else "Disabled"),
            ("/plain", "Disabled"),
            ("/w", None),
        ]
    finally:
        node.remove("vol.yaml")
        node.wait_gone("vol")
        node.network.run("umount", str(host / "below"))


# image volumes


def image_pod(**fields) -> dict:
    volumes = [{"name": "i", "image": {"reference": BUSYBOX, "pullPolicy": "IfNotPresent", **fields}}]
    return pod("vol", holder(mount("i", "/image"), mount("i", "/part", subPath="bin")), volumes=volumes)


@pytest.mark.runtimes("2.2")
def test_image_volume(node):
    node.apply("vol.yaml", image_pod())
    node.wait_ready("vol")
    assert "busybox" in node.exec("vol", "ls", "/image/bin").stdout.split()
    assert "busybox" in node.exec("vol", "ls", "/part").stdout.split()
    assert node.exec("vol", "touch", "/image/new", check=False).returncode != 0, "always read-only"


@pytest.mark.runtimes("2.2")
def test_image_volume_whose_image_is_missing_waits(node):
    node.apply("vol.yaml", image_pod(reference="docker.io/local/none:1", pullPolicy="Never"))
    node.wait_pod("vol", lambda found: waiting_reason(found) == "ErrImageNeverPull")
    assert "docker.io/local/none:1" in node.explain("vol")


def test_image_volume_of_a_runtime_that_has_none(node):
    node.apply("vol.yaml", image_pod())
    node.wait_pod("vol", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    assert 'volume "i": the container runtime has no image volumes' in node.explain("vol")


# Generic ephemeral volumes


def ephemeral_pod(name: str) -> dict:
    storage = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "manual", "resources": storage}
    volumes = [{"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]
    return pod(name, holder(mount("e", "/e")), volumes=volumes)


def test_ephemeral_volume_takes_a_volume_of_the_folder(node):
    data = node.folder / "data"
    data.mkdir()
    volume, _ = claim("data", data, "local")
    node.apply("pv.yaml", volume)
    node.apply("vol.yaml", ephemeral_pod("vol"))
    node.wait_ready("vol")
    node.exec("vol", "touch", "/e/file")
    assert (data / "file").exists()


def test_ephemeral_volume_without_a_fitting_volume_waits(node):
    node.apply("vol.yaml", ephemeral_pod("vol"))
    text = "error processing PVC default/vol-e: PVC is not bound"
    node.wait_for(lambda: text in node.explain("vol"), what="explain says why")
    data = node.folder / "data"
    data.mkdir()
    node.apply("pv.yaml", claim("data", data, "local")[0])
    node.wait_ready("vol")


def test_ephemeral_volume_does_not_take_somebody_elses_claim(node):
    data = node.folder / "data"
    data.mkdir()
    node.apply("pv.yaml", *claim("vol-e", data, "local"))
    node.apply("vol.yaml", ephemeral_pod("vol"))
    text = "PVC default/vol-e was not created for pod default/vol (pod is not owner)"
    node.wait_for(lambda: text in node.explain("vol"), what="explain names the owner")


# What a node may lack


def test_nfs_without_a_helper_or_server_waits_with_the_reason(node):
    volumes = [{"name": "n", "nfs": {"server": "127.0.0.1", "path": "/export"}}]
    node.apply("vol.yaml", pod("vol", holder(mount("n", "/n")), volumes=volumes))
    words = "needs the program mount.nfs" if not shutil.which("mount.nfs") else "mount -t nfs"
    node.wait_for(lambda: words in node.explain("vol"), what="explain names what is missing")
    node.remove("vol.yaml")
    node.wait_gone("vol")


def test_iscsi_without_iscsiadm_waits_with_the_reason(node):
    if shutil.which("iscsiadm"):
        pytest.skip("this machine has iscsiadm")
    source = {"targetPortal": "10.0.2.15", "iqn": "iqn.2001-04.com.example:disk", "lun": 0}
    node.apply("vol.yaml", pod("vol", holder(mount("s", "/s")), volumes=[{"name": "s", "iscsi": source}]))
    node.wait_for(lambda: "needs the program iscsiadm" in node.explain("vol"), what="explain names what is missing")


@pytest.mark.parametrize("kind", ["cephfs", "gcePersistentDisk", "flexVolume", "csi"])
def test_other_kinds_of_volume_are_refused_by_their_field(node, kind):
    node.apply("vol.yaml", pod("vol", holder(mount("x", "/x")), volumes=[{"name": "x", kind: {"driver": "d"}}]))
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    assert "vol" not in node.pods()
    assert f"spec.volumes[0].{kind}: Unsupported value" in node.agent.log_text()


def test_an_immutable_config_map_keeps_its_content(node):
    node.apply("conf.yaml", {**config_map("conf", k="old"), "immutable": True})
    node.apply("vol.yaml", pod("vol", holder(mount("c", "/c")), volumes=[{"name": "c", "configMap": {"name": "conf"}}]))
    node.wait_ready("vol")
    node.apply("conf.yaml", {**config_map("conf", k="new"), "immutable": True})
    text = "data: Forbidden: field is immutable when `immutable` is set"
    node.wait_for(lambda: text in node.agent.log_text(), what="the change is refused")
    assert node.exec("vol", "cat", "/c/k").stdout == "old"
