"""A prober that is killed is replaced by one that goes on where the last one stood: states, what
counts towards the next one, what is published; nobody becomes available or unavailable for it."""
import os
import signal

import pytest

from harness import (SANITIZED, Crowd, EchoProcess, Installation, Target, answer, app, free_ports,
                     hang, pids, replaced, until)

PROBE = 'interval = "{interval}"; timeout = "{timeout}"; rise = {rise}; fall = {fall};'
IN_A_ROW = 12 if SANITIZED else 8       # about one a second, and it is replaced meanwhile


def probe(interval, rise=2, fall=3, timeout="250ms"):
    return PROBE.format(interval=interval, timeout=timeout, rise=rise, fall=fall)


def replace(daemon):
    killed = pids(daemon)["prober"]
    os.kill(killed, signal.SIGKILL)
    return replaced(daemon, "prober", killed)


def endpoints(daemon):
    return {row["address"]: (row["state"], row["since"])
            for row in daemon.inspect("web")["endpoints"]}


def failures(daemon, target, until_at="9"):
    """How many probes of it have failed until then: the history tells every failure."""
    return daemon.sql("SELECT count(*) FROM probe_results WHERE address = ? AND outcome != 'ok'"
                      " AND at <= ?", target.address, until_at)[0][0]


def became_unavailable(daemon, target):
    """When; half a second later, for that result's own time is another look at the clock. The next
    probe is 0.9 s away."""
    return daemon.sql("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', at, '+0.5 seconds') FROM transitions"
                      " WHERE address = ? AND to_state = 'unavailable'", target.address)


@pytest.mark.limit(60)
def test_nobody_flips_four_times_over(daemon, started):
    port, dead_port = free_ports(2)
    good = [started(Target(answer(name))) for name in ("one", "two")]
    dead = f"127.0.0.1:{dead_port}"
    daemon.write_apps(app("web", port, [*good, dead], more='panic = "fail";',
                          probe=probe("300ms")))
    daemon.start()
    daemon.until_state("web", dead, "unavailable")
    daemon.until_available("web", 2)
    before = endpoints(daemon), daemon.inspect("web")["generation"]
    moved = [(3,)]                      # each was unknown once
    until(lambda: daemon.sql("SELECT count(*) FROM transitions") == moved, what="it is on disk")
    crowd = started(Crowd(port))

    for _ in range(4):              # later and later, for it keeps dying
        replace(daemon)
        crowd.goes_on()

    assert (endpoints(daemon), daemon.inspect("web")["generation"]) == before
    assert crowd.unlucky("one", "two") == []
    assert daemon.status("web")["targets"] == {"available": 2, "total": 3}
    assert daemon.sql("SELECT count(*) FROM transitions") == moved


@pytest.mark.limit(90)
def test_failures_are_counted_on(daemon, started):
    """Some of the failures before, the others after: the last of those that it takes makes it
    unavailable, and none earlier or later."""
    port, = free_ports(1)
    steady, fails = started(EchoProcess("steady")), started(EchoProcess("fails"))
    daemon.write_apps(app("web", port, [steady, fails], probe=probe("3s", fall=IN_A_ROW)))
    daemon.start()
    daemon.until_available("web", 2)

    fails.kill()
    until(lambda: failures(daemon, fails) >= 2, 10, "it has failed twice")
    assert daemon.states("web")[fails.address] == "failing"
    replace(daemon)
    assert daemon.states("web")[fails.address] == "failing"
    daemon.until_state("web", fails, "unavailable", 30)

    (at,), = until(lambda: became_unavailable(daemon, fails), what="that is written")
    until(lambda: failures(daemon, fails, at) >= IN_A_ROW, what="they are written")
    assert failures(daemon, fails, at) == IN_A_ROW


@pytest.mark.limit(60)
def test_successes_are_counted_on(daemon, started):
    port, late_port = free_ports(2)
    steady = started(EchoProcess("steady"))
    late = f"127.0.0.1:{late_port}"
    daemon.write_apps(app("web", port, [steady, late],
                          probe=probe("3s", rise=IN_A_ROW, fall=1)))
    daemon.start()
    daemon.until_state("web", late, "unavailable")

    target = started(Target(answer("late"), late_port))
    until(lambda: daemon.states("web")[late] == "recovering", 10, "it has answered")
    replace(daemon)
    assert daemon.states("web")[late] == "recovering"
    daemon.until_state("web", target, "available", 30)
    until(lambda: target.accepted >= IN_A_ROW,
          what="the target's program has seen the last one, too")
    assert target.accepted == IN_A_ROW


@pytest.mark.limit(60)
def test_what_dies_while_there_is_no_prober_is_noticed_by_the_workers(daemon, started):
    """Traffic goes on with what the board says, and a failed try goes elsewhere."""
    port, = free_ports(1)
    one, two = started(EchoProcess("one")), started(EchoProcess("two"))
    daemon.write_apps(app("web", port, [one, two]))
    daemon.start()
    daemon.until_available("web", 2)
    crowd = started(Crowd(port))
    prober = pids(daemon)["prober"]
    hang(prober)
    two.kill()
    crowd.goes_on(50)
    os.kill(prober, signal.SIGKILL)
    replaced(daemon, "prober", prober)
    daemon.until_state("web", two, "unavailable")

    # Those that were connected to it when it was killed are its own.
    assert len(crowd.unlucky("one", "two")) <= 4


@pytest.mark.limit(90)
def test_it_is_said_that_there_is_none(daemon, started):
    """The next one cannot run: clients are served, whoever asks is told, and it is tried again."""
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("one"))]))
    installation = Installation(daemon)
    daemon.start()
    said = daemon.run("fproxy", "status").stdout
    assert "no prober runs" not in said and "the prober keeps ending" not in said
    crowd = started(Crowd(port))
    installation.replace("fproxy-prober", b"#!/bin/sh\nexit 1\n")
    os.kill(pids(daemon)["prober"], signal.SIGKILL)

    line = "no prober runs: availability stays as it was last known; it is tried again (last: "
    until(lambda: line + "exit status 1)" in daemon.run("fproxy", "status").stdout, 10,
          "it is said")
    until(lambda: daemon.sql("SELECT app, level FROM events WHERE kind = 'crash_loop'"), 20,
          "that is in the history")
    prober = daemon.status()["prober"]
    assert (prober["ready"], prober["crash_loop"], prober["last_end"]) == (
        False, True, "exit status 1")
    crowd.goes_on(50)
    assert crowd.unlucky("one") == []
    assert daemon.status("web")["state"] == "ready"

    installation.install("fproxy-prober")
    until(lambda: daemon.status()["prober"]["ready"], 40, "one that can run is there")
    said = daemon.run("fproxy", "status").stdout
    assert "no prober" not in said and "the prober keeps ending (last: exit status 1)" in said
