"""Short spellings of the objects that tests write. Every function returns a plain dict of the Kubernetes API."""

BUSYBOX = "docker.io/local/busybox:1"
TESTAPP = "docker.io/local/testapp:1"
HTTPS_GET = "docker.io/local/https-get:1"


def testapp(*args, name: str = "app", **fields) -> dict:
    """A container of the test program (tests/images/src/testapp.cpp) with these arguments."""
    return {"name": name, "image": TESTAPP, "args": [str(arg) for arg in args], **fields}


def shell(script: str, name: str = "app", **fields) -> dict:
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script], **fields}


def pod(name: str, *containers: dict, labels: dict | None = None, annotations: dict | None = None, **spec) -> dict:
    metadata = {
        "name": name,
        "labels": labels or {"app": name[:63]},
        **({"annotations": annotations} if annotations else {}),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(*containers, **spec)}


def pod_spec(*containers: dict, **spec) -> dict:
    """One second of grace unless told, so that tests end soon."""
    return {"terminationGracePeriodSeconds": 1, "containers": list(containers) or [testapp("--http", 8080)], **spec}


def template(app: str, *containers: dict, **spec) -> dict:
    return {"metadata": {"labels": {"app": app}}, "spec": pod_spec(*containers, **spec)}


def workload(kind: str, name: str, *containers: dict, fields: dict | None = None, **spec) -> dict:
    """Deployment, StatefulSet, DaemonSet or ReplicaSet named and labelled `name`; fields go beside the template."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, *containers, **spec),
            **(fields or {}),
        },
    }


def deployment(name: str, replicas: int, *containers: dict, fields: dict | None = None, **spec) -> dict:
    return workload("Deployment", name, *containers, fields={"replicas": replicas, **(fields or {})}, **spec)


def job(name: str, *containers: dict, fields: dict | None = None, **spec) -> dict:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": pod_spec(*containers, **{"restartPolicy": "Never", **spec}),
            },
            **(fields or {}),
        },
    }


def service(name: str, *ports: dict, selector: dict | None = None, **spec) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector or {"app": name}, "ports": list(ports), **spec},
    }


def config_map(name: str, **data) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data) -> dict:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": data}


def mount(name: str, path: str, **fields) -> dict:
    return {"name": name, "mountPath": path, **fields}


def literal(name: str, value: str) -> dict:
    return {"name": name, "value": value}


def value_from(name: str, **source) -> dict:
    return {"name": name, "valueFrom": source}
