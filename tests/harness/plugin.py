"""A CNI plugin whose behaviour tests switch while it is in use."""

from .node import bridge_conflist

SCRIPT = """#!/usr/bin/python3
import json, os, pathlib, sys, time
folder = pathlib.Path({folder!r})
command = os.environ["CNI_COMMAND"]
with open(folder / "calls", "a") as calls:
    calls.write(command + " " + os.environ.get("CNI_CONTAINERID", "") + "\\n")
config = json.load(sys.stdin)
words = lambda: (folder / "mode").read_text().split()
mode = lambda: words()[0]
# Whether the pod is one of those that the mode is for: "hang NAME" is for pods whose name begins so.
mine = lambda: ("K8S_POD_NAME=" + words()[1] if len(words()) > 1 else "") in os.environ.get("CNI_ARGS", "")
def fail(code):
    print(json.dumps({{"cniVersion": config["cniVersion"], "code": code, "msg": "scripted failure " + str(code)}}))
    sys.exit(1)
if command == "VERSION":
    print(json.dumps({{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}}))
elif command == "ADD":
    while mine() and mode() == "hang":
        (folder / "hangs").touch()
        time.sleep(0.05)
    if mine() and mode() in ("fail", "again"):
        fail(100 if mode() == "fail" else 11)
    if mine() and mode() == "garbage":
        print("this is no result")
        sys.exit(0)
    print(json.dumps(config["prevResult"]))
elif command == "DEL" and mine() and mode() == "fail-del":
    fail(100)
"""


class Plugin:
    """The last plugin of the node's chain, its behaviour switched by a file."""

    def __init__(self, node):
        self.node, self.folder = node, node.folder / "scripted"
        self.folder.mkdir()
        self.mode("ok")
        path = node.cni_bin / "scripted"
        path.write_text(SCRIPT.format(folder=str(self.folder)))
        path.chmod(0o755)
        conflist = bridge_conflist(node.ipam)
        conflist["plugins"].append({"type": "scripted"})
        node.conflist(conflist)
        if node.agent.running():  # the pods of the test are to see it
            node.wait_for(lambda: "plugins=3" in node.agent.log_text(), what="the agent reads the new chain")

    def mode(self, mode: str) -> None:
        (self.folder / "mode.new").write_text(mode)
        (self.folder / "mode.new").rename(self.folder / "mode")

    def calls(self, command: str) -> int:
        path = self.folder / "calls"
        return path.read_text().count(f"{command} ") if path.exists() else 0

    def hanging(self) -> bool:
        """Whether a call has begun to hang."""
        return (self.folder / "hangs").exists()

    def forget_hangs(self) -> None:
        (self.folder / "hangs").unlink(missing_ok=True)

    def addresses(self) -> list[str]:
        return [path.name for path in self.node.ipam.glob("pods/*.*.*.*")]
