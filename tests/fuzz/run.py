#!/usr/bin/env python3
"""Runs the fuzz targets: run.py [--seconds 60] [--jobs 2] [--junit FILE] [NAME...]

New inputs that reach new code go to build/fuzz/corpus/NAME, which later runs begin with; an input that breaks something
goes to build/fuzz/found, and is told with the command that repeats it. Ends with 1 where something broke.
"""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests" / "fuzz" / "corpus"
NAMES = sorted(path.name for path in SEEDS.iterdir() if path.is_dir())


def run(name: str, build: pathlib.Path, seconds: int) -> tuple[str, float, str, str]:
    """Name, duration, a line about the run, and what broke."""
    corpus, found = build / "corpus" / name, build / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    command = [build / "bin" / f"fuzz_{name}", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024"]
    command += ["-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={found}/{name}-", corpus, SEEDS / name]
    began = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=seconds + 120)
        text, failed = done.stderr.decode(errors="replace"), done.returncode != 0
    except subprocess.TimeoutExpired as late:
        text, failed = (late.stderr or b"").decode(errors="replace") + "\nnever ended", True
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", text))
    covered = re.findall(r"cov: (\d+)", text)
    line = f"{int(stats.get('number_of_executed_units', 0)):>9,} runs, {covered[-1] if covered else 0} edges"
    artifact = re.findall(r"Test unit written to (\S+)", text)
    broken = ""
    if failed:
        repeat = f"\nrepeat: {command[0]} {artifact[-1]}" if artifact else ""
        broken = "\n".join(text.splitlines()[-60:]) + repeat
    return name, time.monotonic() - began, line, broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--junit", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all unless told")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(NAMES)}")
    suite = xml.Element("testsuite", name="fuzz")
    broke = False
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run, name, options.build, options.seconds) for name in options.names or NAMES]
        for done in concurrent.futures.as_completed(runs):
            name, seconds, line, broken = done.result()
            print(f"fuzz {name:<12} {line}{', BROKE' if broken else ''}", flush=True)
            case = xml.SubElement(suite, "testcase", classname="fuzz", name=name, time=f"{seconds:.1f}")
            if broken:
                broke = True
                print(broken, flush=True)
                xml.SubElement(case, "failure", message=broken.splitlines()[-1]).text = broken
    if options.junit:
        xml.ElementTree(suite).write(options.junit)
    return 1 if broke else 0


if __name__ == "__main__":
    sys.exit(main())
