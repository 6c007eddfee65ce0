"""A database that is damaged, locked or out of reach: the daemon serves, and says so."""
import os
import sqlite3

import pytest

from harness import EchoProcess, app, ask, free_ports, until


def test_a_damaged_one_is_set_aside(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.state.mkdir()
    (daemon.state / "fproxy.db").write_bytes(b"this is no database " * 1000)

    daemon.start()

    assert ask(port) == "good"
    set_aside = [path for path in daemon.state.iterdir() if ".bad-" in path.name]
    assert [path.read_bytes()[:19] for path in set_aside] == [b"this is no database"]
    assert set_aside[0].name in daemon.log()
    until(lambda: daemon.sql("SELECT app FROM last_good_config") == [("web",)],
          what="a new one is written")


LOCKS = {"writers are kept out": "BEGIN EXCLUSIVE",
         "readers too": "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE"}


@pytest.mark.parametrize("how", LOCKS)
@pytest.mark.limit(60)
def test_a_locked_one_is_waited_for(daemon, started, how):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.start()
    daemon.stop()
    before = daemon.sql("SELECT id FROM rollouts")
    other = sqlite3.connect(daemon.state / "fproxy.db", isolation_level=None)
    other.executescript(LOCKS[how])

    daemon.start(within=20)

    assert ask(port) == "good"
    other.close()
    until(lambda: len(daemon.sql("SELECT id FROM rollouts")) > len(before), 20,
          "what happened meanwhile is written")


@pytest.mark.limit(60)
def test_a_path_that_is_no_file(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    os.makedirs(daemon.state / "fproxy.db" / "in-the-way")

    daemon.start(within=20)

    assert ask(port) == "good"
    assert "fproxy.db" in daemon.log()
    daemon.stop()
