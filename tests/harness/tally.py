"""Adds up the JUnit files of all tiers into the one closing line `N passed, N failed`, and exits by it.

    tally.py RESULTS/unit RESULTS/node ...      (each with .xml added)

An executable of the unit tier counts by its test cases, as Catch2 reports them; one that ended without a report is a
failure. So is a tier that left no file.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml

ALL_PASSED = re.compile(r"All tests passed \(.* in (\d+) test cases?\)")
SOME_FAILED = re.compile(r"test cases:\s*(\d+) \|(?:\s*(\d+) passed \|)?\s*(\d+) failed")


def catch_counts(case: xml.Element) -> tuple[int, int] | None:
    """Passed and failed test cases out of an executable's own summary."""
    output = case.findtext("system-out") or ""
    if found := ALL_PASSED.findall(output):
        return int(found[-1]), 0
    if found := SOME_FAILED.findall(output):
        total, passed, failed = found[-1]
        return int(passed or int(total) - int(failed)), int(failed)
    return None


def count(path: pathlib.Path) -> tuple[int, int, int]:
    """(passed, failed, skipped) of one file."""
    try:
        cases = list(xml.parse(path).iter("testcase"))
    except (OSError, xml.ParseError) as error:
        print(f"{path}: no result: {error}")
        return 0, 1, 0
    passed = failed = skipped = 0
    for case in cases:
        bad = (
            case.find("failure") is not None
            or case.find("error") is not None
            or case.get("status") in ("fail", "notrun")
        )
        inner = catch_counts(case) if path.stem == "unit" else None
        if inner:
            passed, failed = passed + inner[0], failed + max(inner[1], int(bad))
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed, failed = passed + (not bad), failed + bad
    if not cases:
        print(f"{path}: no test ran")
        failed += 1
    return passed, failed, skipped


def faults(path: pathlib.Path) -> tuple[int, int]:
    """(injected, survived): what the tests of one file counted, and of that what those counted that passed."""
    injected = survived = 0
    try:
        cases = list(xml.parse(path).iter("testcase"))
    except (OSError, xml.ParseError):
        return 0, 0
    for case in cases:
        bad = case.find("failure") is not None or case.find("error") is not None
        number = sum(int(item.get("value")) for item in case.iter("property") if item.get("name") == "faults")
        injected, survived = injected + number, survived + (0 if bad else number)
    return injected, survived


def main(names: list[str]) -> int:
    total_passed = total_failed = 0
    for name in names:
        passed, failed, skipped = count(pathlib.Path(f"{name}.xml"))
        print(f"{pathlib.Path(name).name}: {passed} ok, {failed} not ok" + (f", {skipped} skipped" if skipped else ""))
        injected, survived = faults(pathlib.Path(f"{name}.xml"))
        if injected:
            print(f"{pathlib.Path(name).name}: {injected} faults injected, {survived} survived")
        total_passed, total_failed = total_passed + passed, total_failed + failed
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
