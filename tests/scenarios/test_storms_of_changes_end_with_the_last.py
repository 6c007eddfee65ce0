"""A hundred changes in a second, half-written files, a hundred signals: what is served in the end
is what was written last, each process is there once, and no client noticed."""
import os
import signal
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, apps_text, free_ports, outcome,
                     until)

CHANGES = 100
WITHIN_S = 1.0


class Scene:
    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, self.extra, self.other = free_ports(3)
        self.echo = started(EchoProcess())
        self.more = [started(EchoProcess()) for _ in range(3)]
        daemon.write_apps(app("other", self.other, [self.echo]), file="20-other.conf")
        daemon.write("10-web.conf", self.text(0))
        daemon.start()
        self.pids = sorted(pid for pid, _ in daemon.children())
        self.talks = [started(Talk(port)) for port in (self.port, self.other)]
        self.loads = [started(Load(port, 60 // SLOWNESS)) for port in (self.port, self.other)]
        until(lambda: all(load.done() > 5 for load in self.loads), what="clients come")

    def text(self, number):
        """Each another one; the last is one that has the extra port."""
        ports = [self.port, self.extra] if number % 2 == 1 else [self.port]
        return apps_text(app("web", ports, [self.echo, self.more[number % 3]],
                             f'idle_timeout = "{100 + number}s";'))

    def runs(self, number):
        return f'idle_timeout = "{100 + number}s"' in self.daemon.running("web")["config"]

    def until_all_is_well(self, number):
        until(lambda: self.runs(number), 10, "the last one runs")
        web = self.daemon.until_rollout("web", "done")
        assert web["state"] == "ready"
        until(lambda: outcome(self.extra) == ("hello" if number % 2 else "refused"), 2,
              "its ports are those of the last")
        assert sorted(pid for pid, _ in self.daemon.children()) == self.pids
        assert self.daemon.status("other")["generation"] == 1
        assert all(talk.lasts() for talk in self.talks)
        for load in self.loads:
            load.finish()
            assert load.failed("hello") == []
        until(lambda: self.daemon.sql("SELECT generation FROM last_good_config WHERE app = 'web'")
              == [(web["generation"],)], what="it is recorded")
        until(lambda: self.daemon.sql("SELECT 1 FROM rollouts WHERE outcome IS NULL") == [],
              what="no rollout is open")


@pytest.fixture
def scene(daemon, started):
    return Scene(daemon, started)


def spread(count):
    """Yields 0..count-1, evenly over WITHIN_S."""
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0, begin + number * WITHIN_S / count - time.monotonic()))
        yield number


def test_a_hundred_changes_within_a_second(daemon, scene):
    for number in spread(CHANGES):
        daemon.replace("10-web.conf", scene.text(number))
    scene.until_all_is_well(CHANGES - 1)
    count, = daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'web'")
    print(f"{CHANGES} changes: {count[0] - 1} rollouts")


def test_half_of_it_is_on_disk_most_of_the_time(daemon, scene):
    """Written in pieces, by a program that takes its time."""
    for number in range(5):
        text = scene.text(number)
        with open(daemon.config / "10-web.conf", "w") as file:
            for at in spread(20):
                file.write(text[at * len(text) // 20:(at + 1) * len(text) // 20])
                file.flush()
    scene.until_all_is_well(4)


def test_deleted_and_restored_again_and_again(daemon, started):
    """It may be removed for real now and then: only what is left in the end counts."""
    port, = free_ports(1)
    text = apps_text(app("web", port, [started(EchoProcess("good"))]))
    daemon.write("10-web.conf", text)
    daemon.start()
    for _ in spread(30):
        (daemon.config / "10-web.conf").unlink()
        daemon.write("10-web.conf", text)
    until(lambda: outcome(port) == "good" and daemon.status("web")["state"] == "ready", 5,
          "it serves")
    daemon.apply()
    until(lambda: len(daemon.children()) == 2, 5, "each process is there once")


def test_a_hundred_signals(daemon, scene):
    """SIGHUP says: look. While nothing has changed nothing happens."""
    for _ in range(CHANGES):
        daemon.signal(signal.SIGHUP)
    daemon.apply()
    assert daemon.status("web")["generation"] == 1

    for number in spread(CHANGES):
        daemon.write("10-web.conf", scene.text(number))
        daemon.signal(signal.SIGHUP)
    scene.until_all_is_well(CHANGES - 1)


def test_good_and_bad_texts_by_turns(daemon, scene):
    for number in spread(CHANGES):
        daemon.replace("10-web.conf", scene.text(number) if number % 2 else "apps = (\n{")
        if number % 5 == 0:
            daemon.signal(signal.SIGHUP)
    scene.until_all_is_well(CHANGES - 1)
    assert daemon.status("web")["ready"]


def test_links_that_change_a_hundred_times(daemon, scene):
    versions = []
    for number in range(CHANGES):
        path = daemon.directory / f"version{number}"
        path.write_text(scene.text(number))
        versions.append(path)
    for number in spread(CHANGES):
        link = daemon.directory / "link"
        link.symlink_to(versions[number])
        os.rename(link, daemon.config / "10-web.conf")
    scene.until_all_is_well(CHANGES - 1)
