"""One pod's misfortune stays its own: a pod with each kind of hang among thirty others, and none of those waits for them.

`./dev bench hang` measures the same with a hundred pods beside a run without hangs.
"""

import time

import pytest

from harness.hangs import Hangs
from harness.manifests import pod
from harness.node import container_status, is_ready, restarts

OTHERS = 30


@pytest.mark.runtimes("1.6", "2.2")
@pytest.mark.agent(proxy=True, start=False)
def test_one_pod_with_each_kind_of_hang_among_thirty_others(node, faults):
    hangs = Hangs(node)
    try:
        hangs.begin()
        start = time.monotonic()
        node.apply("others.yaml", *[pod(f"other-{i}") for i in range(OTHERS)])
        names = {f"other-{i}" for i in range(OTHERS)}
        node.wait_for(
            lambda: names <= {name for name, found in node.pods().items() if is_ready(found)},
            60,
            "all others are Ready while everything hangs",
        )
        print(f"{OTHERS} pods Ready after {time.monotonic() - start:.1f} s beside {len(hangs.words)} that hang")
        node.wait_for(hangs.explained, what="each hang is explained")
        pods = node.pods()
        assert not any(is_ready(pods[name]) for name in hangs.waiting if name in pods)
        assert not any(restarts(pods[name]) for name in names)
        before = {name: container_status(pods[name])["containerID"] for name in names}
        faults.add(len(hangs.words))
    finally:
        hangs.release()
    node.wait_ready(*hangs.recover, timeout=60)
    assert {name: container_status(found)["containerID"] for name, found in node.pods().items() if name in names} == before


@pytest.mark.agent(proxy=True, start=False)
def test_pods_that_hang_can_be_removed(node, faults):
    """Those whose own process or network hangs go although nothing was released; the calls that hang are given up."""
    hangs = Hangs(node)
    try:
        hangs.begin()
        faults.add(len(hangs.words))
        hangs.remove()
        # The runtime does not stop the first nor tell of the second; the third's mount may take two minutes to end.
        left = {"h-stop", "h-look", "h-mount"}
        node.wait_for(lambda: not (set(node.pods()) - left), 60, "all other pods are gone")
    finally:
        hangs.release()
    node.wait_for(lambda: not node.pods(), 30, "all pods gone")
