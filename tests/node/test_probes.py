"""Probes of every kind: readiness decides who gets traffic, liveness restarts, startup holds the others back."""

import datetime
import time

import pytest

from harness.manifests import pod, service, shell, testapp
from harness.node import condition, container_status, is_ready, restarts, waiting_reason

FAST = {"periodSeconds": 1, "failureThreshold": 1}
HTTP_OF = {"health": "/health", "ready": "/ready", "start": "/start"}


def handler(kind: str, switch: str) -> dict:
    """A probe handler that follows one of testapp's switches; grpc knows the switch `health` alone."""
    if kind == "httpGet":
        return {"httpGet": {"path": HTTP_OF[switch], "port": "http"}}
    if kind == "exec":
        return {"exec": {"command": ["wget", "-qO-", f"http://127.0.0.1:8080{HTTP_OF[switch]}"]}}
    return {"grpc": {"port": 9090}}


def server(*args, **probes) -> dict:
    return testapp("--http", 8080, "--grpc", 9090, *args, ports=[{"name": "http", "containerPort": 8080}], **probes)


def switch(node, name: str, switch_name: str, state: str) -> None:
    address = node.pod(name)["status"]["podIP"]
    node.wait_for(
        lambda: node.fetch(f"http://{address}:8080/switch/{switch_name}/{state}"), what="the switch is thrown"
    )


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.parametrize("kind", ["httpGet", "exec", "grpc"])
def test_readiness_follows_the_answer(node, kind):
    what = "health" if kind == "grpc" else "ready"
    node.apply("web.yaml", pod("web", server("--fail", what, readinessProbe={**handler(kind, what), **FAST})))
    web = node.wait_pod("web", lambda found: container_status(found).get("started"))
    time.sleep(1.5)  # one and a half periods: a probe has failed by now
    web = node.pod("web")
    assert web["status"]["phase"] == "Running" and not is_ready(web) and not container_status(web)["ready"]
    switch(node, "web", what, "on")
    node.wait_ready("web", timeout=5)
    switch(node, "web", what, "off")
    web = node.wait_pod("web", lambda found: not is_ready(found), timeout=5)
    assert condition(web, "ContainersReady") == "False" and restarts(web) == 0


@pytest.mark.parametrize("kind", ["httpGet", "exec", "grpc"])
def test_liveness_restarts(node, kind):
    node.apply("web.yaml", pod("web", server(livenessProbe={**handler(kind, "health"), **FAST})))
    [web] = node.wait_ready("web")
    first = container_status(web)["containerID"]
    switch(node, "web", "health", "off")
    changed = lambda found: container_status(found)["containerID"] != first  # a slow answer may have cost one more
    web = node.wait_pod("web", lambda found: changed(found) and is_ready(found), timeout=10)
    assert restarts(web) >= 1
    assert "Liveness probe failed" in node.explain("web")


def test_tcp_probes(node):
    listen = ["sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done; exec /testapp --tcp 7000"]
    node.apply(
        "late.yaml", pod("late", testapp(command=listen, readinessProbe={"tcpSocket": {"port": 7000}, **FAST}))
    )
    node.apply("deaf.yaml", pod("deaf", testapp("--http", 8080, livenessProbe={"tcpSocket": {"port": 7001}, **FAST})))
    late = node.wait_pod("late", lambda found: container_status(found).get("started"))
    assert not is_ready(late)
    node.exec("late", "touch", "/tmp/go")
    node.wait_ready("late", timeout=8)
    node.wait_pod("deaf", lambda found: restarts(found) >= 1, timeout=8)
    assert restarts(node.pod("late")) == 0


def test_thresholds_count_consecutive_answers(node):
    node.apply(
        "web.yaml",
        pod(
            "web",
            server(
                "--fail",
                "ready",
                livenessProbe={**handler("httpGet", "health"), "periodSeconds": 1, "failureThreshold": 4},
                readinessProbe={**handler("httpGet", "ready"), "periodSeconds": 1, "successThreshold": 3},
            ),
        ),
    )
    node.wait_pod("web", lambda found: container_status(found).get("started"))
    start = time.monotonic()
    switch(node, "web", "ready", "on")
    node.wait_ready("web", timeout=8)
    assert time.monotonic() - start > 1.5, "ready before the third success"
    start = time.monotonic()
    switch(node, "web", "health", "off")
    node.wait_pod("web", lambda found: restarts(found) == 1, timeout=15)
    assert time.monotonic() - start > 2.5, "restarted before the fourth failure"


def test_startup_holds_liveness_back_then_lets_it(node):
    node.apply(
        "slow.yaml",
        pod(
            "slow",
            server(
                "--fail",
                "start",
                "--fail",
                "health",
                startupProbe={**handler("httpGet", "start"), "periodSeconds": 1, "failureThreshold": 30},
                livenessProbe={**handler("httpGet", "health"), **FAST},
            ),
        ),
    )
    node.wait_pod("slow", lambda found: "running" in container_status(found).get("state", {}))
    time.sleep(2.5)  # a liveness probe that ran would have restarted the container by now
    slow = node.pod("slow")
    assert restarts(slow) == 0 and container_status(slow)["started"] is False and not is_ready(slow)
    switch(node, "slow", "health", "on")
    switch(node, "slow", "start", "on")
    node.wait_ready("slow", timeout=5)
    switch(node, "slow", "health", "off")
    node.wait_pod("slow", lambda found: restarts(found) == 1, timeout=8)


def test_startup_that_never_succeeds_restarts(node):
    node.apply(
        "never.yaml",
        pod(
            "never",
            server(
                "--fail",
                "start",
                startupProbe={**handler("httpGet", "start"), "periodSeconds": 1, "failureThreshold": 2},
            ),
        ),
    )
    node.wait_pod("never", lambda found: restarts(found) >= 1, timeout=12)


def test_probe_has_its_own_grace_period(node):
    node.apply(
        "stuck.yaml",
        pod(
            "stuck",
            server(
                "--ignore-term",
                livenessProbe={**handler("httpGet", "health"), **FAST, "terminationGracePeriodSeconds": 1},
            ),
            terminationGracePeriodSeconds=120,
        ),
    )
    node.wait_ready("stuck")
    switch(node, "stuck", "health", "off")
    node.wait_pod("stuck", lambda found: restarts(found) == 1, timeout=12)

    def ended(found: dict) -> bool:
        node.fetch(f"http://{found['status']['podIP']}:8080/exit/0", check=False)  # once it listens
        return waiting_reason(found) == "CrashLoopBackOff"

    node.wait_pod("stuck", ended)  # else the test ends in 120 s


def test_exec_probe_that_takes_too_long_fails(node):
    node.apply(
        "web.yaml",
        pod(
            "web",
            shell("sleep 600", readinessProbe={"exec": {"command": ["sleep", "30"]}, "timeoutSeconds": 1, **FAST}),
        ),
    )
    node.wait_pod("web", lambda found: container_status(found).get("started"))
    node.wait_for(lambda: "timed out" in node.explain("web"), 8, "explain names the timeout")
    assert not is_ready(node.pod("web"))


def test_initial_delay_is_kept(node):
    node.apply(
        "web.yaml", pod("web", server(readinessProbe={**handler("httpGet", "ready"), **FAST, "initialDelaySeconds": 3}))
    )
    [web] = node.wait_ready("web")
    [ready] = [item for item in web["status"]["conditions"] if item["type"] == "Ready"]
    times = container_status(web)["state"]["running"]["startedAt"], ready["lastTransitionTime"]
    began, came = (datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ") for text in times)
    assert (came - began).total_seconds() >= 3


def test_explain_tells_the_failed_status_code(node):
    node.apply(
        "web.yaml", pod("web", server("--fail", "ready", readinessProbe={**handler("httpGet", "ready"), **FAST}))
    )
    node.wait_for(
        lambda: "HTTP probe failed with statuscode: 503" in node.explain("web"), what="explain names the code"
    )


def test_unready_pod_gets_no_traffic(node):
    for name in ("good", "bad"):
        switches = ["--fail", "ready"] if name == "bad" else []
        node.apply(
            f"{name}.yaml",
            pod(name, server(*switches, readinessProbe={**handler("httpGet", "ready"), **FAST}), labels={"app": "web"}),
        )
    node.apply("svc.yaml", service("web", {"port": 80, "targetPort": 8080}))
    node.wait_ready("good")
    node.wait_pod("bad", lambda found: container_status(found).get("started"))
    address = node.cluster_ip()
    node.wait_for(lambda: node.fetch(f"http://{address}/hostname").stdout == "good\n", what="the Service answers")
    assert {node.fetch(f"http://{address}/hostname").stdout for _ in range(8)} == {"good\n"}
    switch(node, "bad", "ready", "on")
    node.wait_for(
        lambda: {node.fetch(f"http://{address}/hostname").stdout for _ in range(12)} == {"good\n", "bad\n"},
        what="both pods answer",
    )
