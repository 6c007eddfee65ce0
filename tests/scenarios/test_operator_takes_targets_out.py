"""`fproxy drain`, `maintain` and `ready`: a target gets no new connection from the moment that the
command has answered, and what it has goes on; the word is kept over whatever dies or restarts."""
import os
import signal
import sqlite3

import pytest

from harness import (SLOWNESS, Crowd, EchoProcess, Installation, Talk, Target, app, asks, echo,
                     free_port, kill, kill_supervisor, outcome, pids, post, replaced, until)

ASKS = 20


class Scene:
    """The app web with three targets that answer with their names."""

    def __init__(self, daemon, started, more=""):
        self.daemon = daemon
        self.port = free_port()
        self.targets = {name: started(EchoProcess(name)) for name in ("one", "two", "three")}
        daemon.write_apps(app("web", self.port, self.targets.values(), more))
        daemon.start()
        daemon.until_available("web", 3)

    def told(self, action, name=None, *more, status=0):
        target = [self.targets[name].address] if name else []
        answer = self.daemon.run("fproxy", action, "web", *target, *more)
        assert answer.returncode == status, answer.stdout + answer.stderr
        return answer

    def who_answers(self):
        return set(asks(self.port, ASKS))

    def endpoint(self, name):
        return next(each for each in self.daemon.inspect("web")["endpoints"]
                    if each["target"] == self.targets[name].address)


@pytest.fixture
def scene(daemon, started):
    return Scene(daemon, started)


def test_drain_and_ready(daemon, started, scene):
    answer = scene.told("drain", "two", "--note", "a new disk & more")

    assert answer.stdout == f"web: {scene.targets['two'].address}: draining\n"
    assert scene.who_answers() == {"one", "three"}          # at once, without waiting
    two = scene.endpoint("two")
    assert (two["state"], two["reason"], two["detail"]) == ("draining", "admin",
                                                            "a new disk & more")
    web = daemon.status("web")
    assert web["targets"] == {"available": 2, "total": 3}
    override, = web["overrides"]
    assert (override["target"], override["action"], override["note"], override["exists"]) == (
        scene.targets["two"].address, "drain", "a new disk & more", True)
    assert "drain since" in daemon.run("fproxy", "status").stdout
    assert daemon.sql("SELECT app, target, action, note FROM overrides") == [
        ("web", scene.targets["two"].address, "drain", "a new disk & more")]
    until(lambda: ("available", "draining", "admin") in daemon.sql(
        "SELECT from_state, to_state, reason FROM transitions"), what="it is in the history")
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'drain' AND app = 'web' "
                             "AND message LIKE '%uid %: a new disk%'"), what="and who said it")

    assert "available" in scene.told("ready", "two").stdout
    assert scene.who_answers() == {"one", "two", "three"}
    assert daemon.sql("SELECT 1 FROM overrides") == []
    assert daemon.status("web")["overrides"] == []


def test_a_word_about_one_address_outlives_that_about_its_target(daemon, started):
    """The nearest word counts: who takes the other one back is told what still holds."""
    target = started(EchoProcess("one"))
    name = target.address.replace("127.0.0.1", "localhost")
    daemon.write_apps(app("web", free_port(), [name]))
    daemon.start()
    daemon.until_available("web", 1)
    for action, what in (("drain", name), ("maintain", target.address)):
        assert daemon.run("fproxy", action, "web", what).returncode == 0

    answer = daemon.run("fproxy", "ready", "web", name)
    assert answer.returncode == 0
    assert (f"1 of its addresses stays out, for that was said of them alone: `maintain' of "
            f"{target.address}; take it back with `fproxy ready web {target.address}'"
            in answer.stderr)
    answer = daemon.run("fproxy", "ready", "web", target.address)
    assert (answer.returncode, answer.stderr) == (0, "")
    daemon.until_available("web", 1)


@pytest.mark.limit(90)
def test_a_database_that_is_locked_at_the_start_is_asked_later(daemon, started, scene):
    """What was said before the start holds as soon as it can be read; what is said meanwhile is
    newer, and holds over it."""
    scene.told("drain", "one")
    scene.told("maintain", "two")
    daemon.stop()
    other = sqlite3.connect(daemon.state / "fproxy.db", isolation_level=None)
    other.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
    daemon.start(within=20)
    daemon.until_available("web", 3)
    assert "cannot be read from the database" in daemon.log()
    scene.told("ready", "two")
    assert scene.who_answers() == {"one", "two", "three"}

    other.close()
    until(lambda: scene.endpoint("one")["state"] == "draining", 40, "it is read")
    assert scene.who_answers() == {"two", "three"}
    overrides = "SELECT target, action FROM overrides"
    until(lambda: daemon.sql(overrides) == [(scene.targets["one"].address, "drain")],
          what="the database is as it was said")


@pytest.mark.limit(90)
def test_a_word_while_the_database_is_locked_undoes_no_other(daemon, started, scene):
    """The adopted prober knows what the next supervisor cannot read yet."""
    scene.told("drain", "one")
    scene.told("maintain", "two")
    kill_supervisor(daemon)
    other = sqlite3.connect(daemon.state / "fproxy.db", isolation_level=None)
    other.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
    daemon.start(within=20)
    assert scene.who_answers() == {"three"}

    answer = scene.told("ready", "two")
    assert "it holds, too" in answer.stderr
    daemon.until_available("web", 2)
    assert scene.who_answers() == {"two", "three"}
    scene.told("drain", "three")
    assert scene.who_answers() == {"two"}
    assert scene.endpoint("one")["state"] == "draining"

    other.close()
    until(lambda: "what they have said since" in daemon.log(), 40, "it is read")
    assert scene.who_answers() == {"two"}
    until(lambda: {(row["target"], row["action"]) for row in daemon.status("web")["overrides"]} ==
          {(scene.targets[name].address, "drain") for name in ("one", "three")}, what="all listed")
    scene.told("ready")
    daemon.until_available("web", 3)
    assert scene.who_answers() == {"one", "two", "three"}


@pytest.mark.parametrize("action", ["drain", "maintain"])
def test_connections_that_are_open_go_on(daemon, started, action):
    port = free_port()
    target = started(Target(echo))
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    daemon.until_available("web", 1)
    talk = started(Talk(port))

    answer = daemon.run("fproxy", action, "web", target.address)
    assert answer.returncode == 0
    assert "no target that works is left" in answer.stderr               # but it is done
    assert outcome(port) == "reset"                         # although panic = "all"
    assert talk.lasts()
    assert daemon.status("web")["state"] == "unavailable"
    inspected = daemon.inspect("web")
    assert (inspected["panic"], inspected["ladder"]) == (False, "fail")

    assert daemon.run("fproxy", "ready", "web", target.address).returncode == 0
    assert outcome(port) == "hello"
    assert talk.lasts()


def test_maintenance_stops_the_probes(daemon, started):
    port = free_port()
    out, other = started(Target(echo)), started(Target(echo))
    daemon.write_apps(app("web", port, [out, other], probe='interval = "50ms";'))
    daemon.start()
    daemon.until_available("web", 2)

    assert "maintenance" in daemon.run("fproxy", "maintain", "web", out.address).stdout
    before, others = out.accepted, other.accepted
    until(lambda: other.accepted >= others + 20, what="the other one is probed on")
    assert out.accepted <= before + 1                       # one was on its way
    assert daemon.states("web")[out.address] == "maintenance"

    out.close()                                             # nobody looks
    before = other.accepted
    until(lambda: other.accepted >= before + 20, what="the other one is probed on")
    assert daemon.states("web")[out.address] == "maintenance"
    daemon.run("fproxy", "ready", "web", out.address)
    daemon.until_state("web", out, "unavailable")           # its first probe decided


def test_a_whole_app_and_a_target_of_it(daemon, started, scene):
    assert scene.told("drain").stdout.count(": draining\n") == 3
    assert outcome(scene.port) == "reset"
    scene.told("ready", "one")                              # an exception
    assert scene.who_answers() == {"one"}

    four = started(EchoProcess("four"))                     # comes to a drained app
    daemon.replace_apps(app("web", scene.port, [*scene.targets.values(), four]))
    daemon.apply()
    daemon.until_state("web", four, "draining")
    assert scene.who_answers() == {"one"}

    scene.told("ready")
    daemon.until_available("web", 4)
    assert scene.who_answers() == {"one", "two", "three", "four"}
    assert daemon.sql("SELECT 1 FROM overrides") == []


def test_what_there_is_not(daemon, started, scene):
    assert "no such target" in daemon.run("fproxy", "drain", "web", "127.0.0.1:1").stderr
    assert daemon.run("fproxy", "drain", "web", "127.0.0.1:1").returncode == 1
    assert daemon.run("fproxy", "ready", "web", "127.0.0.1:1").returncode == 1
    assert daemon.run("fproxy", "drain", "wbe").returncode == 2
    assert daemon.run("fproxy", "drain").returncode == 2
    assert daemon.run("fproxy", "drain", "web", "--note", "x" * 128).returncode == 2
    assert scene.who_answers() == {"one", "two", "three"}

    scene.told("drain", "two")
    gone = scene.targets.pop("two")
    daemon.replace_apps(app("web", scene.port, scene.targets.values()))
    daemon.apply()
    assert not daemon.status("web")["overrides"][0]["exists"]
    assert "no such target" in daemon.run("fproxy", "status").stdout
    daemon.replace_apps(app("web", scene.port, [*scene.targets.values(), gone]))
    daemon.apply()
    daemon.until_state("web", gone, "draining")             # it was kept


@pytest.mark.limit(90)
@pytest.mark.parametrize("what", ["restart", "prober", "supervisor", "worker", "upgrade"])
def test_it_is_kept(daemon, started, what):
    if what == "upgrade":
        Installation(daemon)
    scene = Scene(daemon, started)
    scene.told("drain", "two", "--note", "kept")
    scene.told("maintain", "three")
    crowd = started(Crowd(scene.port, count=2)) if what in ("prober", "supervisor") else None
    before = pids(daemon)

    if what == "restart":
        daemon.stop()
        daemon.start()
    elif what == "supervisor":
        kill_supervisor(daemon)
        crowd.goes_on()
        daemon.start()
    elif what == "upgrade":
        assert post(daemon, "/v1/upgrade") == (202, {})
        until(lambda: (after := pids(daemon)) and all(after.values()) and
              not set(after.values()) & set(before.values()), 20, "all have been replaced")
    else:
        name = "prober" if what == "prober" else "web"
        kill(before[name])
        replaced(daemon, name, before[name])

    until(lambda: daemon.status("web")["ready"], what="it is ready")
    if crowd is not None:
        crowd.goes_on(100 // SLOWNESS)
        assert crowd.unlucky("one") == []                   # never one of the others
    assert scene.who_answers() == {"one"}
    daemon.until_state("web", scene.targets["two"], "draining")
    daemon.until_state("web", scene.targets["three"], "maintenance")
    assert scene.endpoint("two")["detail"] == "kept"
    assert {row["action"] for row in daemon.status("web")["overrides"]} == {"drain", "maintain"}

    scene.told("ready")
    daemon.until_available("web", 3)
    assert scene.who_answers() == {"one", "two", "three"}


def test_a_ready_that_the_prober_did_not_hear(daemon, started, scene):
    """Said to a supervisor while its prober hangs, and that supervisor dies."""
    scene.told("drain", "two")
    prober = pids(daemon)["prober"]

    os.kill(prober, signal.SIGSTOP)
    answer = scene.told("ready", "two")
    assert "the prober has not answered" in answer.stderr
    kill_supervisor(daemon)
    os.kill(prober, signal.SIGCONT)
    daemon.start()
    daemon.until_available("web", 3)
    assert scene.who_answers() == {"one", "two", "three"}
