"""How numbers become verdicts: the parts of bench/compare that judge, without measuring."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from comparison import change_report, changes, many, report, workloads  # noqa: E402


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


def test_a_change_is_effective_with_the_first_answer_of_the_new_target():
    polls = [(10.0, 10.001, "A"), (10.01, 10.012, None), (10.02, 10.025, "B"),
             (10.03, 10.031, "A"), (10.04, 10.041, "B")]
    judged = changes.judge_polls(polls, 10.0, "B")
    assert round(judged["effective_ms"]) == 25
    assert round(judged["last_old_ms"]) == 30       # an old process still took one
    assert judged["failed"] == 1


def test_a_change_without_effect_is_counted_and_spoils_no_median():
    never = changes.judge_polls([(10.0, 10.001, "A")], 10.0, "B")
    once = changes.judge_polls([(10.0, 10.04, "B")], 10.0, "B")
    load = {"ops": 9, "failed": 1, "refused": 1, "reset": 0, "eof": 0, "timeout": 0,
            "max_us": 2000}
    total = changes.sum_up([never, once], load)
    assert never["effective_ms"] is None and total["never_effective"] == 1
    assert round(total["effective_ms"]) == round(total["effective_worst_ms"]) == 40
    assert total["clients"] == 10 and total["refused"] == 1


def test_what_a_proxy_would_have_used_anyway_is_no_cost_of_a_change():
    assert changes.change_cost(3.0, 10, 1.0, 5, 10) == 100
    assert changes.change_cost(1.9, 10, 1.0, 5, 10) == 0


def test_a_goal_is_met_below_its_limit_and_none_of_nothing_at_zero():
    assert change_report.verdict(3.9, 4).startswith("yes")
    assert change_report.verdict(4, 4).startswith("NO")
    assert change_report.verdict(0, 0).startswith("yes")
    assert change_report.verdict(1, 0).startswith("NO")


def test_a_goal_that_was_not_measured_is_listed_and_not_met():
    table = change_report.many(5000, 2, {"start_s": 3.0})
    assert "pss mb" in table and "not measured" in table
    assert table.count("yes") == 1


def test_both_tables_hold_every_proxy_and_every_row():
    table = change_report.changes(100, 10, {"haproxy": {"start_s": 1.0}, "nginx": {}})
    assert len(table.splitlines()) == len(change_report.CHANGE_ROWS) + 1
    assert "haproxy" in table and "nginx" in table


def test_roles_are_named_after_the_executables():
    assert many.spread("pss", {"fproxy": 1, "fproxy-worker": 2}) == {"pss_supervisor": 1,
                                                                   "pss_worker": 2}
