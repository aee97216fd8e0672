"""Where things are in the working tree, and what the environment may say instead."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
BIN = pathlib.Path(os.environ.get("KEELSON_BIN_DIR", BUILD / "release" / "bin"))
IMAGES = BUILD / "images"
TOOLS = BUILD / "tools"  # containerd 2.2, installed with Go by ./dev setup
CNI_BIN = pathlib.Path(os.environ.get("CNI_BIN_DIR", "/usr/lib/cni"))
