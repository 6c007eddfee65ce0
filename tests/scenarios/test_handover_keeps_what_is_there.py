"""Another worker takes over (`threads`, `worker` or the pool changed): it accepts on the same
sockets, so that no client notices; the old process keeps the connections that it has until they
end or handover_timeout is over, and is gone then."""
import json
import os
import signal
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, ask, free_ports, is_alive,
                     kill_supervisor, outcome, until)

SOON_S = 5
HAND_S = 3 * SLOWNESS


class Scene:
    def __init__(self, daemon, started, more="threads = 1;", settings=""):
        self.daemon = daemon
        self.port, self.other = free_ports(2)
        self.target = started(EchoProcess())
        daemon.write_apps(app("other", self.other, [self.target]), more=settings,
                          file="20-other.conf")
        self.configure(more)
        daemon.start()
        self.pid, self.other_pid = daemon.worker_pid("web"), daemon.worker_pid("other")
        self.talk, self.other_talk = started(Talk(self.port)), started(Talk(self.other))
        self.loads = [started(Load(port, 100 // SLOWNESS)) for port in (self.port, self.other)]
        until(lambda: all(load.done() > 10 for load in self.loads), what="clients come")

    def configure(self, more):
        self.daemon.replace_apps(app("web", self.port, [self.target], more), file="10-web.conf")

    def until_another_serves(self, than):
        pid = until(lambda: self.daemon.worker_pid("web") not in (None, than) and
                    self.daemon.worker_pid("web"), SOON_S, "another one serves")
        until(lambda: self.daemon.status("web")["state"] == "ready", SOON_S, "it is over")
        return pid

    def begin(self, threads, idle_s):
        """Waits until the update is in use, and not for the hand-over that follows."""
        self.configure(f'threads = {threads}; idle_timeout = "{idle_s}s";')
        self.daemon.signal(signal.SIGHUP)
        until(lambda: f'idle_timeout = "{idle_s}s"' in self.daemon.running("web")["config"],
              SOON_S, "it runs")

    def tasks(self):
        """How many threads the process has in all."""
        return len(os.listdir(f"/proc/{self.daemon.worker_pid('web')}/task"))

    def no_client_failed(self):
        done = [load.done() for load in self.loads]
        until(lambda: all(load.done() > before + 20 for load, before in zip(self.loads, done)),
              what="clients come")
        for load in self.loads:
            load.finish()
            assert load.failed("hello") == []

    def other_is_untouched(self):
        assert self.daemon.worker_pid("other") == self.other_pid
        assert self.daemon.status("other")["generation"] == 1
        assert self.other_talk.lasts()


CHANGES = {"more threads": "threads = 3;", "another name": 'threads = 1; worker = "special";',
           "the other app's worker": 'worker = "other";'}


@pytest.mark.parametrize("how", CHANGES)
def test_the_old_one_keeps_its_connections(daemon, started, how):
    scene = Scene(daemon, started)
    scene.configure(CHANGES[how])
    daemon.apply()
    new = scene.until_another_serves(scene.pid)

    assert scene.talk.lasts() and is_alive(scene.pid)
    fresh = started(Talk(scene.port))
    assert fresh.lasts()
    scene.no_client_failed()
    until(lambda: daemon.status("web")["connections"] == 2, what="both are counted")
    assert is_alive(scene.pid)

    scene.talk.close()
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")
    assert fresh.lasts()
    assert daemon.worker_pid("web") == new
    assert ask(scene.port) == "hello"
    scene.other_is_untouched()
    assert daemon.sql("SELECT process FROM crashes") == []


def test_fewer_threads_serve_all_that_wait(daemon, started):
    """Sockets of threads that are no more: somebody accepts from them."""
    scene = Scene(daemon, started, "threads = 4;")
    scene.configure("threads = 1;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    assert [ask(scene.port) for _ in range(60)] == ["hello"] * 60
    scene.no_client_failed()
    assert scene.talk.lasts()


def test_again_and_again(daemon, started):
    """Each time the one before stays for its connection."""
    scene = Scene(daemon, started)
    pids, talks = [scene.pid], [scene.talk]
    for threads in (2, 1, 3, 1, 2):
        scene.configure(f"threads = {threads};")
        daemon.apply()
        pids.append(scene.until_another_serves(pids[-1]))
        talks.append(started(Talk(scene.port)))
    assert all(talk.lasts() for talk in talks)
    assert len(set(pids)) == 6 and all(is_alive(pid) for pid in pids)
    assert daemon.status("web")["connections"] >= 6
    scene.no_client_failed()

    for talk in talks:
        talk.close()
    until(lambda: not any(is_alive(pid) for pid in pids[:-1]), SOON_S, "the old ones have ended")
    assert is_alive(pids[-1])
    scene.other_is_untouched()


@pytest.mark.limit(60)
def test_changes_that_come_in_the_midst_of_it(daemon, started):
    """Each of them while the hand-over of the one before is under way: the last one holds."""
    scene = Scene(daemon, started)
    tasks_at_first = scene.tasks()
    for number in range(30):
        scene.begin(1 + number % 3, 101 + 2 * number)
    daemon.apply()

    assert scene.tasks() == tasks_at_first + 2
    assert scene.talk.lasts()
    scene.talk.close()
    scene.no_client_failed()
    until(lambda: len(daemon.children()) == 3, SOON_S, "the old ones have ended")
    scene.other_is_untouched()


def test_an_update_right_after_it(daemon, started):
    """It must not make forgotten that another worker is to take over."""
    scene = Scene(daemon, started)
    tasks_at_first = scene.tasks()
    for number in range(20):
        threads = 1 + (number + 1) % 2
        scene.begin(threads, 101 + 4 * number)
        scene.configure(f'threads = {threads}; idle_timeout = "{103 + 4 * number}s";')
        daemon.apply()
        until(lambda: scene.tasks() == tasks_at_first + threads - 1, SOON_S,
              f"it has {threads} threads")
    scene.no_client_failed()


def test_handover_timeout_is_the_bound(daemon, started):
    scene = Scene(daemon, started, f'threads = 1; handover_timeout = "{HAND_S}s";')
    talks = [started(Talk(scene.port)) for _ in range(20)]
    begin = time.monotonic()
    scene.configure(f'threads = 2; handover_timeout = "{HAND_S}s";')
    daemon.apply()
    new = scene.until_another_serves(scene.pid)
    end = time.monotonic()
    fresh = started(Talk(scene.port))

    assert all(talk.lasts() for talk in talks[:3])
    until(lambda: all(talk.ended for talk in talks), HAND_S + 4, "their time is over")
    endings = sorted(talk.ended_at for talk in talks)
    print(f"{len(talks)} ended between {endings[0] - begin:.2f} s and {endings[-1] - begin:.2f} s")
    assert endings[0] - begin >= HAND_S * 2 / 3 - 0.05
    assert endings[-1] - end <= HAND_S + 2 * SLOWNESS
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")
    assert fresh.lasts() and is_alive(new)
    scene.no_client_failed()


def test_what_is_removed_while_the_old_one_has_it_drains_there(daemon, started):
    """drain_timeout is for what was removed, wherever it is."""
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    fresh = started(Talk(scene.port))
    (daemon.config / "10-web.conf").unlink()
    daemon.apply()

    assert scene.talk.lasts() and fresh.lasts()
    until(lambda: scene.talk.ended and fresh.ended, 7, "its time is over")
    until(lambda: daemon.names() == ["other"], SOON_S, "it is gone")
    until(lambda: len(daemon.children()) == 2, SOON_S, "its processes have ended")
    scene.loads[0].close()
    scene.other_is_untouched()


def test_the_pool_changes(daemon, started):
    """From a process an app to one for all, and back."""
    scene = Scene(daemon, started, "")
    daemon.write("00-daemon.conf", "daemon = { worker_pool = 1; };\n")
    daemon.apply()
    until(lambda: daemon.worker_pid("web") == daemon.worker_pid("other") not in
          (None, scene.pid, scene.other_pid), SOON_S, "one serves both")
    assert scene.talk.lasts() and scene.other_talk.lasts()
    shared = daemon.worker_pid("web")

    scene.talk.close()
    scene.other_talk.close()
    until(lambda: not is_alive(scene.pid) and not is_alive(scene.other_pid), SOON_S,
          "the old ones have ended")

    daemon.write("00-daemon.conf", "daemon = { worker_pool = 0; };\n")
    daemon.apply()
    until(lambda: len({daemon.worker_pid("web"), daemon.worker_pid("other"), shared, None}) == 4,
          SOON_S, "each has its own")
    until(lambda: not is_alive(shared), SOON_S, "the shared one has ended")
    scene.no_client_failed()


def test_with_another_target_at_the_same_time(daemon, started):
    """The update and the hand-over come in one change."""
    scene = Scene(daemon, started)
    new = started(EchoProcess("new"))
    daemon.replace_apps(app("web", scene.port, [new, scene.target], "threads = 2;"),
                        file="10-web.conf")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    assert scene.talk.lasts() and is_alive(scene.pid)
    for load in scene.loads:
        load.finish()
    assert scene.loads[0].failed("hello", "new") == []
    assert scene.loads[1].failed("hello") == []
    scene.talk.close()
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")


def test_a_target_that_is_removed_afterwards_drains_there_too(daemon, started):
    """The connections of the old process are no exception."""
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    for load in scene.loads:
        load.finish()
    daemon.replace_apps(app("web", scene.port, [started(EchoProcess())], "threads = 2;"),
                        file="10-web.conf")
    daemon.apply()

    assert scene.talk.lasts()
    until(lambda: scene.talk.ended, 7, "drain_timeout is over")
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")


def test_a_port_that_is_removed_afterwards_drains_there_too(daemon, started):
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    for load in scene.loads:
        load.finish()
    daemon.replace_apps(app("web", free_ports(1), [scene.target], "threads = 2;"),
                        file="10-web.conf")
    daemon.apply()

    until(lambda: outcome(scene.port) == "refused", 2, "it is refused")
    assert scene.talk.lasts()
    until(lambda: scene.talk.ended, 7, "drain_timeout is over")
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")


def without_its_target(scene, daemon, started, more="threads = 2;"):
    """Its first target is removed: what it has must end within drain_timeout."""
    for load in scene.loads:
        load.finish()
    daemon.replace_apps(app("web", scene.port, [started(EchoProcess())], more),
                        file="10-web.conf")
    daemon.apply()
    assert scene.talk.lasts()
    until(lambda: scene.talk.ended, 7, "drain_timeout is over")


def test_the_next_supervisor_knows_whom_to_tell(daemon, started):
    """Also where the one before had told it of an update already."""
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    new = scene.until_another_serves(scene.pid)
    scene.configure('threads = 2; idle_timeout = "5m";')
    daemon.apply()
    kill_supervisor(daemon)
    daemon.start()
    assert scene.talk.lasts() and daemon.worker_pid("web") == new
    without_its_target(scene, daemon, started, 'threads = 2; idle_timeout = "5m";')
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")


def test_the_plan_counts_what_is_there(daemon, started):
    """What would have to drain, wherever it is."""
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    for load in scene.loads:
        load.finish()
    fresh = started(Talk(scene.port))
    daemon.replace_apps(app("web", scene.port, [started(EchoProcess())], "threads = 2;"),
                        file="10-web.conf")
    plan = json.loads(daemon.run("fproxy", "plan", "--json").stdout)
    web = next(each for each in plan["apps"] if each["app"] == "web")
    assert web["targets"]["removed"] == [{"target": scene.target.address, "connections": 2}]
    assert web["drain"] == {"at_least": 2, "at_most": 2}
    daemon.apply()
    until(lambda: scene.talk.ended and fresh.ended, 7, "both have drained")


def test_its_worker_dies_after_all_that(daemon, started):
    """What serves has its board still, whoever of those that shared it has gone."""
    scene = Scene(daemon, started)
    more = 'threads = 2; idle_timeout = "5m";'
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    scene.configure(more)
    daemon.apply()
    kill_supervisor(daemon)
    daemon.start()
    scene.talk.close()
    until(lambda: not is_alive(scene.pid), SOON_S, "the old one has ended")
    for load in scene.loads:
        load.finish()
    pid = daemon.worker_pid("web")
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.worker_pid("web") not in (None, 0, pid), SOON_S, "another one starts")
    until(lambda: ask(scene.port) == "hello", SOON_S, "it serves")
    assert daemon.status("web")["state"] == "ready"


def test_back_to_where_its_connections_are(daemon, started):
    """The app goes to a worker of its own and returns to the shared one, which had kept them."""
    scene = Scene(daemon, started, 'threads = 1; worker = "other";')
    shared = scene.pid
    assert shared == scene.other_pid
    scene.configure("threads = 1;")
    daemon.apply()
    own = scene.until_another_serves(shared)
    scene.configure('threads = 1; worker = "other";')
    daemon.apply()
    assert scene.until_another_serves(own) == shared
    assert scene.talk.lasts()
    assert daemon.status("web")["connections"] >= 1
    without_its_target(scene, daemon, started, 'threads = 1; worker = "other";')
    scene.other_is_untouched()


def test_handover_timeout_goes_on_under_updates(daemon, started):
    """Each leaves the time of the hand-over as it is."""
    more = 'handover_timeout = "3s";'
    scene = Scene(daemon, started, f"threads = 1; {more}")
    scene.configure(f"threads = 2; {more}")
    begin = time.monotonic()
    daemon.apply()
    scene.until_another_serves(scene.pid)
    for minutes in (5, 6, 7):
        scene.configure(f'threads = 2; {more} idle_timeout = "{minutes}m";')
        daemon.apply()
    until(lambda: scene.talk.ended, 7, "its time is over")
    assert 2 - 0.05 <= scene.talk.ended_at - begin <= 3 + 2 * SLOWNESS
    scene.no_client_failed()


def test_an_update_that_changes_neither_lets_them_be(daemon, started):
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    for more in ('idle_timeout = "5m";', "connect = { retries = 1; };"):
        scene.configure(f"threads = 2; {more}")
        daemon.apply()
    assert scene.talk.lasts() and is_alive(scene.pid)
    scene.no_client_failed()


def test_the_end_of_the_daemon_is_the_end_of_both(daemon, started):
    scene = Scene(daemon, started)
    scene.configure("threads = 2;")
    daemon.apply()
    scene.until_another_serves(scene.pid)
    fresh = started(Talk(scene.port))
    for load in scene.loads:
        load.finish()
    begin = time.monotonic()
    daemon.stop()

    assert time.monotonic() - begin < 3 + 2 * SLOWNESS
    until(lambda: scene.talk.ended and fresh.ended, 1, "both have seen it")
    assert not is_alive(scene.pid)
