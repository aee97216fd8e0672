"""The environment of a container: every source, the order between them, and Service variables."""

import pytest

from harness.manifests import config_map, literal, pod, secret, service, shell, testapp, value_from
from harness.netns import NODE_IP
from harness.node import waiting_reason


def environment(node, name: str, container: str | None = None) -> dict[str, str]:
    """What the container printed with --print-env, all of it."""
    node.wait_ready(name)
    node.wait_for(lambda: node.logs(name, container).endswith("\nprinted\n"), what="the printed environment")
    return dict(line.split("=", 1) for line in node.logs(name, container).splitlines() if "=" in line)


def printing(**fields) -> dict:
    return testapp("--print-env", "--print", "printed", "--http", 8080, **fields)


def test_literals_and_expansion(node):
    node.apply(
        "env.yaml",
        pod(
            "env",
            printing(
                env=[
                    literal("A", "one"),
                    literal("B", "$(A) two"),
                    literal("C", "$$(A) $(NONE) $A"),
                    literal("D", ""),
                    literal("E", "$(D)|$(B)"),
                ]
            ),
        ),
    )
    found = environment(node, "env")
    assert (found["A"], found["B"], found["C"], found["D"], found["E"]) == (
        "one",
        "one two",
        "$(A) $(NONE) $A",
        "",
        "|one two",
    )


def test_config_maps_and_secrets(node):
    node.apply(
        "data.yaml",
        config_map("conf", colour="blue", size="4"),
        config_map("more", colour="red"),
        secret("keys", token="s3cret"),
    )
    node.apply(
        "env.yaml",
        pod(
            "env",
            printing(
                envFrom=[
                    {"configMapRef": {"name": "conf"}},
                    {"configMapRef": {"name": "more"}},
                    {"prefix": "SEC_", "secretRef": {"name": "keys"}},
                    {"configMapRef": {"name": "absent", "optional": True}},
                ],
                env=[
                    value_from("COLOUR", configMapKeyRef={"name": "conf", "key": "colour"}),
                    value_from("TOKEN", secretKeyRef={"name": "keys", "key": "token"}),
                    value_from("MAYBE", configMapKeyRef={"name": "conf", "key": "none", "optional": True}),
                    literal("size", "5"),
                ],
            ),
        ),
    )
    found = environment(node, "env")
    assert found["COLOUR"] == "blue" and found["TOKEN"] == "s3cret" and found["SEC_token"] == "s3cret"
    assert found["colour"] == "red", "a later envFrom wins"
    assert found["size"] == "5", "env wins over envFrom"
    assert "MAYBE" not in found


def test_fields_and_resources(node):
    fields = {
        "NAME": "metadata.name",
        "NS": "metadata.namespace",
        "UID": "metadata.uid",
        "NODE": "spec.nodeName",
        "HOST_IP": "status.hostIP",
        "POD_IP": "status.podIP",
        "LABEL": "metadata.labels['tier']",
        "NOTE": "metadata.annotations['note']",
        "SA": "spec.serviceAccountName",
    }
    resources = {
        "CPU": ("limits.cpu", "1m"),
        "MEM": ("limits.memory", "1Mi"),
        "REQ": ("requests.memory", "1"),
        "CORES": ("limits.cpu", "1"),
    }
    node.apply(
        "env.yaml",
        pod(
            "env",
            printing(
                resources={"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "1Mi"}},
                env=[value_from(name, fieldRef={"fieldPath": path}) for name, path in fields.items()]
                + [
                    value_from(name, resourceFieldRef={"resource": resource, "divisor": divisor})
                    for name, (resource, divisor) in resources.items()
                ],
            ),
            labels={"tier": "front"},
            annotations={"note": "hi there"},
        ),
    )
    found = environment(node, "env")
    env = node.pod("env")
    assert (found["NAME"], found["NS"], found["UID"], found["NODE"]) == (
        "env",
        "default",
        env["metadata"]["uid"],
        node.name,
    )
    assert (found["HOST_IP"], found["POD_IP"]) == (NODE_IP, env["status"]["podIP"])
    assert (found["LABEL"], found["NOTE"]) == ("front", "hi there") and found["SA"] in ("", "default")
    assert (found["CPU"], found["MEM"], found["REQ"], found["CORES"]) == ("1500", "64", str(1 << 20), "2")


def test_service_variables_in_both_styles(node):
    node.apply("svc.yaml", service("my-db", {"name": "sql", "port": 5432}, {"name": "admin", "port": 81}))
    address = node.cluster_ip("my-db")
    node.apply(
        "env.yaml", pod("env", printing(env=[literal("URL", "pg://$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT)")]))
    )
    node.apply("off.yaml", pod("off", printing(), enableServiceLinks=False))
    found = environment(node, "env")
    assert found["MY_DB_SERVICE_HOST"] == address and found["MY_DB_SERVICE_PORT"] == "5432"
    assert found["MY_DB_SERVICE_PORT_SQL"] == "5432" and found["MY_DB_SERVICE_PORT_ADMIN"] == "81"
    assert found["MY_DB_PORT"] == f"tcp://{address}:5432" == found["MY_DB_PORT_5432_TCP"]
    assert (found["MY_DB_PORT_81_TCP_PROTO"], found["MY_DB_PORT_81_TCP_PORT"], found["MY_DB_PORT_81_TCP_ADDR"]) == (
        "tcp",
        "81",
        address,
    )
    assert found["URL"] == f"pg://{address}:5432"
    assert not [name for name in environment(node, "off") if name.startswith("MY_DB")]


def test_headless_services_have_no_variables(node):
    node.apply("svc.yaml", service("headless", {"port": 80}, clusterIP="None"))
    node.apply("env.yaml", pod("env", printing()))
    assert not [name for name in environment(node, "env") if name.startswith("HEADLESS")]


@pytest.mark.parametrize(
    "source,text",
    [
        ({"configMapKeyRef": {"name": "nowhere", "key": "k"}}, 'configmap "nowhere" not found'),
        ({"secretKeyRef": {"name": "keys", "key": "nokey"}}, "couldn't find key nokey in Secret default/keys"),
    ],
)
def test_missing_source_waits_and_says_so(node, source, text):
    node.apply("data.yaml", secret("keys", token="x"))
    node.apply("env.yaml", pod("env", shell("sleep 600", env=[value_from("X", **source)])))
    node.wait_pod("env", lambda found: waiting_reason(found) == "CreateContainerConfigError")
    assert text in node.explain("env")
    node.apply("data.yaml", config_map("nowhere", k="v"), secret("keys", token="x", nokey="y"))
    node.wait_ready("env")
