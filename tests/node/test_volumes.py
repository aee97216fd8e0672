"""Volumes: what is in them, with which modes, that they follow their sources, and that they go with the pod."""

import os
import pathlib
import stat

import pytest

from harness.manifests import config_map, mount, pod, secret, shell, testapp
from harness.runtime import mounts_below


def holder(*mounts: dict, **fields) -> dict:
    return testapp("--http", 8080, volumeMounts=list(mounts), **fields)


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
    node.exec("vol", "wget", "-qO-", "http://127.0.0.1:8080/exit/1", check=False)
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
