"""What clients find out takes an endpoint out when no probe does: after three failures in a row,
for a time that grows, never the last one. And a target killed under load costs no client anything."""

import re
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Target, app, echo, free_port, kill, outcome,
                     pids, replaced, until)

OUT_S = 2 * SLOWNESS
EJECT = f'eject = {{ failures = 3; time = "{OUT_S}s"; }};'


def endpoint(daemon, target):
    return next(each for each in daemon.inspect("web")["endpoints"]
                if each["target"] == target.address)


def moves(daemon, target):
    return daemon.sql("SELECT from_state, to_state, reason FROM transitions WHERE target = ? "
                      "ORDER BY id", target.address)


def refused(daemon):
    """How many tries of workers were refused so far."""
    return sum("Connection refused" in line and " worker" in line
               for line in daemon.log().splitlines())


def unlucky(load, killed_at, *answers):
    """Who failed, without those that the target that died had already when it did."""
    return [result for result in load.failed(*answers) if result[0] > killed_at]


def kill_target(target):
    """When this returns nobody gets a connection there; and when that was."""
    target.kill()
    return time.monotonic()


def seconds_out(each):
    """How long it is out according to its detail, jitter of a tenth included; 0: it is not."""
    found = re.fullmatch(r"\d+ connections in a row failed; out for (\d+) s", each["detail"])
    return int(found[1]) if found else 0


def is_about(seconds, expected):
    """The detail is rounded to a second, and a time out has a jitter of a tenth."""
    return 0.9 * expected - 0.5 <= seconds <= 1.1 * expected + 0.5


def serve(daemon, started, probe, more, count=2):
    port = free_port()
    targets = [started(EchoProcess(f"t{i}")) for i in range(count)]
    daemon.write_apps(app("web", port, targets, more, probe=probe))
    daemon.start(FPROXY_LOG="debug")
    daemon.until_available("web", count)
    return port, targets


@pytest.mark.limit(60)
@pytest.mark.parametrize("kind", ["none", "elsewhere", "traffic"])
def test_ejected_and_back(daemon, started, kind):
    """No probe tells: there is none, or it asks another port, which answers all the time."""
    health = started(Target(echo))
    probe = {"none": 'kind = "none";', "traffic": 'kind = "traffic"; fall = 3;',
             "elsewhere": f'port = {health.port}; interval = "250ms";'}[kind]
    port, (good, bad) = serve(daemon, started, probe, EJECT)
    load = started(Load(port, 60 // SLOWNESS))
    until(lambda: load.done() > 10, what="clients come")

    killed_at = kill_target(bad)
    out = until(lambda: (each := endpoint(daemon, bad))["state"] == "ejected" and each, 20,
                "it is ejected")
    assert (out["reason"], out["ejections"]) == ("passive_connect", 1)
    # More than three when several clients came between two looks.
    assert is_about(seconds_out(out), OUT_S)
    assert 3 <= refused(daemon) <= 5 * SLOWNESS + 5
    until(lambda: ("available", "ejected", "passive_connect") in moves(daemon, bad),
          what="it is in the history")
    # Its time is over, and the first client there finds out again: longer now.
    until(lambda: is_about(seconds_out(endpoint(daemon, bad)), 2 * OUT_S), 20, "it is out again")
    assert endpoint(daemon, bad)["ejections"] == 2
    until(lambda: ("ejected", "available", "passive_connect") in moves(daemon, bad),
          what="that it was back is in the history")

    started(EchoProcess("t1", bad.port))
    until(lambda: outcome(port) == "t1", 20, "it is used again")
    load.finish()
    assert unlucky(load, killed_at, "t0", "t1") == []


def test_the_last_one_stays(daemon, started):
    """Nothing is left to go elsewhere: whoever comes is tried on it, and served when it is back."""
    port, (only,) = serve(daemon, started, 'kind = "none";', EJECT, count=1)
    only.kill()
    assert [outcome(port) for _ in range(6)] == ["reset"] * 6
    assert daemon.states("web")[only.address] == "available"
    started(EchoProcess("t0", only.port))
    assert outcome(port) == "t0"


def test_failures_0_ejects_nothing(daemon, started):
    port, (good, bad) = serve(daemon, started, 'kind = "none";', "eject = { failures = 0; };")
    killed_at = kill_target(bad)
    load = started(Load(port, 60 // SLOWNESS))
    until(lambda: refused(daemon) >= 4, 30, "clients have found out")   # marked, 1, 2, 4 s
    assert daemon.states("web")[bad.address] == "available"
    load.finish()
    assert unlucky(load, killed_at, "t0") == []


def test_it_stays_out_when_the_prober_dies(daemon, started):
    port, (good, bad) = serve(daemon, started, 'kind = "none";',
                              'eject = { failures = 1; time = "60s"; };')
    bad.kill()
    until(lambda: outcome(port) and daemon.states("web")[bad.address] == "ejected",
          what="it is ejected")
    before = endpoint(daemon, bad)
    prober = pids(daemon)["prober"]
    kill(prober)
    replaced(daemon, "prober", prober)
    until(lambda: "go on as the last prober left them" in daemon.log(), what="it has the board")
    after = endpoint(daemon, bad)
    assert (after["state"], after["detail"], after["since"]) == (
        "ejected", before["detail"], before["since"])


def test_a_probe_brings_it_back(daemon, started):
    """Of the very address that clients use, long before its time is over."""
    port = free_port()
    good, bad = started(EchoProcess("good")), started(Target(echo))
    daemon.write_apps(app("web", port, [good, bad], 'eject = { failures = 1; time = "60s"; };',
                          probe='interval = "500ms"; rise = 1; fall = 100;'))
    daemon.start()
    daemon.until_available("web", 2)
    bad.close()
    until(lambda: outcome(port) and daemon.states("web")[bad.address] == "ejected",
          what="it is ejected")
    started(Target(echo, port=bad.port))
    daemon.until_state("web", bad, "available")
    until(lambda: ("ejected", "available", "ok") in moves(daemon, bad), what="and says so")


@pytest.mark.limit(60)
def test_killed_under_load(daemon, started):
    """200 clients a second, probes every 5 s: not one fails, a handful is tried elsewhere."""
    port, targets = serve(daemon, started, 'interval = "5s"; timeout = "1s";', "", count=3)
    load = started(Load(port, 200 // SLOWNESS))
    until(lambda: load.done() > 100, what="clients come")
    kills = []
    for target in targets[:2]:
        before = load.done()
        kills.append((time.monotonic(), kill_target(target)))
        until(lambda: load.done() > before + 200 // SLOWNESS, 20, "many more were served")
    load.finish()

    # Who was there at a kill may have been connected to what died.
    failed = [(came, took, said) for came, took, said in load.failed("t0", "t1", "t2")
              if not any(came <= end and came + took >= begin for begin, end in kills)]
    assert failed == []
    assert 1 <= refused(daemon) <= 24
