"""scripts/totals.py: nothing that failed may get lost in a sum."""

import pathlib
import subprocess
import sys

TOTALS = pathlib.Path(__file__).resolve().parent / "totals.py"


def totals(tmp_path, *cases, more=()):
    """Runs it on one result file; (status, last line)."""
    xml = "".join(
        f'<testcase name="t{i}" status="{status}">'
        f'{"<failure/>" if status == "fail" else ""}<system-out>{out}</system-out></testcase>'
        for i, (status, out) in enumerate(cases))
    path = tmp_path / "ctest.xml"
    path.write_text(f"<testsuite>{xml}</testsuite>", encoding="utf-8")
    done = subprocess.run([sys.executable, TOTALS, f"release={path}", *more],
                          capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()[-1]


def test_the_tests_within_programs_are_summed(tmp_path):
    assert totals(tmp_path, ("run", "[  PASSED  ] 12 test(s).\n"), ("run", "7 passed in 0.51s"),
                  ("run", "===== 2 passed, 1 skipped in 3.00s =====")) == (
                      0, "21 passed, 0 failed")


def test_failed_tests_within_a_program_count_each(tmp_path):
    cmocka = "[  PASSED  ] 9 test(s).\n[  FAILED  ] 2 test(s), listed below:\n"
    assert totals(tmp_path, ("fail", cmocka)) == (1, "9 passed, 2 failed")


def test_a_crash_counts_though_no_test_is_named(tmp_path):
    assert totals(tmp_path, ("run", "model: ok"), ("fail", "[  PASSED  ] 3 test(s).\n")) == (
        1, "4 passed, 1 failed")


def test_a_program_that_could_not_be_run_counts(tmp_path):
    assert totals(tmp_path, ("run", ""), ("notrun", "Unable to find executable: test_x\n")) == (
        1, "1 passed, 1 failed")


def test_a_step_that_failed_and_a_result_that_is_missing_count(tmp_path):
    status, line = totals(tmp_path, ("run", ""),
                          more=("asan build:failed", f"tsan={tmp_path}/none.xml"))
    assert (status, line) == (1, "1 passed, 2 failed")


def test_nothing_run_is_no_success(tmp_path):
    assert totals(tmp_path) == (1, "0 passed, 0 failed")
