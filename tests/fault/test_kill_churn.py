"""A hundred times kill -9 of the agent while fifty pods come, change and go: nothing that nobody touched restarts, nothing is
left. A run is repeated with KEELSON_SEED; the kills hit whatever step the agent is at, also of its own start."""

import random
import time

from harness.churn import SEED, Churn
from harness.manifests import config_map, deployment, service, testapp
from harness.node import container_status, is_ready, restarts

KILLS = 100
STILL, CHURNED = 20, 30
PROBES = {
    "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 2, "failureThreshold": 5},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2},
}


def test_hundred_kills_under_churn_of_fifty_pods(node, faults):
    dice = random.Random(SEED)
    node.apply("conf.yaml", config_map("conf", k="v"))
    node.apply(
        "still.yaml",
        deployment("still", STILL, testapp("--http", 8080, **PROBES)),
        service("still", {"port": 80, "targetPort": 8080}),
    )
    churn = Churn(node, dice, limit=CHURNED)
    for _ in range(CHURNED):
        churn.step()
    ready = lambda: [found for found in node.pods().values() if is_ready(found)]  # noqa: E731
    node.wait_for(lambda: len(ready()) == STILL + len(churn.wanted), 90, "the pods before the first kill")
    still = {name: container_status(found)["containerID"] for name, found in node.pods().items() if "still" in name}
    assert len(still) == STILL
    address = node.cluster_ip("still")
    node.wait_for(lambda: node.fetch(f"http://{address}/hostname"), what="their Service answers")
    for number in range(KILLS):
        for _ in range(dice.randint(0, 2)):
            churn.step()
        time.sleep(dice.uniform(0.2, 1.5))
        assert node.agent.running(), f"ended by itself in round {number}, seed {SEED}:\n{node.agent.log_text()[-3000:]}"
        node.agent.kill()
        faults.add()
        node.agent.start(wait=False)
    node.wait_for(churn.settled, 180, f"the pods that the folder asks for, seed {SEED}: {churn.wanted}")
    pods = node.pods()
    assert {name: container_status(pods[name])["containerID"] for name in still} == still, f"seed {SEED}"
    assert [name for name, found in pods.items() if restarts(found)] == [], f"restarted, seed {SEED}"
    wanted = 2 * (STILL + len(churn.wanted))
    node.wait_for(lambda: len(node.containerd.running_tasks()) == wanted, 30, f"nothing doubled, seed {SEED}")
    assert node.services()["still"]["spec"]["clusterIP"] == address
    assert node.fetch(f"http://{address}/hostname").stdout.strip() in still
