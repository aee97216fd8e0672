#!/usr/bin/env python3
"""Holds docs/pod-support.md against the API's own list of fields, against kube/'s field lists, and against the tests.

Every field of pod_fields_v1_35.txt has a row; every row names fields that there are; a supported or refused one names a
test, and every test that is named exists; every field that our types carry or pass over knowingly is one of the API's,
and none of the API's is unknown to them.
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Our name of a type where it is not the API's in other letters, and one struct that serves for several.
TYPES = {
    "ContainerRestartRule::ExitCodes": ["ContainerRestartRuleOnExitCodes"],
    "DownwardApiFile": ["DownwardAPIVolumeFile"],
    "EnvFromRef": ["ConfigMapEnvSource", "SecretEnvSource"],
    "KeySelector": ["ConfigMapKeySelector", "SecretKeySelector"],
    "ObjectProjection": ["ConfigMapProjection", "SecretProjection"],
    "ResourceClaimRef": ["ResourceClaim"],
}
SUPPORT = {"yes", "refused", "elsewhere"}


def api_fields() -> dict[str, set[str]]:
    fields = collections.defaultdict(set)
    for line in (ROOT / "tests/unit/kube/pod_fields_v1_35.txt").read_text().splitlines():
        if not line.startswith("#"):
            kind, name = line.split(".")
            fields[kind].add(name)
    return fields


def table(api: dict[str, set[str]], errors: list[str]) -> dict[tuple[str, str], tuple[str, list[str]]]:
    """(type, field) -> (support, tests)."""
    rows: dict[tuple[str, str], tuple[str, list[str]]] = {}
    kinds: list[str] = []
    for number, line in enumerate((ROOT / "docs/pod-support.md").read_text().splitlines(), 1):
        if line.startswith("#"):
            kinds = line.removeprefix("### ").split(", ") if line.startswith("### ") else []
            errors += [f"line {number}: the API has no type {kind}" for kind in kinds if kind not in api]
        if not kinds or not line.startswith("| `"):
            continue
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        names, support, tests = re.findall(r"`([^`]+)`", cells[0]), cells[1], re.findall(r"`([^`]+)`", cells[-1])
        if len(cells) != 4 or support not in SUPPORT:
            errors.append(f"line {number}: not a row of field, support ({', '.join(sorted(SUPPORT))}), how, tests")
            continue
        if support != "elsewhere" and not tests:
            errors.append(f"line {number}: {cells[0]} names no test")
        for name in names:
            found = 0
            for kind in kinds:
                wanted = name.removeprefix(f"{kind}.")
                fields = sorted(api[kind]) if wanted == "*" else [wanted] if wanted in api[kind] else []
                for field in fields:
                    if wanted != "*" or (kind, field) not in rows:
                        found += 1
                        rows[kind, field] = (support, tests)
            if not found:
                errors.append(f"line {number}: no type of this section has {name}")
    return rows


def check_tests(rows: dict, errors: list[str]) -> int:
    names = sorted({test for _, tests in rows.values() for test in tests})
    for name in names:
        file, _, test = name.partition("::")
        path = ROOT / "tests" / file
        wanted = f"def {test}(" if file.endswith(".py") else f'"{test}"'
        if not path.is_file() or wanted not in path.read_text():
            errors.append(f"there is no test {name}")
    return len(names)


def check_types(api: dict[str, set[str]], errors: list[str]) -> None:
    """Our field lists, read as text: v("name", ...), v.always("name", ...), v.ignore("name")."""
    spelling = {kind.lower(): kind for kind in api}
    ours: dict[str, tuple[set[str], bool]] = {}
    for path in sorted((ROOT / "kube").glob("fields_*.cpp")):
        for kind, body in re.findall(r"struct Fields<([\w:]+)> \{(.*?)\n\};", path.read_text(), re.S):
            for known in TYPES.get(kind, [spelling.get(kind.lower())]):
                if known is not None:
                    ours[known] = (set(re.findall(r'\bv(?:\.\w+)?\(\s*"(\w+)"', body)), "v.others(" in body)
    container, _ = ours["Container"]
    ours["EphemeralContainer"][0].update(container)
    for kind, (names, takes_others) in sorted(ours.items()):
        if kind == "PersistentVolumeClaimTemplate":  # its metadata is an ObjectMeta of its own
            continue
        errors += [f"kube/ has {kind}.{name}, which the API has not" for name in sorted(names - api[kind])]
        if not takes_others:
            errors += [f"kube/ does not know {kind}.{name}" for name in sorted(api[kind] - names)]


def main() -> int:
    errors: list[str] = []
    api = api_fields()
    rows = table(api, errors)
    for kind, names in sorted(api.items()):
        missing = sorted(name for name in names if (kind, name) not in rows)
        errors += [f"docs/pod-support.md has no row for {kind}.{name}" for name in missing]
    tests = check_tests(rows, errors)
    check_types(api, errors)
    for error in errors:
        print(error, file=sys.stderr)
    count = collections.Counter(support for support, _ in rows.values())
    print(f"{len(rows)} fields: {', '.join(f'{count[kind]} {kind}' for kind in sorted(count))}; {tests} tests named")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
