"""What was rolled out while the database was locked at a start is the last good one, even when
fproxy is stopped in the moment in which the lock ends."""
import sqlite3

import pytest

from harness import EchoProcess, app, ask, free_ports, kill_supervisor, until

LOCK = ("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE zz(a); ROLLBACK;"
        "BEGIN EXCLUSIVE")


def apply(daemon, name, port, target):
    daemon.replace_apps(app(name, port, [target]), file=f"{name}.conf")
    daemon.apply()
    until(lambda: ask(port) == ask(target.port), 5, f"{name} runs it")


def locked(daemon):
    other = sqlite3.connect(daemon.state / "fproxy.db", isolation_level=None)
    other.executescript(LOCK)
    return other


@pytest.fixture
def scene(daemon, started):
    """aa runs, and its supervisor was killed."""
    old, new = (started(EchoProcess(name)) for name in ("old", "new"))
    port, other = free_ports(2)
    daemon.write_apps(app("aa", port, [old]), file="aa.conf")
    daemon.start()
    until(lambda: daemon.sql("SELECT app FROM last_good_config") == [("aa",)], what="recorded")
    kill_supervisor(daemon)
    return port, other, new


@pytest.mark.limit(90)
def test_stopped_at_once(daemon, scene):
    port, other, new = scene
    lock = locked(daemon)
    daemon.start(within=20)
    apply(daemon, "aa", port, new)
    apply(daemon, "nn", other, new)
    lock.close()
    daemon.stop()

    for name in ("aa", "nn"):
        daemon.replace(f"{name}.conf", "x y")
    daemon.start()
    assert (ask(port), ask(other)) == ("new", "new")
    assert daemon.names() == ["aa", "nn"]


@pytest.mark.limit(90)
def test_it_is_read_soon_after_a_long_lock(daemon, scene):
    """However long the store itself would wait by then until it tries again."""
    port, other, new = scene
    lock = locked(daemon)
    daemon.start(within=20)
    apply(daemon, "aa", port, new)
    apply(daemon, "nn", other, new)
    until(lambda: daemon.status()["supervisor"]["uptime_s"] >= 9, 20, "it has tried several times")
    lock.close()

    until(lambda: daemon.sql("SELECT count(*) FROM events WHERE kind = 'overrides_read'") ==
          [(1,)], 4, "it is read")
    until(lambda: daemon.sql("SELECT app FROM last_good_config ORDER BY app") ==
          [("aa",), ("nn",)], 2, "all of it is written")
