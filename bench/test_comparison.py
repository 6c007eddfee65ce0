"""How numbers become verdicts: the parts of bench/compare that judge, without measuring."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from comparison import report, workloads  # noqa: E402


def test_a_ratio_is_the_median_of_the_rounds_not_the_ratio_of_medians():
    results = {"haproxy": [{"rate": 100}, {"rate": 10}, {"rate": 100}],
               "nginx": [{"rate": 50}, {"rate": 20}, {"rate": 50}],
               "fproxy": [{"rate": 110}, {"rate": 30}, {"rate": 120}]}
    assert report.ratio(results, "rate", "best") == 1.2
    assert report.ratio(results, "rate", "haproxy") == 1.2


def test_the_best_of_a_cost_is_the_smallest_and_direct_is_no_competitor():
    results = {"direct": [{"cpu_us": 1}], "haproxy": [{"cpu_us": 100}],
               "nginx": [{"cpu_us": 50}], "fproxy": [{"cpu_us": 60}]}
    assert report.ratio(results, "cpu_us", "best") == 1.2
    ratio, verdict = report.against_goal("conn", "cpu_us", results)
    assert ratio == "1.20 x best" and verdict.startswith("NO")


def test_what_must_not_exceed_a_value_is_judged_by_its_worst_round():
    results = {"fproxy": [{"over_600ms": 0}, {"over_600ms": 1}]}
    assert report.against_goal("blackhole", "over_600ms", results)[1].startswith("NO")
    assert report.against_goal("blackhole", "over_600ms",
                               {"fproxy": [{"over_600ms": 0}]})[1].startswith("yes")


def connected(at, port, process="fproxy-worker"):
    return [(at, process, port, "CLOSE", "SYN_SENT"), (at, process, port, "SYN_SENT",
                                                       "ESTABLISHED")]


def test_a_client_that_had_reached_the_killed_target_may_fail_and_no_other():
    events = connected(1.0, 1001) + connected(1.5, 1002) + [(1.6, "x", 1002, "ESTABLISHED",
                                                             "CLOSE")]
    assert workloads.judge_kill(events, 2.0, 2.1, 1)["failed_unreached"] == 0
    assert workloads.judge_kill(events, 2.0, 2.1, 2)["failed_unreached"] == 1


def test_probes_and_what_came_before_the_death_are_not_clients_sent_there():
    events = [(1.0, "fproxy-worker", 1, "CLOSE", "SYN_SENT"),
              (3.0, "fproxy-prober", 2, "CLOSE", "SYN_SENT")]
    assert workloads.judge_kill(events, 2.0, 2.1, 0)["sent_after"] == 0
    events.append((2.2, "fproxy-worker", 3, "CLOSE", "SYN_SENT"))
    result = workloads.judge_kill(events, 2.0, 2.1, 0)
    assert result["sent_after"] == 1 and round(result["last_sent_ms"]) == 100
