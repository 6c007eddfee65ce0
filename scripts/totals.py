#!/usr/bin/python3
"""Sums up what CTest ran: totals.py STATUS.xml... ("NAME=FILE" or "NAME:failed").

A line for each file, then "N passed, N failed" alone on the last line. Programs that hold
many tests (cmocka, pytest) are counted by the totals they print themselves; one that failed
without naming a failed test (a crash, a time limit, a sanitizer's report) counts as one, and
so does one that could not be run.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree


def counts_of(output, passed):
    """(passed, failed, skipped) of one CTest test, from what it printed."""
    summary = re.findall(r"^=* ?(\d+ (?:passed|failed|skipped|error)\b.*) in [\d.]+s", output,
                         re.MULTILINE)
    if summary:
        words = summary[-1]
        numbers = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", words)}
        good = numbers.get("passed", 0)
        bad = numbers.get("failed", 0) + numbers.get("error", 0) + numbers.get("errors", 0)
        return good, bad, numbers.get("skipped", 0)
    good = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    bad = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test", output))
    if good or bad:
        return good, bad, sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test", output))
    return (1, 0, 0) if passed else (0, 1, 0)


def totals_of(path):
    good = bad = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        if status == "disabled":
            skipped += 1
            continue
        passed = status == "run" and case.find("failure") is None
        ok, failed, left_out = counts_of(case.findtext("system-out") or "", passed)
        if not passed and failed == 0:
            failed = 1
        if passed and failed > 0:
            sys.exit(f"totals: {path}: {case.get('name')} passed with failed tests")
        good, bad, skipped = good + ok, bad + failed, skipped + left_out
    return good, bad, skipped


def main():
    all_good = all_bad = 0
    for word in sys.argv[1:]:
        if word.endswith(":failed"):
            name, good, bad, skipped = word[:-len(":failed")], 0, 1, 0
        else:
            name, path = word.split("=", 1)
            try:
                good, bad, skipped = totals_of(path)
            except (OSError, ElementTree.ParseError) as error:
                print(f"{name}: no result: {error}")
                good, bad, skipped = 0, 1, 0
        print(f"{name}: {good} good, {bad} bad" + (f", {skipped} left out" if skipped else ""))
        all_good, all_bad = all_good + good, all_bad + bad
    print(f"{all_good} passed, {all_bad} failed")
    sys.exit(0 if all_bad == 0 and all_good > 0 else 1)


if __name__ == "__main__":
    main()
