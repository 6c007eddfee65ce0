"""An app that is configured no more drains: no new clients, time for those that are there; then
nothing is left of it, neither in status nor a process."""
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, ask, free_ports, is_alive, outcome,
                     until)

DRAIN_S = 3
SOON_S = 5


def configure(daemon, port, target, drain_s):
    daemon.write_apps(app("web", port, [target], f'drain_timeout = "{drain_s}s";'),
                      file="10-web.conf")


@pytest.fixture
def scene(daemon, started):
    port, other = free_ports(2)
    target = started(EchoProcess())
    configure(daemon, port, target, DRAIN_S)
    daemon.write_apps(app("other", other, [target]), file="20-other.conf")
    daemon.start()
    return port, other, target


def remove(daemon, how):
    if how == "its file is deleted":
        (daemon.config / "10-web.conf").unlink()
    else:
        daemon.write("10-web.conf", "apps = ();\n")
    daemon.apply()


@pytest.mark.parametrize("how", ["its file is deleted", "its file is without it"])
def test_its_connections_have_drain_timeout(daemon, started, scene, how):
    port, other, _ = scene
    pid = daemon.worker_pid("web")
    talks, steady = [started(Talk(port)) for _ in range(6)], started(Talk(other))
    load = started(Load(other, 50 // SLOWNESS))
    begin = time.monotonic()
    remove(daemon, how)
    end = time.monotonic()

    until(lambda: outcome(port) == "refused", 1, "it is refused")
    web = daemon.status("web")
    assert (web["state"], web["ready"], web["connections"]) == ("draining", False, 6)
    assert all(talk.lasts() for talk in talks)
    assert is_alive(pid)

    until(lambda: all(talk.ended for talk in talks), DRAIN_S + 4, "its time is over")
    endings = sorted(talk.ended_at for talk in talks)
    assert endings[0] - begin >= DRAIN_S * 2 / 3 - 0.05
    assert endings[-1] - end <= DRAIN_S + 2 * SLOWNESS
    until(lambda: daemon.names() == ["other"], SOON_S, "it is gone")
    until(lambda: not is_alive(pid), SOON_S, "its process has ended")
    load.finish()
    assert load.failed("hello") == [] and steady.lasts()
    assert daemon.status("other")["generation"] == 1


def test_it_is_gone_with_its_last_connection(daemon, started, scene):
    port, _, target = scene
    configure(daemon, port, target, 120)        # else it would be gone soon anyway
    daemon.apply()
    pid = daemon.worker_pid("web")
    talk = started(Talk(port))
    remove(daemon, "its file is deleted")
    until(lambda: daemon.status("web")["state"] == "draining", SOON_S, "it drains")
    assert talk.lasts()
    talk.close()

    until(lambda: daemon.names() == ["other"], SOON_S, "it is gone")
    until(lambda: not is_alive(pid), SOON_S, "its process has ended")


def test_it_is_recorded(daemon, scene):
    remove(daemon, "its file is deleted")
    until(lambda: daemon.names() == ["other"], SOON_S, "it is gone")

    until(lambda: daemon.sql("SELECT from_generation, to_generation, outcome FROM rollouts "
                             "WHERE app = 'web' ORDER BY id DESC LIMIT 1") == [(1, 0, "done")],
          what="its end is a rollout")
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE app = 'web' AND kind = 'app_removed'"),
          what="its end is an event")
    assert daemon.sql("SELECT 1 FROM last_good_config WHERE app = 'web'") == []
    until(lambda: daemon.sql("SELECT 1 FROM endpoints WHERE app = 'web'") == [],
          what="nothing is known of its endpoints")
    assert daemon.sql("SELECT generation FROM last_good_config WHERE app = 'other'") == [(1,)]


def test_it_comes_back_while_it_drains(daemon, started, scene):
    port, _, target = scene
    text = (daemon.config / "10-web.conf").read_text()
    talk = started(Talk(port))
    remove(daemon, "its file is deleted")
    until(lambda: outcome(port) == "refused", 1, "it is refused")

    daemon.write("10-web.conf", text)
    daemon.apply()

    assert ask(port) == "hello"
    assert daemon.status("web")["state"] == "ready"
    assert talk.lasts()             # its time is not over yet
    talk.close()
    until(lambda: daemon.status("web")["connections"] == 0, what="it has ended")
    assert ask(port) == "hello"


def test_a_target_of_it_that_is_dead_does_not_hinder(daemon, started):
    """An app that never served can go as well."""
    port, dead = free_ports(2)
    daemon.write_apps(app("web", port, [f"127.0.0.1:{dead}"]), file="10-web.conf")
    daemon.start()
    remove(daemon, "its file is deleted")
    until(lambda: daemon.names() == [], SOON_S, "it is gone")
    assert outcome(port) == "refused"
    until(lambda: len(daemon.children()) == 1, what="the prober alone is left")
