"""What a change of one app among many costs: clients, time, processor, memory."""

import resource
import signal
import time
from statistics import median

from . import processes
from .fleet import Fleet, ask
from .workloads import MB, finish

POLL_S = 0.001
SETTLED_POLLS = 100                 # answers of the new target in a row
CHANGE_SECONDS = 30                 # a change takes no longer, or is given up
QUIET_S = 0.6                       # half a slice: a file is read again after one second
BYSTANDERS = 7                      # apps that get clients too and do not change
MARKS = "AB"


class Targets:
    """Two targets, whose answers tell which one it was."""

    def __init__(self, bench):
        self.addresses, self.processes = {}, []
        for number, mark in enumerate(MARKS):
            host = f"127.0.1.{number + 1}"
            self.addresses[mark] = f"{host}:{processes.free_port([host])}"
            self.processes.append(bench.backend([self.addresses[mark]], mark))

    def end(self):
        for process in self.processes:
            processes.end(process)


# ---- with clients: who failed, and when it was effective --------------------------------

def judge_polls(polls, begun, mark):
    """From [(when it began, when it ended, mark or None)]: milliseconds until the first answer
    of the new target, and until the last connection began that still reached the old one;
    polls that failed."""
    new = [ended for _, ended, got in polls if got == mark]
    old = [at for at, _, got in polls if got not in (mark, None)]
    return {"effective_ms": (new[0] - begun) * 1e3 if new else None,
            "last_old_ms": max((at - begun) * 1e3 for at in old) if old else 0.0,
            "failed": sum(1 for _, _, got in polls if got is None)}


def poll_until_settled(port, begun, mark):
    polls, in_a_row = [], 0
    while in_a_row < SETTLED_POLLS and time.monotonic() < begun + CHANGE_SECONDS:
        at = time.monotonic()
        got = ask(port)
        polls.append((at, time.monotonic(), got))
        in_a_row = in_a_row + 1 if got == mark else 0
        time.sleep(max(0.0, at + POLL_S - time.monotonic()))
    return polls


def changes_with_clients(bench, fleet, targets, count, rate):
    """The load goes on all the while, half of it to the app that changes."""
    port, others = fleet.ports[0], fleet.ports[1:1 + BYSTANDERS]
    to = [f"127.0.0.1:{each}" for other in others for each in (port, other)]
    load = bench.load_start("open", ",".join(to or [f"127.0.0.1:{port}"]), rate=rate,
                            seconds=3600, clients=8000, timeout=5)
    time.sleep(1)
    judged, peak = [], 0
    for number in range(count):
        mark = MARKS[(number + 1) % 2]
        begun, command = fleet.change(port, targets.addresses[mark])
        judged.append(judge_polls(poll_until_settled(port, begun, mark), begun, mark))
        if command is not None:
            command.wait(CHANGE_SECONDS)
        peak = max(peak, processes.pss_bytes(fleet.process))
        time.sleep(0.4)
    load.send_signal(signal.SIGTERM)
    return judged, finish(load), peak


def sum_up(judged, load):
    times = [one["effective_ms"] for one in judged if one["effective_ms"] is not None]
    return {"changes": len(judged), "clients": load["ops"] + load["failed"],
            **{kind: load[kind] for kind in ("refused", "reset", "eof", "timeout")},
            "failed": load["failed"], "polls_failed": sum(one["failed"] for one in judged),
            "max_ms": load["max_us"] / 1e3,
            "effective_ms": median(times) if times else None,
            "effective_worst_ms": max(times, default=None),
            "last_old_ms": max(one["last_old_ms"] for one in judged),
            "never_effective": len(judged) - len(times)}


# ---- without clients: what it cost ------------------------------------------------------

def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watch(fleet, seconds, peak=0):
    """The highest memory while `seconds` pass."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        peak = max(peak, processes.pss_bytes(fleet.process))
        time.sleep(0.05)
    return peak


def change_cost(changed, idle):
    """CPU milliseconds of a change above what would have been used anyway, from [(CPU seconds, of
    how many)] of each. Medians: what comes once a minute (the probes of all apps, rows of their
    history) is no change's cost, whatever slice it falls into."""
    rate = median(used / seconds for used, seconds in idle)
    return max(0.0, median(used - rate * seconds for used, seconds in changed)) * 1e3


def quiet_changes(fleet, targets, count, apart_s, idle_s):
    """Nobody connects, so that all that is used is the change's. Commands count too. Memory is
    looked at in two more changes, in their turn: to read it 20 times a second walks all page
    tables, and what is measured then has cold caches (three times the CPU was seen)."""
    idle, changed = [], []

    def slice_of(slices, change):
        begun, before = time.monotonic(), processes.used_seconds(fleet.process)
        command_before, command = children_seconds(), change()
        time.sleep(apart_s)
        if command is not None:
            command.wait(CHANGE_SECONDS)
        used = processes.used_seconds(fleet.process) - before
        slices.append((used + (children_seconds() - command_before if command else 0.0),
                       time.monotonic() - begun))

    for _ in range(max(count, round(idle_s / apart_s))):
        slice_of(idle, lambda: None)
    for number in range(count):
        mark = MARKS[(number + 1) % 2]
        slice_of(changed, lambda mark=mark: fleet.change(fleet.ports[0],
                                                         targets.addresses[mark])[1])
    if ask(fleet.ports[0]) != MARKS[count % 2]:
        raise SystemExit(f"reload: {fleet.way}: the last change had no effect")
    peak = 0
    for number in (count, count + 1):
        _, command = fleet.change(fleet.ports[0], targets.addresses[MARKS[(number + 1) % 2]])
        peak = watch(fleet, apart_s, peak)
        if command is not None:
            command.wait(CHANGE_SECONDS)
    return {"cpu_ms": change_cost(changed, idle),
            "idle_percent": median(used / seconds for used, seconds in idle) * 100}, peak


def measure(bench, way, apps, count, rate, pool=0, interval="60s", idle_s=5):
    """{metric: number} of one proxy with `apps` apps."""
    targets = Targets(bench)
    fleet = Fleet(way, bench, processes.free_block(apps), targets.addresses[MARKS[0]],
                  interval, pool)
    try:
        return measure_changes(bench, fleet, targets, count, rate, idle_s)
    finally:
        fleet.end()
        targets.end()


def measure_changes(bench, fleet, targets, count, rate, idle_s):
    time.sleep(2)
    before, processes_before = processes.pss_bytes(fleet.process), len(fleet.family())
    judged, load, peak = changes_with_clients(bench, fleet, targets, count, rate)
    result = {"start_s": fleet.start_s, **sum_up(judged, load)}
    slowest_s = max(QUIET_S, (result["effective_worst_ms"] or 0) / 1e3)
    time.sleep(2)
    if count % 2:                   # the quiet ones begin where these did
        fleet.change(fleet.ports[0], targets.addresses[MARKS[0]])
        time.sleep(2 * slowest_s)
    cost, quiet_peak = quiet_changes(fleet, targets, count, 2 * slowest_s, idle_s)
    time.sleep(3)
    return {**result, **cost, "pss_mb": before / MB,
            "pss_peak_mb": max(peak, quiet_peak) / MB,
            "left_over": len(fleet.family()) - processes_before}
