"""A target that fails and comes back, under load: all proxies at the same time."""

import signal
import time

from . import processes
from .workloads import Failing, finish, waits

STEADY_SECONDS = 5
HUNG_BACKLOG = 16                   # of connections; then the kernel answers no SYN any more
HELD_SECONDS = 1                    # a try that another one beats is closed sooner
AT_ONCE_SECONDS = 0.005

# How it fails, and how it comes back: what is done to each proxy's own target.
FAILURES = {
    "refuses": (Failing.kill, Failing.restart),
    "hangs": (lambda one: one.signal(signal.SIGSTOP), lambda one: one.signal(signal.SIGCONT)),
    "black hole": (lambda one: one.signal(signal.SIGUSR1), lambda one: one.signal(signal.SIGUSR2)),
}


# ---- what the kernel saw ----------------------------------------------------------------

class Connection:
    """`begun`: None of one whose SYN was not taken at once, and is not known any more."""

    def __init__(self, process, begun):
        self.process, self.begun = process, begun
        self.states = []            # [(when, state)] from SYN_SENT's end on

    def is_probe(self):
        return self.process == "fproxy-prober"

    def established(self):
        return next((at for at, state in self.states if state == "ESTABLISHED"), None)

    def state_at(self, when):
        return next((state for at, state in reversed(self.states) if at < when), None)

    def left(self):
        """When it was no longer established."""
        return next((at for at, state in self.states if state != "ESTABLISHED"), float("inf"))


def connections(events):
    """The kernel tells of SYN_SENT before the socket has a port. What comes of it follows inside
    connect(), on the loopback, when the target takes it or refuses."""
    syn, open_, all_ = {}, {}, []
    for at, process, port, old, new in events:
        if new == "SYN_SENT":
            syn[process] = at
            continue
        if old == "SYN_SENT":
            begun = syn.pop(process, None)
            at_once = begun is not None and at - begun < AT_ONCE_SECONDS
            open_[port] = Connection(process, begun if at_once else None)
            all_.append(open_[port])
        if port in open_:
            open_[port].states.append((at, new))
    return all_


def reached(connection, before, after, back):
    """Whether a client got to the target, which then failed it: the connection was there when
    that failed, or was taken (by the kernel alone) while it did not work."""
    at = connection.established()
    if connection.is_probe() or at is None or at >= back:
        return False
    if at < before:
        return connection.state_at(before) == "ESTABLISHED"
    return at < after or connection.left() - at > HELD_SECONDS


def judge(events, before, after, back, failed):
    """The target failed between `before` and `after` and worked again from `back` on. Times are
    from `after` and from `back`."""
    all_ = connections(events)
    sent = [at - after for at, process, _, _, new in events
            if new == "SYN_SENT" and after < at < back and process != "fproxy-prober"]
    again = [one.begun - back for one in all_ if not one.is_probe() and one.established()
             and one.begun is not None and one.begun >= back]
    inevitable = sum(1 for one in all_ if reached(one, before, after, back))
    return {"failed_unreached": max(0, failed - inevitable), "sent_after": len(sent),
            "last_sent_ms": max(sent, default=0.0) * 1e3,
            "again_ms": min(again) * 1e3 if again else None}


# ---- one round --------------------------------------------------------------------------

class Run:
    """One proxy with its targets, its clients, and what is seen of them."""

    def __init__(self, bench, name, failure, rate, seconds):
        self.fail, self.recover = FAILURES[failure]
        self.failing = Failing(bench, name, HUNG_BACKLOG if failure == "hangs" else 4096)
        self.trace = self.failing.trace()
        self.rate, self.seconds = rate, seconds

    def begin(self):
        self.load = self.failing.load_start(self.rate, self.seconds)

    def break_(self):
        self.before = time.monotonic()
        self.fail(self.failing)
        self.after = time.monotonic()

    def mend(self):
        self.back = time.monotonic()
        self.recover(self.failing)

    def end(self):
        load = finish(self.load)
        result = waits(load)
        if self.trace:
            events = self.trace.end(self.failing.target)
            result |= judge(events, self.before, self.after, self.back, load["failed"])
        self.failing.end()
        return result


def measure(bench, failure, names, rate, down_s, after_s):
    """{proxy: {metric: number}} of one outage that all of them meet at the same time."""
    seconds = STEADY_SECONDS + down_s + after_s
    runs = {name: Run(bench, name, failure, rate, seconds) for name in names}
    for run in runs.values():
        run.begin()
    time.sleep(STEADY_SECONDS)
    for run in runs.values():
        run.break_()
    time.sleep(down_s)
    for run in runs.values():
        run.mend()
    results = {name: run.end() for name, run in runs.items()}
    processes.end_all()
    return results
