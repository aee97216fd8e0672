"""Fixtures of the node and fault tiers. A test asks for `node`; the marks say what kind of node it gets:

@pytest.mark.runtimes("1.6", "2.2")             run it with both containerd versions (default: 1.6 alone)
@pytest.mark.agent(flags=[...], config=[...])   further flags, documents of the --config file, env, start=False
"""

import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import paths, runtime  # noqa: E402
from harness.faults import FaultCount  # noqa: E402
from harness.node import Machine, Node  # noqa: E402

_machines: dict[str, Machine] = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "runtimes(*versions): containerd versions to run this test with")
    config.addinivalue_line("markers", "registry_auth: the test's registry wants a name and a password")
    config.addinivalue_line("markers", "only(*modes): proxy modes that a test of Services is about")
    config.addinivalue_line("markers", "agent(**options): options of the keelson agent, see harness.node.Node")
    # Ended from outside, a session still tidies up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    if "machine" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("runtimes")
        versions = mark.args if mark else ("1.6",)
        metafunc.parametrize("machine", versions, indirect=True, ids=[f"containerd-{version}" for version in versions])


def pytest_sessionfinish():
    for machine in list(_machines.values()):
        machine.destroy()
    _machines.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)
    node = item.funcargs.get("node") if hasattr(item, "funcargs") else None
    if report.failed and node:
        report.sections.append(("keelson.log (end)", node.agent.log_text()[-8000:]))
        report.sections.append(("containerd.log (end)", node.containerd.process.log_text()[-3000:]))
        for command in (["nft", "list", "ruleset"], ["conntrack", "-L"], ["ip", "neigh"]):
            try:
                said = node.network.run(*command, check=False).stdout
            except (OSError, ValueError, subprocess.SubprocessError) as error:  # else the whole session would end
                said = str(error)
            report.sections.append((f"{' '.join(command)} (end)", said[-6000:]))


@pytest.fixture(scope="session", autouse=True)
def images():
    subprocess.run([paths.ROOT / "tests" / "images" / "build.py"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def faults(request):
    count = FaultCount()
    yield count
    request.node.user_properties.append(("faults", count.injected))


@pytest.fixture
def machine(request, images):
    version = request.param
    if not runtime.available(version):
        pytest.skip(f"containerd {version} is not built: ./dev setup with Go present")
    if version not in _machines:
        _machines[version] = Machine(version)
    yield _machines[version]


@pytest.fixture
def node(request, machine):
    mark = request.node.get_closest_marker("agent")
    try:
        node = Node(machine, **(mark.kwargs if mark else {}))
    except BaseException:
        _machines.pop(machine.version).destroy()
        raise
    yield node
    failed = not hasattr(request.node, "report_call") or request.node.report_call.failed
    left = node.close()
    if failed or left:
        _machines.pop(machine.version).destroy()
    if left and not failed:
        pytest.fail("left behind:\n  " + "\n  ".join(left), pytrace=False)
