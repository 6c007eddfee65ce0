"""The wall clock is set while it runs, by hours and by seconds: no state changes because of it,
nobody is held longer or let go sooner, no probe stops, and the history stays readable."""
import json
import re

import pytest

from harness import (SLOWNESS, DnsServer, EchoProcess, Load, Target, WallClock, app, asks, echo,
                     free_port, free_ports, kill, outcome, pids, until)

HOUR_S = 3600
DAMPED = f'flap_damping = {{ half_life = "{6 * SLOWNESS}s"; }};'
NAMES = ("one", "two", "three", "four")
JUMPS_S = (HOUR_S, 0, -HOUR_S, 2, -3, 0, 26 * HOUR_S, 0)
FAST = 'interval = "100ms"; timeout = "100ms"; rise = 1; fall = 2; jitter = 0;'
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


@pytest.fixture
def clock(daemon, tmp_path):
    clock = WallClock(tmp_path)
    daemon.variables.update(clock.preload)
    return clock


def endpoint(daemon, target, name="web"):
    return next(each for each in daemon.inspect(name)["endpoints"]
                if each["target"] == getattr(target, "address", target))


def probed_at(daemon, name="web"):
    """When each endpoint was probed last."""
    return [(each["last_probe"] or {}).get("at") for each in daemon.inspect(name)["endpoints"]]


def is_probed(daemon, clock, name="web"):
    """Each endpoint was, by the clock of now."""
    return all(clock.says(at) for at in probed_at(daemon, name))


def jump(daemon, clock, seconds, name="web"):
    """Sets the clock, and waits until the prober has gone on with it: each is probed once more."""
    clock.set(seconds)
    before = probed_at(daemon, name)
    until(lambda: is_probed(daemon, clock, name) and
          all(old != new for old, new in zip(before, probed_at(daemon, name))),
          what=f"all are probed, {seconds} s beside")


def moves(daemon):
    return daemon.sql("SELECT target, from_state, to_state FROM transitions ORDER BY id")


def bounce(daemon, started, target, name):
    target.kill()
    until(lambda: endpoint(daemon, target)["state"] == "unavailable", what="it is down")
    again = started(EchoProcess(name, port=target.port))
    until(lambda: endpoint(daemon, target)["state"] != "unavailable", what="it is back")
    return again


def make_flap(daemon, started, target, name):
    process = target
    for _ in range(6):
        process = bounce(daemon, started, process, name)
        if endpoint(daemon, target)["flapping"]:
            return
    pytest.fail(f"it does not flap: {moves(daemon)}")


@pytest.mark.limit(60)
def test_nobody_notices(daemon, started, clock):
    port, dead = free_ports(2)
    targets = [started(EchoProcess("one")), started(EchoProcess("two")), f"127.0.0.1:{dead}"]
    daemon.write_apps(app("web", port, targets, probe=FAST))
    daemon.start()
    daemon.until_available("web", 2)
    until(lambda: endpoint(daemon, targets[2])["state"] == "unavailable", what="it is down")
    states, processes = daemon.states("web"), pids(daemon)
    since = {each["target"]: each["since"] for each in daemon.inspect("web")["endpoints"]}
    until(lambda: len(moves(daemon)) == 3, what="the history has them")
    load = started(Load(port, 20))

    for seconds in JUMPS_S:
        jump(daemon, clock, seconds)
        served = load.done()
        until(lambda: load.done() > served + 3, what="clients are served")
        assert daemon.states("web") == states
        status = daemon.status("web")
        assert (status["state"], status["ready"]) == ("ready", True)
    load.finish()
    assert load.failed("one", "two") == []
    assert {each["target"]: each["since"] for each in daemon.inspect("web")["endpoints"]} == since
    assert len(moves(daemon)) == 3          # none but the first of each
    assert pids(daemon) == processes
    assert daemon.sql("SELECT process FROM crashes") == []
    daemon.replace_apps(app("web", port, targets[:2], probe=FAST))
    daemon.apply()                          # rollouts go on, too
    assert set(daemon.states("web").values()) == {"available"}
    # Every line has its time, and nothing but the dead target is complained of.
    lines = daemon.log().splitlines()
    assert all(TIME.match(line) for line in lines), daemon.log()
    assert not [line for line in lines if " warn " in line or " error " in line
                if str(dead) not in line and "started late" not in line], daemon.log()


@pytest.mark.limit(60)
def test_who_flaps_is_held_as_long_as_ever(daemon, started, clock):
    port = free_port()
    one, two, three, four = [started(EchoProcess(name)) for name in NAMES]
    daemon.write_apps(app("web", port, [one, two, three, four],
                          DAMPED, probe=FAST))
    daemon.start()
    daemon.until_available("web", 4)
    make_flap(daemon, started, one, "one")
    jump(daemon, clock, HOUR_S)
    three.kill()                            # all is looked at once more
    daemon.until_state("web", three, "unavailable")
    assert set(asks(port, 6)) == {"two", "four"}
    for seconds in (HOUR_S, 0, -HOUR_S):    # it has a half-life to go
        jump(daemon, clock, seconds)
        held = endpoint(daemon, one)
        assert (held["state"], held["flapping"]) == ("recovering", True)
    # An hour back, it is let go all the same.
    until(lambda: endpoint(daemon, one)["state"] == "available", 20, "it is let go")
    until(lambda: daemon.sql("SELECT penalty FROM endpoints WHERE target = ? AND penalty > 0 AND "
                             "state = 'available'", one.address), what="the database has it")
    (told,), = daemon.sql("SELECT penalty_at FROM endpoints WHERE target = ?", one.address)
    assert clock.says(told, 60)


@pytest.mark.limit(60)
def test_a_penalty_of_the_future_holds_nobody_for_ever(daemon, started, clock):
    """The daemon ends while the clock is an hour ahead, and starts when that is mended."""
    port = free_port()
    one, two, three = [started(EchoProcess(name)) for name in ("one", "two", "three")]
    daemon.write_apps(app("web", port, [one, two, three],
                          DAMPED, probe=FAST))
    clock.set(HOUR_S)
    daemon.start()
    daemon.until_available("web", 3)
    make_flap(daemon, started, one, "one")
    until(lambda: daemon.sql("SELECT penalty FROM endpoints WHERE penalty > 3000"),
          what="the database has it")
    daemon.stop()
    clock.set(0)
    daemon.start()
    until(lambda: is_probed(daemon, clock), what="all are probed")
    assert endpoint(daemon, one)["flapping"]        # it was known, and is no longer
    until(lambda: endpoint(daemon, one)["state"] == "available", 20, "it is let go")


@pytest.mark.limit(60)
def test_who_returns_warms_as_slowly_as_ever(daemon, started, clock):
    port = free_port()
    one, two = started(EchoProcess("one")), started(EchoProcess("two"))
    daemon.write_apps(app("web", port, [one, two], f'slow_start = "{6 * SLOWNESS}s";', probe=FAST))
    daemon.start()
    daemon.until_available("web", 2)
    bounce(daemon, started, two, "two")
    for seconds in (HOUR_S, -HOUR_S):
        jump(daemon, clock, seconds)
        found = endpoint(daemon, two)
        assert found["state"] == "warming" and found["percent"] < 100
    until(lambda: endpoint(daemon, two)["percent"] == 100, what="it has its whole share")
    assert endpoint(daemon, two)["state"] == "available"


@pytest.mark.limit(60)
def test_who_is_ejected_comes_back_in_time(daemon, started, clock):
    """Another port is probed, so that nothing but the time brings it back."""
    port, health = free_port(), started(Target(echo))
    one, two = started(EchoProcess("one")), started(EchoProcess("two"))
    daemon.write_apps(app("web", port, [one, two], f'eject = {{ failures = 3; time = "{4 * SLOWNESS}s"; }};',
                          probe=f'port = {health.port}; {FAST}'))
    daemon.start()
    daemon.until_available("web", 2)
    kill(two.pid)

    def ejected():
        outcome(port)
        return endpoint(daemon, two)["state"] == "ejected"

    until(ejected, what="it is ejected")
    for seconds in (HOUR_S, -HOUR_S):
        jump(daemon, clock, seconds)
        assert endpoint(daemon, two)["state"] == "ejected"
    until(lambda: endpoint(daemon, two)["state"] == "available", what="its time is over")


@pytest.mark.limit(60)
def test_what_dns_forgot_is_held(daemon, started, tmp_path, clock):
    """For 24 hours while its probes pass: of the clock that nobody sets. And names are asked for
    again in time."""
    port, target = free_port(), started(EchoProcess("one"))
    zone = {"web.test": {"A": ["127.0.0.1"], "ttl": 1}}
    server = started(DnsServer(tmp_path, zone))
    settings = (f'daemon = {{ dns = {{ servers = ["{server.address}"]; ttl_min = "0s"; '
                f'negative_min = "1s"; negative_max = "1s"; }}; }};')
    name = f"web.test:{target.port}"
    daemon.write_apps(app("web", port, [name], probe=FAST), more=settings)
    daemon.start()
    daemon.until_available("web", 1)
    server.set({"web.test": {"status": "empty", "soa": 1}})

    def said():
        return [status for status, in daemon.sql("SELECT status FROM dns_cache")]

    until(lambda: "empty" in said(), 15, "DNS has no address any more")
    for seconds in (26 * HOUR_S, 0, -HOUR_S):
        jump(daemon, clock, seconds)
        asked = server.questions("web.test")
        until(lambda: server.questions("web.test") > asked + 1, 15, "it is asked for again")
        assert endpoint(daemon, name)["state"] == "available"
        assert outcome(port) == "one"
    server.set(zone)
    until(lambda: any(status == "ok" and clock.says(at) for status, at in daemon.sql(
        "SELECT status, resolved_at FROM dns_cache WHERE type = 'A'")), 15,
        "its time is of the clock as it is")
    assert endpoint(daemon, name)["state"] == "available"


@pytest.mark.limit(60)
def test_history_stays_readable(daemon, started, clock):
    """An hour that occurs twice: what came later is told."""
    port, one, two = free_port(), started(EchoProcess("one")), started(EchoProcess("two"))
    daemon.write_apps(app("web", port, [one, two], probe=FAST))

    def was(when):
        answer = daemon.run("fproxy-probe", "inspect", "--at", when, "web", "--json")
        assert answer.returncode in (0, 1), answer.stderr
        endpoints = json.loads(answer.stdout)["apps"][0]["endpoints"]
        return {each["target"]: each["state"] for each in endpoints}[two.address]

    def recorded(state, count):
        until(lambda: daemon.sql("SELECT count(*) FROM transitions WHERE target = ? AND "
                                 "to_state = ?", two.address, state) == [(count,)],
              what=f"{state} is recorded")

    clock.set(HOUR_S)
    daemon.start()
    daemon.until_available("web", 2)
    two.kill()
    daemon.until_state("web", two, "unavailable")
    recorded("unavailable", 1)
    assert was("now") == "unavailable"
    jump(daemon, clock, 0)
    again = started(EchoProcess("two", port=two.port))
    daemon.until_state("web", two, "available")
    recorded("available", 2)
    assert was("now") == "available"
    jump(daemon, clock, HOUR_S + 300)       # the future of then: it was down, but that was before
    assert was("1m ago") == "available"
    again.kill()
    daemon.until_state("web", two, "unavailable")
    recorded("unavailable", 2)
    assert was("now") == "unavailable"

    answer = daemon.run("fproxy-probe", "history", "web", "--since", "2h ago", "-n", "1000",
                        "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    times = [each["at"] for each in told["transitions"]]
    assert times == sorted(times) and len(times) == len(moves(daemon))
    assert told["results"] and told["endpoints"]
    text = daemon.run("fproxy-probe", "history", "web", "--since", "2h ago")
    assert text.returncode == 0 and "failing -> unavailable" in text.stdout
    why = daemon.run("fproxy-probe", "inspect", "--why", "web", two.address)
    assert why.returncode == 1 and "failing -> unavailable" in why.stdout
    assert not re.search(r" -\d+(\.\d+)? ?[hms]", why.stdout), why.stdout
    replay = daemon.run("fproxy-probe", "replay", "web", "--fall", "1", "--json")
    assert replay.returncode == 0 and json.loads(replay.stdout)["asked"]["down_ms"] >= 0
