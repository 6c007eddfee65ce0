"""`fproxy rollback` goes back to the generation before, and stays there over reloads, a file that
is touched and a restart, until what is configured is changed."""
import os
import subprocess

import pytest

from harness import (SLOWNESS, EchoProcess, Load, app, ask, asks, free_port, free_ports, kill,
                     kill_supervisor, outcome, pids, until)

SOON_S = 5


class Scene:
    """web has been rolled out as "one" and then as "two"."""

    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, = free_ports(1)
        self.targets = {name: started(EchoProcess(name)) for name in ("one", "two", "three")}
        self.configure("one")
        daemon.start()
        self.configure("two")
        daemon.apply()
        self.until_it_is("two")
        until(lambda: daemon.sql("SELECT generation FROM last_good_config") == [(2,)],
              what="it is recorded")

    def configure(self, name, more=""):
        self.daemon.replace_apps(app("web", self.port, [self.targets[name]],
                                     f'ready = {{ timeout = "{2 * SLOWNESS}s"; }}; {more}'))

    def until_it_is(self, name):
        until(lambda: asks(self.port, 4) == [name] * 4, SOON_S, f"{name} answers")

    def step_back(self):
        result = self.daemon.rollback("web")
        assert result.get("outcome") == "done", result
        self.until_it_is("one")


@pytest.fixture
def scene(daemon, started):
    return Scene(daemon, started)


def test_it_goes_back_and_no_client_fails(daemon, started, scene):
    load = started(Load(scene.port, 100 // SLOWNESS))
    pid = daemon.worker_pid("web")
    until(lambda: load.done() > 10, what="clients come")

    result = daemon.rollback("web")

    assert (result["outcome"], result["from_generation"], result["to_generation"]) == (
        "done", 2, 1)
    scene.until_it_is("one")
    load.finish()
    assert load.failed("one", "two") == []
    web = daemon.status("web")
    assert (web["state"], web["generation"], web["worker"]["pid"]) == ("ready", 1, pid)
    until(lambda: daemon.sql("SELECT generation FROM last_good_config") == [(1,)],
          what="it is the last good one")
    until(lambda: daemon.sql("SELECT from_generation, to_generation, outcome FROM rollouts "
                             "ORDER BY id DESC LIMIT 1") == [(2, 1, "done")],
          what="it is a rollout")
    until(lambda: daemon.sql("SELECT app, action FROM overrides") == [("web", "rollback")],
          what="it is an override")
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'rollback'"),
          what="it is an event")


def test_status_tells_it_as_long_as_it_holds(daemon, scene):
    line = "web: stays with generation 1 by `fproxy rollback' until its configuration changes\n"
    assert daemon.status("web")["rollback"] is None
    scene.step_back()
    assert daemon.status("web")["rollback"] == "holds"
    assert line in daemon.run("fproxy", "status").stdout

    daemon.stop()
    daemon.start()
    assert line in daemon.run("fproxy", "status", "web").stdout

    scene.configure("three")
    scene.until_it_is("three")
    assert daemon.status("web")["rollback"] is None
    assert "rollback" not in daemon.run("fproxy", "status").stdout


def test_it_holds_over_reloads_and_a_touch(daemon, scene):
    scene.step_back()
    path = daemon.config / "10-apps.conf"

    for _ in range(3):
        daemon.reload()
    os.utime(path)
    scene.configure("two")              # the same text in another file
    daemon.write("10-apps.conf", "# a comment\n" + path.read_text())
    daemon.reload()

    assert asks(scene.port, 10) == ["one"] * 10
    assert daemon.status("web")["generation"] == 1
    assert [held["app"] for held in daemon.reload()["held_back"]] == ["web"]


def test_it_holds_over_a_restart(daemon, scene):
    scene.step_back()
    daemon.stop()
    daemon.start()

    assert asks(scene.port, 10) == ["one"] * 10
    assert daemon.status("web")["generation"] == 1
    assert daemon.sql("SELECT app, action FROM overrides") == [("web", "rollback")]
    daemon.reload()
    assert asks(scene.port, 10) == ["one"] * 10

    scene.configure("three")
    scene.until_it_is("three")
    until(lambda: daemon.sql("SELECT app, action FROM overrides") == [], what="it is over")


def test_it_holds_over_a_killed_supervisor(daemon, scene):
    scene.step_back()
    until(lambda: daemon.sql("SELECT app FROM overrides") == [("web",)], what="it is recorded")
    pid = daemon.worker_pid("web")
    daemon.process.kill()
    daemon.process.wait()
    daemon.process = None
    daemon.start()

    assert asks(scene.port, 10) == ["one"] * 10
    assert daemon.worker_pid("web") == pid
    daemon.reload()
    assert asks(scene.port, 10) == ["one"] * 10


def test_it_holds_over_a_file_that_was_broken_at_the_start(daemon, scene):
    scene.step_back()
    daemon.stop()
    daemon.write("10-apps.conf", "apps = (")
    daemon.start()
    assert asks(scene.port, 4) == ["one"] * 4

    scene.configure("two")
    daemon.reload()
    assert asks(scene.port, 10) == ["one"] * 10
    scene.configure("three")
    scene.until_it_is("three")
    until(lambda: daemon.sql("SELECT app FROM overrides") == [], what="it is over")


@pytest.mark.limit(90)
@pytest.mark.parametrize("how", ["adopted", "begun anew"])
def test_the_next_supervisor_brings_it_to_its_end(daemon, started, scene, how):
    """This one is killed while the generation before waits for its target."""
    patient = 'ready = { timeout = "30s"; };'
    for name in ("one", "two"):
        daemon.replace_apps(app("web", scene.port, [scene.targets[name]], patient))
        daemon.apply()
    scene.until_it_is("two")
    dead = scene.targets["one"]
    dead.kill()
    told = subprocess.Popen([daemon.bin / "fproxy", "rollback", "web", *daemon.places()],
                            env=daemon.environment(), stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    until(lambda: daemon.sql("SELECT app FROM overrides") == [("web",)], what="it is recorded")
    left = pids(daemon).values()
    kill_supervisor(daemon)
    told.wait(20)
    for pid in left if how == "begun anew" else []:
        kill(pid)
    started(EchoProcess("one", port=dead.port))
    daemon.start()

    until(lambda: asks(scene.port, 4) == ["one"] * 4, 20, "one answers")
    until(lambda: daemon.sql("SELECT app, action FROM overrides") == [("web", "rollback")],
          what="it holds")
    daemon.reload()
    assert asks(scene.port, 10) == ["one"] * 10


def test_it_ends_when_what_is_configured_changes(daemon, scene):
    scene.step_back()
    scene.configure("three")
    scene.until_it_is("three")
    assert daemon.status("web")["generation"] == 3
    assert daemon.reload()["held_back"] == []
    until(lambda: daemon.sql("SELECT app FROM overrides") == [], what="it is over")

    scene.configure("two")
    scene.until_it_is("two")            # it is not put aside for ever


def test_it_ends_when_the_file_says_what_runs(daemon, scene):
    """The operator mends the file by putting the old text back: all is in agreement."""
    scene.step_back()
    scene.configure("one")
    daemon.apply()
    assert daemon.status("web")["generation"] == 1
    until(lambda: daemon.sql("SELECT app FROM overrides") == [], what="it is over")

    scene.configure("two")
    scene.until_it_is("two")


def test_other_apps_of_the_file_still_change(daemon, started, scene):
    scene.step_back()
    other, = free_ports(1)
    text = (daemon.config / "10-apps.conf").read_text()
    daemon.write_apps(app("other", other, [scene.targets["three"]]), file="20-other.conf")
    daemon.replace("10-apps.conf", text.replace(
        "apps = (", "apps = (" + app("new", free_port(), [scene.targets["three"]]) + ","))
    daemon.reload()

    until(lambda: outcome(other) == "three", SOON_S, "the other file applies")
    assert daemon.status("new")["state"] == "ready"
    assert asks(scene.port, 10) == ["one"] * 10


def test_it_steps_back_further(daemon, scene):
    scene.configure("three")
    daemon.apply()
    scene.until_it_is("three")
    assert daemon.rollback("web")["outcome"] == "done"
    scene.until_it_is("two")
    assert daemon.rollback("web")["outcome"] == "done"
    scene.until_it_is("one")
    assert "error" in daemon.rollback("web")        # there is none before

    daemon.reload()
    assert asks(scene.port, 4) == ["one"] * 4
    scene.configure("two")
    scene.until_it_is("two")


def test_a_step_back_that_does_not_work_is_none(daemon, scene):
    """The target of the generation before is dead by now."""
    scene.targets["one"].kill()
    result = daemon.rollback("web")

    assert result["outcome"] == "rolled_back"
    assert "not ready" in result["reason"]
    assert asks(scene.port, 10) == ["two"] * 10
    assert daemon.status("web")["generation"] == 2
    scene.configure("three")
    scene.until_it_is("three")


def test_there_is_nothing_to_go_back_to(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("one"))]))
    daemon.start()

    assert "error" in daemon.rollback("web")
    assert "error" in daemon.rollback("none")
    assert ask(port) == "one"
