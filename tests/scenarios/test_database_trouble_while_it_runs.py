"""Whatever happens to the database while fproxy runs: clients are served, live changes apply, the
log says what is wrong, and it is written again when it can be. What a writer of ours held in
memory meanwhile is not lost. (test_database_trouble_never_stops_it.py is about the start.)"""
import contextlib
import os
import sqlite3
import subprocess
import time

import pytest

from harness import (SANITIZED, Conversation, Crowd, EchoProcess, app, ask, free_ports, generations,
                     kill_supervisor, outcome, pids, reload, until)

FILES = ("fproxy.db", "fproxy.db-wal", "fproxy.db-shm")


class Scene:
    """An app under load whose second port comes and goes: a live change."""

    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, self.second, other = free_ports(3)
        self.echo = started(EchoProcess())
        self.open = False
        self._write()
        daemon.write_apps(app("steady", other, [self.echo]), file="steady.conf")
        daemon.start()
        self.before = pids(daemon)
        self.conversation = started(Conversation(self.port))
        self.crowd = started(Crowd(self.port, count=2))
        self.known_is_current()

    def _write(self):
        ports = [self.port, self.second] if self.open else [self.port]
        self.daemon.write_apps(app("web", ports, [self.echo]), file="web.conf")

    def change(self):
        """Applies at once, whatever the database does."""
        self.open = not self.open
        self._write()
        assert reload(self.daemon)["applied"]
        expected = "hello" if self.open else "refused"
        until(lambda: outcome(self.second) == expected, 10, "the change applies")

    def known_is_current(self, within=35):
        """What runs is on the disk as the last good one."""
        def known():
            try:
                return dict(self.daemon.sql("SELECT app, generation FROM last_good_config"))
            except sqlite3.Error:
                return None

        until(lambda: known() == generations(self.daemon), within, "what runs is on the disk")

    def nobody_noticed(self):
        self.conversation.goes_on()
        assert self.crowd.unlucky() == []
        assert pids(self.daemon) == self.before


def log_since(daemon):
    begin = len(daemon.log())
    return lambda: daemon.log()[begin:]


@pytest.mark.limit(90)
@pytest.mark.parametrize("what", ["the database", "all of it", "its directory"])
def test_deleted(daemon, started, what):
    scene = Scene(daemon, started)
    log = log_since(daemon)
    for name in FILES[:1] if what == "the database" else FILES:
        (daemon.state / name).unlink(missing_ok=True)
    if what == "its directory":
        delete_directory(daemon)

    for _ in range(3):
        scene.change()

    scene.known_is_current()
    scene.nobody_noticed()
    until(lambda: "fproxy.db" in log(), 35, "it says so")


def delete_directory(daemon):
    for path in daemon.state.iterdir():
        path.unlink()
    daemon.state.rmdir()


@pytest.mark.limit(90)
def test_a_deleted_directory_is_made_again_for_us_alone(daemon, started):
    scene = Scene(daemon, started)
    mode = daemon.state.stat().st_mode
    delete_directory(daemon)

    scene.change()
    scene.known_is_current()
    assert daemon.state.stat().st_mode == mode
    second = subprocess.run([daemon.bin / "fproxy", "--config", daemon.config, "--state-dir",
                             daemon.state, "--runtime-dir", daemon.directory / "other"],
                            capture_output=True, text=True, timeout=20)
    assert second.returncode != 0 and f"pid {daemon.pid} holds the state" in second.stderr
    scene.nobody_noticed()


@pytest.mark.limit(90)
def test_what_memory_holds_outlives_a_directory_deleted_before_a_stop(daemon, started):
    scene = Scene(daemon, started)
    scene.conversation.close()
    scene.crowd.close()
    delete_directory(daemon)
    daemon.stop()

    for name in ("web", "steady"):
        daemon.write(f"{name}.conf", "x y")
    daemon.start()
    assert ask(scene.port) == "hello"
    assert daemon.names() == ["steady", "web"]


@contextlib.contextmanager
def locked(daemon):
    """By another program."""
    other = sqlite3.connect(daemon.state / "fproxy.db", isolation_level=None, timeout=20)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("COMMIT")
    other.close()


@pytest.mark.limit(90)
def test_locked_for_a_while(daemon, started):
    """Each of the changes made meanwhile has its row afterwards."""
    scene = Scene(daemon, started)
    rows = daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'web'")[0][0]
    log = log_since(daemon)
    with locked(daemon):
        for _ in range(5):
            scene.change()
        until(lambda: "locked" in log(), 30, "it says so")
        scene.change()

    scene.known_is_current()
    until(lambda: daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'web' AND "
                             "outcome = 'done'")[0][0] == rows + 6, what="no rollout is missing")
    until(lambda: "is written again" in log(), what="it says so")
    scene.nobody_noticed()


@pytest.mark.skipif(SANITIZED, reason="takes more than a minute, and finds what the others do")
@pytest.mark.limit(180)
def test_locked_for_a_minute(daemon, started):
    """Longer than it is waited between two tries (30 s)."""
    scene = Scene(daemon, started)
    rows = daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'web'")[0][0]
    log = log_since(daemon)
    changes = 0
    with locked(daemon):
        begin = time.monotonic()
        while time.monotonic() < begin + 62:
            scene.change()
            changes += 1
            time.sleep(5)
        assert "locked" in log()

    scene.known_is_current()
    until(lambda: daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'web' AND "
                             "outcome = 'done'")[0][0] == rows + changes, 35,
          "no rollout is missing")
    scene.nobody_noticed()


def overwrite(path):
    """In place: who has it open sees it."""
    if path.exists():
        size = max(path.stat().st_size, 8192)
        with open(path, "r+b") as file:
            file.write(b"garbage " * (size // 8))


def truncate(path):
    if path.exists():
        os.truncate(path, 0)


def truncate_by_half(path):
    if path.exists():
        os.truncate(path, path.stat().st_size // 2)


@pytest.mark.limit(120)
@pytest.mark.parametrize("harm", [overwrite, truncate, truncate_by_half])
@pytest.mark.parametrize("files", ["the database", "database and log"])
def test_damaged(daemon, started, harm, files):
    """Set aside with a time stamp, noticed while it runs or at the next start; a new one is begun
    from what runs."""
    scene = Scene(daemon, started)
    for name in FILES[:1] if files == "the database" else FILES[:2]:
        harm(daemon.state / name)

    for _ in range(4):
        scene.change()
    kill_supervisor(daemon)
    daemon.start(within=20)
    scene.change()

    scene.known_is_current()
    scene.nobody_noticed()
    with contextlib.closing(sqlite3.connect(daemon.state / "fproxy.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    if harm is overwrite and files == "database and log":   # else the log may have had it all
        bad = [path.name for path in daemon.state.glob("fproxy.db.bad-*")]
        assert bad and bad[0].removesuffix("-wal").removesuffix("-shm") in daemon.log()


@pytest.mark.limit(90)
def test_of_a_newer_version(daemon, started):
    """It is never written by this one, and not thrown away either."""
    scene = Scene(daemon, started)
    with contextlib.closing(sqlite3.connect(daemon.state / "fproxy.db", timeout=20)) as db:
        db.execute("PRAGMA user_version = 999")

    scene.change()
    kill_supervisor(daemon)
    log = log_since(daemon)
    daemon.start(within=20)
    scene.change()

    scene.nobody_noticed()
    assert "999" in log() or "newer" in log(), log()
    versions = []
    for path in daemon.state.glob("fproxy.db*"):
        if not path.name.endswith(("-wal", "-shm", "-journal")):
            with contextlib.closing(sqlite3.connect(path)) as db:
                versions.append(db.execute("PRAGMA user_version").fetchone()[0])
    assert 999 in versions


@contextlib.contextmanager
def small_disk(path, options="size=2m"):
    path.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path],
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass


@pytest.mark.limit(120)
def test_the_disk_is_full(daemon, started):
    with small_disk(daemon.state):
        scene = Scene(daemon, started)
        log = log_since(daemon)
        fill(daemon.state / "filler")

        for _ in range(30):
            scene.change()
        until(lambda: "full" in log() or "space" in log(), 30, "it says so")
        (daemon.state / "filler").unlink()

        scene.known_is_current()
        scene.nobody_noticed()
        daemon.stop()


@pytest.mark.limit(120)
def test_the_disk_is_read_only(daemon, started):
    """From one start to the next: it runs, and changes, with what the last run knew."""
    with small_disk(daemon.state):
        scene = Scene(daemon, started)
        scene.conversation.close()
        daemon.stop()
        scene.crowd.close()
        subprocess.run(["mount", "-o", "remount,ro", daemon.state], check=True)
        log = log_since(daemon)

        daemon.start(within=20)

        assert ask(scene.port) == "hello"
        scene.change()
        assert "read" in log() and "fproxy.db" in log()
        subprocess.run(["mount", "-o", "remount,rw", daemon.state], check=True)
        scene.known_is_current()
        daemon.stop()
