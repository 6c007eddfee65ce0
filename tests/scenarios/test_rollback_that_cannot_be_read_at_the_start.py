"""An operator went back (`fproxy rollback`), and at the next start the database is locked for a
while: what was adopted stays as it runs; what began with its files goes back once it is known."""
import sqlite3

import pytest

from harness import (SLOWNESS, EchoProcess, Load, app, asks, free_ports, kill_supervisor, until)

READ_S = 40                     # the store tries again every 30 s at most
LOCK = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE"


class Scene:
    """web has been rolled out as "one" and then as "two"."""

    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, = free_ports(1)
        self.targets = {name: started(EchoProcess(name)) for name in ("one", "two", "three")}
        self.lock = None
        self.configure("one")
        daemon.start()
        self.configure("two")
        daemon.apply()
        self.until_it_is("two")
        self.until_good(2)

    def configure(self, name):
        self.daemon.replace_apps(app("web", self.port, [self.targets[name]],
                                     f'ready = {{ timeout = "{2 * SLOWNESS}s"; }};'))

    def until_it_is(self, name, within=10):
        until(lambda: asks(self.port, 4) == [name] * 4, within, f"{name} answers")

    def is_still(self, name):
        assert asks(self.port, 10) == [name] * 10

    def until_good(self, generation):
        until(lambda: self.daemon.sql("SELECT generation FROM last_good_config") ==
              [(generation,)], what="it is recorded")

    def step_back(self):
        result = self.daemon.rollback("web")
        assert result.get("outcome") == "done", result
        self.until_good(1)
        until(lambda: self.pins() == [("web",)], what="it is kept")

    def start_locked(self):
        self.lock = sqlite3.connect(self.daemon.state / "fproxy.db", isolation_level=None)
        self.lock.executescript(LOCK)
        self.daemon.start(within=20)

    def unlock(self):
        self.lock.close()
        until(lambda: "overrides_read" in self.kinds(), READ_S, "the database is read")

    def kinds(self):
        return [kind for kind, in self.daemon.sql("SELECT kind FROM events")]

    def pins(self):
        return self.daemon.sql("SELECT app FROM overrides WHERE action = 'rollback'")

    def generations(self):
        return self.daemon.sql("SELECT generation, hash FROM config_generations "
                               "ORDER BY generation")


@pytest.fixture
def scene(daemon, started):
    return Scene(daemon, started)


@pytest.mark.limit(120)
def test_what_began_with_its_files_goes_back(daemon, started, scene):
    scene.step_back()
    before = scene.generations()
    daemon.stop()
    scene.start_locked()
    scene.until_it_is("two")                # nothing else is known
    load = started(Load(scene.port, 100 // SLOWNESS))
    until(lambda: load.done() > 10, what="clients come")
    number = daemon.status("web")["generation"]
    pid = daemon.worker_pid("web")

    scene.unlock()
    scene.until_it_is("one")
    load.finish()
    assert load.failed("one", "two") == []
    web = daemon.status("web")
    assert (web["generation"], web["worker"]["pid"]) == (1, pid)
    scene.until_good(1)
    assert scene.pins() == [("web",)]
    assert number > 2 and scene.generations() == before     # none was overwritten
    daemon.reload()
    scene.is_still("one")
    daemon.stop()
    daemon.start()
    scene.is_still("one")

    scene.configure("three")
    scene.until_it_is("three")
    until(lambda: scene.pins() == [], what="it is over")
    assert daemon.rollback("web")["outcome"] == "done"
    scene.until_it_is("one")


@pytest.mark.limit(120)
def test_what_was_adopted_stays(daemon, scene):
    scene.step_back()
    pid = daemon.worker_pid("web")
    kill_supervisor(daemon)
    scene.start_locked()

    scene.is_still("one")
    assert daemon.worker_pid("web") == pid
    assert "cannot be read from the database yet" in daemon.reload()["held_back"][0]["reason"]
    scene.unlock()
    assert "rollback_held" in scene.kinds()
    scene.is_still("one")
    assert [held["app"] for held in daemon.reload()["held_back"]] == ["web"]
    scene.is_still("one")
    assert (daemon.worker_pid("web"), daemon.status("web")["generation"]) == (pid, 1)

    scene.configure("three")
    scene.until_it_is("three")
    until(lambda: scene.pins() == [], what="it is over")


@pytest.mark.limit(120)
def test_what_nobody_went_back_from_applies(daemon, scene):
    """The file was changed while no supervisor lived."""
    kill_supervisor(daemon)
    scene.configure("three")
    scene.start_locked()
    scene.is_still("two")

    scene.unlock()
    scene.until_it_is("three")
    until(lambda: daemon.sql("SELECT outcome FROM rollouts ORDER BY id DESC LIMIT 1") ==
          [("done",)], what="it is recorded")
    assert daemon.reload()["applied"]


@pytest.mark.limit(120)
def test_a_file_that_changes_meanwhile_ends_it(daemon, scene):
    scene.step_back()
    kill_supervisor(daemon)
    scene.start_locked()
    scene.is_still("one")
    scene.configure("three")
    scene.until_it_is("three")

    scene.unlock()
    until(lambda: scene.pins() == [], what="it is over")
    scene.is_still("three")


@pytest.mark.limit(120)
def test_what_cannot_go_back_says_so(daemon, scene):
    """The target of the generation before is dead by now."""
    scene.step_back()
    daemon.stop()
    scene.targets["one"].kill()
    scene.start_locked()
    scene.until_it_is("two")

    scene.unlock()
    until(lambda: "rolled_back" in scene.kinds(), READ_S, "it is told")
    scene.is_still("two")
    until(lambda: scene.pins() == [], what="it is over")
    number = daemon.status("web")["generation"]
    scene.until_good(number)
    assert number > 2


@pytest.mark.limit(180)
def test_a_database_that_stays_locked_holds_up_nobody_for_ever(daemon, scene):
    kill_supervisor(daemon)
    scene.configure("three")
    scene.start_locked()
    scene.is_still("two")

    scene.until_it_is("three", 90)
    scene.lock.close()
