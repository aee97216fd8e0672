"""Registries of images on the loopback of a node: a real one, one that is silent, and the Secret to pull with."""

import base64
import crypt
import json

from . import paths
from .manifests import secret
from .process import Process, wait_for

REGISTRY = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:5000"}}
"""


AUTH = """auth: {{htpasswd: {{realm: test, path: {path}}}}}
"""
USER, PASSWORD = "puller", "pass:word"


class Registry:
    """docker-registry on 127.0.0.1:5000 of the node's network namespace; runtimes speak plain HTTP to the loopback."""

    def __init__(self, node, auth: bool = False):
        self.node, self.folder, self.auth = node, node.folder / "registry", auth
        self.folder.mkdir()
        config = REGISTRY.format(root=self.folder / "data")
        if auth:
            users = self.folder / "htpasswd"
            users.write_text(f"{USER}:{crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2**5))}\n")
            config += AUTH.format(path=users)
        (self.folder / "config.yml").write_text(config)
        self.start()

    def start(self) -> None:
        self.process = Process(
            self.node.network.enter("docker-registry", "serve", self.folder / "config.yml"), self.folder / "log"
        )
        user = f"{USER}:{PASSWORD}@" if self.auth else ""
        wait_for(lambda: self.node.fetch(f"http://{user}127.0.0.1:5000/v2/"), what="the registry answers")

    def stop(self) -> None:
        self.process.stop()

    def push(self, name: str, image: str = "testapp") -> None:
        self.node.network.run(
            "skopeo",
            "copy",
            "--insecure-policy",
            "--dest-tls-verify=false",
            *(["--dest-creds", f"{USER}:{PASSWORD}"] if self.auth else []),
            f"docker-archive:{paths.IMAGES / image}.tar",
            f"docker://127.0.0.1:5000/{name}",
        )

    def close(self) -> None:
        """Ends it, and forgets what was pulled from it."""
        self.stop()
        for name in self.node.containerd.ctr("images", "ls", "-q").stdout.split():
            if name.startswith("127.0.0.1:5000/"):
                self.node.containerd.ctr("images", "rm", name, check=False)


def silent_registry(node, port: int) -> Process:
    """Takes connections and never says a word."""
    script = (
        f"import socket;s=socket.create_server(('127.0.0.1',{port}));held=[]\nprint('listens',flush=True)\n"
        "while True: held.append(s.accept())"
    )
    log = node.folder / f"silent-{port}.log"
    log.unlink(missing_ok=True)
    process = Process(node.network.enter("python3", "-c", script), log)
    wait_for(lambda: "listens" in process.log_text(), what="the silent registry listens")
    return process


def pull_secret(name: str, password: str = PASSWORD, legacy: bool = False, location: str = "127.0.0.1:5000") -> dict:
    auth = {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}
    key = ".dockercfg" if legacy else ".dockerconfigjson"
    content = {location: auth} if legacy else {"auths": {location: auth}}
    return {**secret(name, **{key: json.dumps(content)}), "type": f"kubernetes.io/{key[1:]}"}
