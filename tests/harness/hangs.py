"""One pod for each thing that can hang for good on a node with a CRI proxy: for the isolation test and `./dev bench hang`."""

import os

from .manifests import mount, pod, testapp
from .plugin import Plugin
from .registry import silent_registry

FOR_EVER = {"exec": {"command": ["sleep", "100000"]}}
# Takes the place of mount(8): of nfs it does not come back until it is released, then it has failed.
MOUNT = """#!/bin/sh
case " $* " in *" nfs "*) while [ -e "$0.hang" ]; do sleep 0.2; done; exit 32 ;; esac
exec /bin/mount "$@"
"""


class Hangs:
    """Made before the agent is started, which it starts. `words`: what explain must say of each pod that hangs."""

    def __init__(self, node):
        self.node = node
        tools = node.folder / "tools"
        tools.mkdir()
        self.mount_hangs = tools / "mount.hang"
        self.mount_hangs.touch()
        for name, script in (("mount", MOUNT), ("mount.nfs", "#!/bin/sh\n")):
            (tools / name).write_text(script)
            (tools / name).chmod(0o755)
        node.agent.env = {**node.agent.env, "PATH": f"{tools}:{os.environ['PATH']}"}
        self.plugin = Plugin(node)
        self.silent = silent_registry(node, 5001)
        node.agent.start()
        self.rules = []
        self.words = {
            "h-plugin": ["create sandbox, since", 'the CNI plugin "scripted" has not answered ADD'],
            "h-pull": ["waiting for image", "it is being pulled from 127.0.0.1:5001"],
            "h-probe": ["app"],
            "h-post": ["postStart, since"],
            "h-sandbox": ["create sandbox, since"],
            "h-create": ["container app: create, since"],
            "h-start": ["container app: start, since"],
            "h-look": ["look, since"],
            "h-mount": ["volumes", "since"],
            "h-stop": ["container app: stop, since"],
        }
        # Those that become Ready once what hangs is released, without anybody doing anything.
        self.recover = ["h-plugin", "h-sandbox", "h-create", "h-start", "h-look"]
        # h-look may be Ready already when it is looked at, h-stop was.
        self.waiting = [name for name in self.words if name not in ("h-look", "h-stop")]

    def pods(self) -> list[dict]:
        registry = {"name": "app", "image": "127.0.0.1:5001/x:1"}
        probe = {**FOR_EVER, "periodSeconds": 1, "timeoutSeconds": 600}
        nfs = {"name": "n", "nfs": {"server": "127.0.0.1", "path": "/export"}}
        return [
            pod("h-plugin"),
            pod("h-pull", registry),
            pod("h-probe", testapp("--http", 8080, readinessProbe=probe)),
            pod("h-post", testapp("--http", 8080, lifecycle={"postStart": FOR_EVER})),
            pod("h-sandbox"),
            pod("h-create"),
            pod("h-start"),
            pod("h-look", initContainers=[testapp("--exit", 0, name="first")]),  # whose end makes the agent look
            pod("h-mount", testapp("--http", 8080, volumeMounts=[mount("n", "/n")]), volumes=[nfs]),
        ]

    def begin(self) -> None:
        """All of them hang when this returns."""
        node = self.node
        node.apply("h-stop.yaml", pod("h-stop"))
        node.wait_ready("h-stop")
        self.plugin.mode("hang h-plugin")
        broken = {
            "h-sandbox": "RunPodSandbox",
            "h-create": "CreateContainer",
            "h-start": "StartContainer",
            "h-look": "ListContainers",
            "h-stop": "StopContainer",
        }
        self.rules = [node.proxy.inject(rpc, "hang", name, times=None) for name, rpc in broken.items()]
        node.apply("hangs.yaml", *self.pods())
        node.remove("h-stop.yaml")
        node.wait_for(self._hang, 30, "everything hangs")

    def _hang(self) -> bool:
        assert self.plugin.hanging() and all(rule.hits for rule in self.rules), "not every call has come"
        return self.explained()

    def explained(self) -> bool:
        for name, words in self.words.items():
            text = self.node.explain(name)
            missing = [word for word in words if word not in text]
            assert not missing, f"{name}: {missing} not in:\n{text}"
        return True

    def remove(self) -> None:
        self.node.remove("hangs.yaml")

    def release(self) -> None:
        """What hangs goes on, or fails."""
        self.plugin.mode("ok")
        for rule in self.rules:
            rule.remove()
        self.mount_hangs.unlink(missing_ok=True)
        self.silent.stop()

    def reset(self) -> None:
        """After release(), before another begin()."""
        self.plugin.forget_hangs()
        self.mount_hangs.touch()
        self.silent = silent_registry(self.node, 5001)
