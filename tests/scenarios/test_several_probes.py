"""Several probes of one target: all, any or a number of them must pass; a startup probe comes first;
equal probes of several apps run once and count for all."""
import time

import pytest

from harness import EchoProcess, Target, app, ask, free_port, kill, outcome, pids, until

FAST = 'interval = "250ms"; timeout = "200ms"; rise = 1; fall = 1;'


def endpoint(daemon, name="web"):
    return daemon.inspect(name)["endpoints"][0]


def probes(*ports, require=None, role=""):
    listed = ", ".join(f'{{ name = "p{i}"; port = {port}; {role} }}'
                       for i, port in enumerate(ports))
    return f"probes = ( {listed} );" + (f'probes_require = "{require}";' if require else "")


class Health:
    """Three ports at which health is told."""

    def __init__(self, started):
        self.started = started
        self.doors = [started(Target()) for _ in range(3)]
        self.ports = [door.port for door in self.doors]

    def shut(self, i):
        self.doors[i].close()

    def open(self, i):
        self.doors[i] = self.started(Target(port=self.ports[i]))


@pytest.mark.parametrize("require, stays, falls", [
    ("all", [], 1), ("2 of 3", [1], 2), ("any", [1, 0], 2)])
def test_so_many_must_pass(daemon, started, require, stays, falls):
    port, target, health = free_port(), started(EchoProcess()), Health(started)
    daemon.write_apps(app("web", port, [target], probes(*health.ports, require=require), FAST))
    daemon.start()
    until(lambda: endpoint(daemon)["state"] == "available", what="it is available")
    for i in stays:
        runs = len(daemon.sql("SELECT 1 FROM probe_results WHERE probe = ?", f"p{i}"))
        health.shut(i)
        until(lambda: len(daemon.sql("SELECT 1 FROM probe_results WHERE probe = ? "
                                     "AND outcome <> 'ok'", f"p{i}")) >= 2,
              what=f"the probe p{i} fails, after {runs}")
        assert endpoint(daemon)["state"] == "available"
    health.shut(falls)
    until(lambda: endpoint(daemon)["state"] == "unavailable", what="too few pass")
    assert endpoint(daemon)["reason"] == "connect_refused"
    assert endpoint(daemon)["last_probe"]["outcome"] == "connect_refused"
    health.open(falls)
    until(lambda: endpoint(daemon)["state"] == "available", what="it is back")
    assert ask(port) == "hello"


def test_it_starts_first(daemon, started):
    """The readiness probe passes all the time, and yet nobody gets there before the startup probe
    has; one that went down has to start again."""
    port, target, health = free_port(), started(EchoProcess()), Health(started)
    health.shut(0)
    roles = (f'probes = ( {{ name = "up"; role = "startup"; port = {health.ports[0]}; }}, '
             f'{{ name = "ready"; port = {health.ports[1]}; }} );')
    daemon.write_apps(app("web", port, [target], roles + ' panic = "fail"; '
                          'ready = { timeout = "300ms"; };', FAST))
    daemon.launch()
    until(lambda: daemon.try_status() and daemon.inspect("web")["endpoints"] and
          endpoint(daemon)["state"] == "starting", what="it starts")
    until(lambda: outcome(port) == "reset", what="it accepts, and has nobody")
    assert health.doors[1].accepted == 0
    health.open(0)
    until(lambda: endpoint(daemon)["state"] == "available", what="it is available")
    assert ask(port) == "hello"
    passed = health.doors[0].accepted

    health.shut(1)
    until(lambda: endpoint(daemon)["state"] == "unavailable", what="it is down")
    health.shut(0)
    health.open(1)
    until(lambda: daemon.sql("SELECT count(*) FROM probe_results WHERE probe = 'up' AND "
                             "outcome = 'connect_refused'")[0][0] >= 4, what="it has to start")
    assert endpoint(daemon)["state"] == "unavailable"
    health.open(0)
    until(lambda: endpoint(daemon)["state"] == "available", what="it is back")
    assert passed >= 1


def test_a_new_prober_goes_on(daemon, started):
    """Nobody flips because of it, be there one probe that fails."""
    port, target, health = free_port(), started(EchoProcess()), Health(started)
    daemon.write_apps(app("web", port, [target], probes(*health.ports, require="2 of 3"), FAST))
    daemon.start()
    until(lambda: endpoint(daemon)["state"] == "available", what="it is available")
    health.shut(2)
    until(lambda: daemon.sql("SELECT 1 FROM probe_results WHERE probe = 'p2' AND "
                             "outcome <> 'ok'"), what="one fails")
    before = daemon.sql("SELECT count(*) FROM transitions")
    old = pids(daemon)["prober"]
    kill(old)
    until(lambda: pids(daemon)["prober"] not in (old, None, 0), what="a new prober")
    runs = health.doors[0].accepted
    until(lambda: health.doors[0].accepted > runs + 2, what="it probes on")
    assert endpoint(daemon)["state"] == "available"
    assert daemon.sql("SELECT count(*) FROM transitions") == before


def test_equal_probes_run_once(daemon, started):
    """Ten apps with one target: it is asked as often as by one of them, and all ten know."""
    names = [f"web-{i}" for i in range(10)]
    target = started(Target())
    probe = 'interval = "500ms"; timeout = "400ms"; rise = 1; fall = 1; jitter = 0;'
    daemon.write_apps(*[app(name, free_port(), [target], probe=probe) for name in names])
    daemon.start()
    for name in names:
        daemon.until_available(name, 1)
    first, begin = target.accepted, time.monotonic()
    until(lambda: target.accepted >= first + 6, what="six probes")
    # Alone each app would have made as many in that time.
    assert target.accepted - first <= (time.monotonic() - begin) / 0.5 + 2
    target.close()
    for name in names:
        until(lambda: endpoint(daemon, name)["state"] == "unavailable", what=f"{name} knows")
    # The tenth knew it when the first did: one probe told them all. Alone their probes would be
    # spread over half a second.
    until(lambda: daemon.sql("SELECT count(*) FROM transitions WHERE to_state = 'unavailable'")
          == [(len(names),)], what="it is on disk")
    spread = daemon.sql("SELECT (julianday(max(at)) - julianday(min(at))) * 86400.0 "
                        "FROM transitions WHERE to_state = 'unavailable'")
    assert spread[0][0] < 0.25, spread


def test_a_newcomer_costs_the_others_a_probe_only_if_it_has_news(daemon, started):
    """Its first probe of a target that all know to work is its own matter; a dead one concerns all."""
    names, target = [f"web-{i}" for i in range(5)], started(Target())
    rare = 'interval = "600s"; timeout = "1s"; rise = 1; fall = 1;'
    daemon.write_apps(*[app(name, free_port(), [target], probe=rare) for name in names])
    daemon.start()
    for name in names:
        daemon.until_available(name, 1)
    before = [endpoint(daemon, name)["last_probe"]["at"] for name in names]
    accepted = target.accepted
    daemon.write_apps(app("late", free_port(), [target], probe=rare), file="20-late.conf")
    daemon.apply()
    daemon.until_available("late", 1)
    assert target.accepted == accepted + 1
    assert [endpoint(daemon, name)["last_probe"]["at"] for name in names] == before

    target.close()
    daemon.write_apps(app("later", free_port(), [target], probe=rare), file="30-later.conf")
    daemon.apply()
    for name in [*names, "late", "later"]:
        until(lambda: endpoint(daemon, name)["state"] == "unavailable", what=f"{name} knows")
