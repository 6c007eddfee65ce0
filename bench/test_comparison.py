"""How numbers become verdicts: the parts of bench/compare that judge, without measuring."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from comparison import (change_report, changes, many, outage, outage_report,  # noqa: E402
                        probing, probing_report, report, trace, workloads)


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


def test_a_syn_without_a_port_excuses_no_failure():
    assert workloads.judge_kill(connected(1.0, 0)[:1], 2.0, 2.1, 1)["failed_unreached"] == 1


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
    idle = [(0.2, 1), (0.4, 2), (9.0, 1)]           # the third is a burst, of no change
    assert round(changes.change_cost([(0.3, 1), (0.5, 2), (9.0, 1)], idle)) == 100
    assert changes.change_cost([(0.1, 1), (0.2, 2)], idle) == 0


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


# ---- failing ----------------------------------------------------------------------------

def taken(at, port, process="haproxy"):
    """A connection that the target takes, as the kernel tells it: no port at first."""
    return [(at, process, 0, "CLOSE", "SYN_SENT"),
            (at + 0.0001, process, port, "SYN_SENT", "ESTABLISHED")]


def closed(at, port):
    return [(at, "haproxy", port, "ESTABLISHED", "FIN_WAIT1"),
            (at + 0.0001, "bench_backend", port, "FIN_WAIT1", "FIN_WAIT2")]


def judged(events, failed=0):
    """Failed at 10, back at 40."""
    return outage.judge(events, 10.0, 10.001, 40.0, failed)


def test_a_line_of_the_kernel_is_read():
    (event,) = trace.parse(
        " haproxy-12    [001] ..s2. 27391.752431: inet_sock_set_state: family=AF_INET "
        "protocol=IPPROTO_TCP sport=15578 dport=80 saddr=127.0.0.1 daddr=127.0.1.4 "
        "saddrv6=::ffff:127.0.0.1 daddrv6=::ffff:127.0.1.4 oldstate=TCP_SYN_SENT "
        "newstate=TCP_CLOSE\n# no event")
    assert event == (27391.752431, "haproxy", 15578, "127.0.1.4:80", "SYN_SENT", "CLOSE")


def test_what_is_sent_to_a_target_that_fails_is_counted_and_probes_are_not():
    result = judged([(9.0, "x", 0, "CLOSE", "SYN_SENT"), (12.0, "x", 0, "CLOSE", "SYN_SENT"),
                     (15.0, "fproxy-prober", 0, "CLOSE", "SYN_SENT")])
    assert result["sent_after"] == 1 and round(result["last_sent_ms"]) == 1999


def test_a_target_is_used_again_with_the_first_client_that_it_takes():
    refused = [(40.5, "x", 0, "CLOSE", "SYN_SENT"), (40.5001, "x", 7, "SYN_SENT", "CLOSE")]
    probe = taken(41.0, 8, "fproxy-prober")
    assert judged(refused + probe)["again_ms"] is None
    assert round(judged(refused + probe + taken(42.0, 9))["again_ms"]) == 2000


def test_a_syn_of_before_that_is_answered_late_is_no_use_again():
    late = [(39.5, "x", 0, "CLOSE", "SYN_SENT"), (40.5, "swapper", 7, "SYN_SENT", "ESTABLISHED")]
    assert judged(late)["again_ms"] is None


def test_a_client_that_the_hung_target_had_taken_may_fail_and_no_other():
    held = taken(12.0, 5) + closed(27.0, 5)             # taken by the kernel alone
    beaten = taken(12.0, 6) + closed(12.02, 6)          # another target was faster
    there = taken(9.9, 7)                               # when it failed
    done = taken(9.0, 8) + closed(9.1, 8)
    events = sorted(held + beaten + there + done)
    assert judged(events, 2)["failed_unreached"] == 0
    assert judged(events, 3)["failed_unreached"] == 1


def test_a_round_in_which_it_never_came_back_is_the_worst():
    rounds = [{"again_ms": 100.0}, {"again_ms": None}, {"again_ms": 300.0}]
    assert outage_report.cell("again_ms", rounds) == "300 (never)"
    assert outage_report.cell("failed", [{"failed": 0}, {"failed": 0}]) == "0"
    assert outage_report.cell("last_sent_ms", [{}]) == "-"


# ---- probing ----------------------------------------------------------------------------

def test_a_probe_is_late_after_the_interval_and_its_jitter():
    starts = [(3.0, "a"), (8.4, "a"), (2.0, "b"), (8.0, "b"), (5.0, "of another")]
    result = probing.punctuality(starts, ["a", "b"], 0.0, 10.0)
    assert result["late"] == 1 and round(result["gap_max_s"], 3) == 6
    assert result["probes_s"] == 0.4


def test_an_endpoint_that_is_never_probed_is_late():
    result = probing.punctuality([], ["a"], 0.0, 10.0)
    assert result["late"] == 1 and result["gap_max_s"] == 10 and result["probes_s"] == 0


def test_the_goal_of_many_endpoints_is_judged_by_the_worst_round():
    limits = probing_report.goals(10000, 10)
    ours = {"fproxy": [{"cpu_percent": 20, "late": 0}, {"cpu_percent": 41, "late": 0}]}
    assert probing_report.verdict("cpu_percent", limits, ours).startswith("NO")
    assert probing_report.verdict("late", limits, ours).startswith("yes")


def test_the_goal_of_1000_endpoints_is_what_haproxy_takes_in_the_same_round():
    limits = probing_report.goals(1000, 0)
    both = {"fproxy": [{"cpu_percent": 2.0}, {"cpu_percent": 5.0}],
            "haproxy": [{"cpu_percent": 2.1}, {"cpu_percent": 6.0}]}
    assert probing_report.verdict("cpu_percent", limits, both).startswith("yes")
    both["fproxy"][1]["cpu_percent"] = 7.0
    assert "1.06 x haproxy" in probing_report.table("t", both, limits)
    assert "NO" in probing_report.table("t", both, limits)
