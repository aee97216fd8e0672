"""Every bad input has an error that names file, object and field, in the log, in get and in explain; other pods go on;
and mending the cause is enough."""

import copy

import pytest

from harness.manifests import config_map, mount, pod, shell, testapp, value_from
from harness.node import condition, container_status, waiting_reason

GOOD_SPEC = pod("victim")


def edited(edit) -> dict:
    changed = copy.deepcopy(GOOD_SPEC)
    edit(changed)
    return changed


def wrong_type(found: dict) -> None:
    found["spec"]["containers"][0]["ports"] = [{"containerPort": "eighty"}]


def unknown_volume(found: dict) -> None:
    found["spec"]["volumes"] = [{"name": "v", "floppyDisk": {"device": "fd0"}}]


def bad_quantity(found: dict) -> None:
    found["spec"]["containers"][0]["resources"] = {"limits": {"memory": "12 buckets"}}


def missing_image(found: dict) -> None:
    del found["spec"]["containers"][0]["image"]


def unknown_mount(found: dict) -> None:
    found["spec"]["containers"][0]["volumeMounts"] = [mount("nope", "/x")]


def bad_name(found: dict) -> None:
    found["metadata"]["name"] = "Not_A_Name"


# What is wrong, and the words that an error about it must have.
INVALID = [
    pytest.param(wrong_type, ["spec.containers[0].ports[0].containerPort", "integer"], id="wrong-type"),
    pytest.param(unknown_volume, ["spec.volumes[0]", "floppyDisk"], id="unknown-volume-kind"),
    pytest.param(bad_quantity, ["spec.containers[0].resources.limits", "12 buckets"], id="bad-quantity"),
    pytest.param(missing_image, ["spec.containers[0].image"], id="no-image"),
    pytest.param(unknown_mount, ["spec.containers[0].volumeMounts[0].name", "nope"], id="mount-of-no-volume"),
    pytest.param(bad_name, ["metadata.name", "Not_A_Name"], id="bad-name"),
]


def told_everywhere(node, file: str, subject: str, words: list[str]) -> None:
    """The words stand in the log, in `get pods` and in `explain`, each time with the file's name."""

    def get() -> str:
        done = node.cli("get", "pods", check=False)
        return done.stdout + done.stderr

    for where, text in (("log", node.agent.log_text), ("get pods", get), ("explain", lambda: node.explain(subject))):
        node.wait_for(
            lambda: all(word in text() for word in [file, *words]),
            8,
            f"{where} names {file} and {words}:\n{text()[-1500:]}",
        )


@pytest.mark.parametrize("edit,words", INVALID)
def test_invalid_object_is_named_and_others_go_on(node, edit, words):
    broken = edited(edit)
    node.apply("broken.yaml", broken)
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    told_everywhere(node, "broken.yaml", broken["metadata"]["name"], words)
    node.apply("broken.yaml", GOOD_SPEC)
    node.wait_ready("victim", "good")
    done = node.cli("get", "pods")
    assert "broken.yaml" not in done.stdout + done.stderr


def test_broken_yaml_names_file_and_line(node):
    node.apply("broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: victim\n spec: [}\n")
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    told_everywhere(node, "broken.yaml", "broken.yaml", ["line 5"])
    node.apply("broken.yaml", GOOD_SPEC)
    node.wait_ready("victim")


def test_breaking_the_file_of_a_running_pod_keeps_it_running(node):
    node.apply("web.yaml", pod("web"))
    [before] = node.wait_ready("web")
    node.apply("web.yaml", "kind: Pod\nmetadata: {name: web\n")
    node.wait_for(
        lambda: "web.yaml" in node.cli("get", "pods", check=False).stderr + node.cli("get", "pods", check=False).stdout,
        8,
        "get names it",
    )
    node.apply("other.yaml", pod("other"))
    node.wait_ready("other")  # by then it has been decided about the broken file
    [after] = node.wait_ready("web")
    assert container_status(after)["containerID"] == container_status(before)["containerID"]
    bad = pod("web")
    bad["spec"]["containers"][0]["ports"] = [{"containerPort": "eighty"}]
    node.apply("web.yaml", bad)
    node.apply("third.yaml", pod("third"))
    node.wait_ready("third")
    assert container_status(node.pod("web"))["containerID"] == container_status(before)["containerID"]
    node.apply("web.yaml", pod("web"))
    [again] = node.wait_ready("web")
    assert container_status(again)["containerID"] == container_status(before)["containerID"]


def test_one_bad_document_does_not_hide_the_others_of_its_file(node):
    node.apply("mixed.yaml", pod("good"), edited(wrong_type), pod("also-good"))
    node.wait_ready("good", "also-good")
    told_everywhere(node, "mixed.yaml", "victim", ["containerPort"])


def test_duplicate_name(node):
    node.apply("a-first.yaml", pod("twin", testapp("--print", "first", "--http", 8080)))
    node.wait_for(lambda: node.logs("twin") == "first\n", what="the log of the first")
    node.apply("b-second.yaml", pod("twin", testapp("--print", "second", "--http", 8080)))
    told_everywhere(node, "b-second.yaml", "twin", ["twin", "a-first.yaml"])
    assert node.logs("twin") == "first\n"
    node.remove("a-first.yaml")
    node.wait_for(lambda: node.logs("twin") == "second\n", what="the second takes the name when it is free")


def test_unknown_kind_is_named(node):
    node.apply("odd.yaml", {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}})
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    node.wait_for(
        lambda: "odd.yaml" in node.agent.log_text() and "Gadget" in node.agent.log_text(), 8, "the log names it"
    )


def test_unknown_field_is_refused_by_its_path(node):
    odd = edited(lambda found: found["spec"]["containers"][0].update(imagePolicy="Always"))
    node.apply("odd.yaml", odd)
    told_everywhere(node, "odd.yaml", "victim", ["spec.containers[0].imagePolicy: unknown field"])


def test_missing_config_map_key(node):
    node.apply("conf.yaml", config_map("conf", other="x"))
    node.apply(
        "victim.yaml",
        pod("victim", shell("sleep 600", env=[value_from("X", configMapKeyRef={"name": "conf", "key": "wanted"})])),
    )
    node.apply("good.yaml", pod("good"))
    node.wait_ready("good")
    node.wait_pod("victim", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    for text in (node.explain("victim"), node.agent.log_text()):
        assert "couldn't find key wanted in ConfigMap default/conf" in text
    assert "CreateContainerConfigError" in node.cli("get", "pods").stdout
    node.apply("conf.yaml", config_map("conf", wanted="here"))
    node.wait_ready("victim")


def test_missing_volume_key(node):
    node.apply("conf.yaml", config_map("conf", other="x"))
    node.apply(
        "victim.yaml",
        pod(
            "victim",
            testapp("--http", 8080, volumeMounts=[mount("v", "/v")]),
            volumes=[{"name": "v", "configMap": {"name": "conf", "items": [{"key": "wanted", "path": "p"}]}}],
        ),
    )
    node.wait_for(
        lambda: "references non-existent config key: wanted" in node.explain("victim"), what="explain names the key"
    )
    assert condition(node.pod("victim"), "Ready") == "False"
    node.apply("conf.yaml", config_map("conf", wanted="here"))
    node.wait_ready("victim")


def test_image_that_does_not_exist_and_may_not_be_pulled(node):
    node.apply(
        "victim.yaml", pod("victim", {"name": "app", "image": "docker.io/local/nowhere:1", "imagePullPolicy": "Never"})
    )
    node.wait_pod("victim", lambda found: waiting_reason(found) == "ErrImageNeverPull")
    assert "docker.io/local/nowhere:1" in node.explain("victim")


def test_invalid_image_name(node):
    node.apply("victim.yaml", pod("victim", {"name": "app", "image": "Not a/valid:image:name"}))
    node.wait_pod("victim", lambda found: waiting_reason(found) == "InvalidImageName")


def test_command_that_does_not_exist(node):
    node.apply("victim.yaml", pod("victim", testapp(command=["/no/such/program"])))
    node.wait_for(lambda: "/no/such/program" in node.explain("victim"), what="explain names the program")
    node.apply("victim.yaml", pod("victim"))
    node.wait_ready("victim")
