#!/usr/bin/python3
"""Builds the images of tests and examples, without a registry and without network.

    tests/images/build.py [--out build/images] [NAME...]

Each image is one layer of our own static programs (src/) and busybox-static, written as a docker archive that
`ctr image import` and `skopeo copy docker-archive:` read. Same inputs give the same bytes: times are zero, owners are
root, and the file names are sorted. An archive is rebuilt only when the hash of its inputs has changed.
"""

import argparse
import concurrent.futures
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE / "src"
BUSYBOX = pathlib.Path("/bin/busybox")
FLAGS = [
    "-static",
    "-Os",
    "-s",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
]

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
)
GROUP = "root:x:0:\napp:x:1000:\nextra:x:2000:app\nnogroup:x:65534:\n"

# What a program links with besides the C++ library. libcrypto could look names up, which a static program should not:
# the linker warns of it, but this program is given addresses.
LIBRARIES = {"https_get.cpp": ["-Wl,--no-warnings", "-lssl", "-lcrypto"]}

# name -> (source, whether busybox is in the image, image configuration)
IMAGES = {
    "pause": ("pause.c", False, {"Entrypoint": ["/pause"], "User": "65535:65535"}),
    "busybox": (None, True, {"Cmd": ["sh"]}),
    "testapp": ("testapp.cpp", True, {"Entrypoint": ["/testapp"]}),
    # The same program with what an image can say of its own: user by name, working folder and environment.
    "testapp-user": (
        "testapp.cpp",
        True,
        {"Entrypoint": ["/testapp"], "User": "app", "WorkingDir": "/home/app", "Env": ["PATH=/bin", "FROM_IMAGE=yes"]},
    ),
    "https-get": ("https_get.cpp", True, {"Cmd": ["sleep", "86400"]}),
    "guestbook-web": (
        "guestbook_web.cpp",
        False,
        {"Entrypoint": ["/guestbook-web"], "User": "65534:65534", "ExposedPorts": {"8080/tcp": {}}},
    ),
    "guestbook-db": ("guestbook_db.cpp", False, {"Entrypoint": ["/guestbook-db"], "ExposedPorts": {"6380/tcp": {}}}),
}


def program_name(name: str) -> str:
    return "testapp" if name.startswith("testapp") else name


def input_hash(name: str) -> str:
    source, busybox, config = IMAGES[name]
    digest = hashlib.sha256(json.dumps([name, config, FLAGS], sort_keys=True).encode())
    files = [HERE / "build.py"] + ([BUSYBOX] if busybox else [])
    if source:
        files += [SRC / source] + (sorted(SRC.glob("*.hpp")) if source.endswith(".cpp") else [])
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_program(source: str, into: pathlib.Path) -> bytes:
    compiler = ["gcc", "-std=gnu17"] if source.endswith(".c") else ["g++", "-std=c++20", "-pthread"]
    ccache = ["ccache"] if os.access("/usr/bin/ccache", os.X_OK) else []
    unlinked = into / f"{source}.o"
    compile_flags = [flag for flag in FLAGS if not flag.startswith("-Wl") and flag not in ("-static", "-s")]
    subprocess.run([*ccache, *compiler, *compile_flags, "-c", str(SRC / source), "-o", str(unlinked)], check=True)
    libraries = LIBRARIES.get(source, [])
    subprocess.run([*compiler, *FLAGS, str(unlinked), "-o", str(into / source), *libraries], check=True)
    return (into / source).read_bytes()


class Layer:
    """A tar of the image's root, in memory, with everything that varies between runs left out."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}

    def _add(self, path: str, kind: bytes, mode: int, data: bytes = b"", target: str = "", owner: int = 0) -> None:
        info = tarfile.TarInfo(path.strip("/"))
        info.type, info.mode, info.size, info.linkname, info.uid, info.gid = kind, mode, len(data), target, owner, owner
        self.entries[info.name] = (info, data)

    def directory(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        self._add(path, tarfile.DIRTYPE, mode, owner=owner)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._add(path, tarfile.REGTYPE, mode, data)

    def link(self, path: str, target: str) -> None:
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def tar(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for _, (info, data) in sorted(self.entries.items()):
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()


def fill_layer(name: str, program: bytes | None) -> bytes:
    layer = Layer()
    for path in ("etc", "proc", "sys", "dev", "run", "var", "root"):
        layer.directory(path)
    layer.directory("tmp", 0o1777)
    layer.directory("home")
    layer.directory("home/app", owner=1000)
    layer.file("etc/passwd", PASSWD.encode())
    layer.file("etc/group", GROUP.encode())
    if IMAGES[name][1]:
        layer.directory("bin")
        layer.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
        for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
            if applet != "busybox":
                layer.link(f"bin/{applet}", "busybox")
    if program:
        layer.file(program_name(name), program, 0o755)
    return layer.tar()


def write_archive(name: str, layer: bytes, path: pathlib.Path) -> None:
    layer_digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **IMAGES[name][2]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": f"tests/images/build.py {name}"}],
        },
        sort_keys=True,
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps(
        [{"Config": config_name, "RepoTags": [f"docker.io/local/{name}:1"], "Layers": [f"{layer_digest}/layer.tar"]}]
    ).encode()
    archive = Layer()
    archive.file(config_name, config)
    archive.file(f"{layer_digest}/layer.tar", layer)
    archive.file("manifest.json", manifest)
    partial = path.with_suffix(f".partial{os.getpid()}")
    partial.write_bytes(archive.tar())
    partial.replace(path)


def is_current(name: str, out: pathlib.Path) -> bool:
    stamp = out / f".{name}.inputs"
    return (out / f"{name}.tar").exists() and stamp.exists() and stamp.read_text() == input_hash(name)


def build(names: list[str], out: pathlib.Path) -> None:
    stale = [name for name in names if not is_current(name, out)]
    sources = sorted({IMAGES[name][0] for name in stale} - {None})
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = pool.map(lambda source: compile_program(source, pathlib.Path(scratch)), sources)
        programs = dict(zip(sources, compiled))
    for name in stale:
        path = out / f"{name}.tar"
        write_archive(name, fill_layer(name, programs.get(IMAGES[name][0])), path)
        (out / f".{name}.inputs").write_text(input_hash(name))
        print(f"image local/{name}:1 built, {path.stat().st_size // 1024} KiB")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the local images of tests and examples.")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent.parent / "build" / "images")
    parser.add_argument("names", nargs="*", default=list(IMAGES), metavar="NAME")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in IMAGES]
    if unknown:
        parser.error(f"no such image: {', '.join(unknown)}; there are {', '.join(IMAGES)}")
    args.out.mkdir(parents=True, exist_ok=True)
    build(args.names, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
