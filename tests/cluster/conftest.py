"""Fixtures of the cluster tier: `cluster`, a control plane with two nodes for all tests of the session, and `space`, a
namespace of it for the test that asks."""

import itertools
import re

import pytest

from harness import plane
from harness.cluster_node import AGENT, ClusterNode
from harness.space import Cluster, Space

_numbers = itertools.count(1)
_nodes = itertools.count(3)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    cluster = item.funcargs.get("cluster") if hasattr(item, "funcargs") else None
    if report.failed and cluster:
        for node in cluster.plane.closers:
            report.sections.append((f"{node.name}: {node.kind} (end)", node.agent.log_text()[-6000:]))


@pytest.fixture(scope="session")
def shared_cluster(images):
    if not plane.available():
        pytest.skip(f"NO CONTROL PLANE: {plane.BINARY} is not built; ./dev setup builds it where Go is present")
    cluster = Cluster()
    yield cluster
    left = cluster.close()
    if left:
        pytest.fail("left behind:\n  " + "\n  ".join(left[:30]), pytrace=False)


@pytest.fixture
def cluster(shared_cluster):
    yield shared_cluster
    shared_cluster.repair()


@pytest.fixture
def space(request, cluster):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:40]
    space = Space(cluster, f"{name}-{next(_numbers)}")
    yield space
    space.close()


@pytest.fixture
def agent_kind() -> str:
    """keelson, or kubelet where upstream proves the tests right."""
    return AGENT


@pytest.fixture
def third_node(cluster):
    """Makes a further node for the time of one test; arguments as ClusterNode's."""
    made = []

    def make(**options) -> ClusterNode:
        made.append(ClusterNode(cluster.plane, next(_nodes), **options))
        return made[-1]

    yield make
    for node in made:
        node.close()
        cluster.plane.closers.remove(node)
        if cluster.api.find("Node", node.name):
            cluster.api.delete("Node", node.name)
