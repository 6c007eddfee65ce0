"""SIGTERM to a worker, by somebody who is not its supervisor: another one takes over while it goes
on taking clients, and nobody waits for its last old connection to end."""
import os
import signal
import statistics
import time

import pytest

from harness import (SLOWNESS, Crowd, EchoProcess, Talk, Target, app, ask, crashes, free_port,
                     free_ports, is_alive, kill_supervisor, launch_successor, outcome, pids,
                     replaced, until)

WAIT_S = 1.0
BEFORE = ("SIGUSR2: ", "and can take over")     # said before another binary is executed


def events(daemon):
    return daemon.sql("SELECT app, message FROM events WHERE kind = 'worker_told_to_end'")


def nobody_waited(crowd):
    """All were served, and at once."""
    results = crowd.finish()
    took = [ended - came for came, ended, _ in results]
    print(f"{len(took)} clients: {statistics.median(took) * 1000:.1f} ms (p50), "
          f"{max(took) * 1000:.1f} ms (max)")
    assert [result for result in results if result[2] != "hello"] == []
    assert max(took) < WAIT_S * SLOWNESS


def test_nobody_waits_and_old_connections_go_on(daemon, started):
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())], 'drain_timeout = "30s";'))
    daemon.start()
    daemon.until_available("web", 1)
    talk, crowd = started(Talk(port)), started(Crowd(port))
    crowd.goes_on()
    pid = daemon.worker_pid("web")

    os.kill(pid, signal.SIGTERM)
    replaced(daemon, "web", pid, 5)

    crowd.goes_on(100)
    assert talk.lasts()                 # where it was, in the worker of before
    assert daemon.status("web")["state"] == "ready"
    nobody_waited(crowd)
    until(lambda: events(daemon), what="it is told")
    assert events(daemon) == [("web", f"worker web (pid {pid}) was told to end (SIGTERM): "
                                      "another one takes over")]
    assert is_alive(pid) and talk.lasts()
    talk.close()
    until(lambda: not is_alive(pid), what="it ends with its last connection")
    assert crashes(daemon) == []


def test_a_second_one_drains_what_it_has_left(daemon, started):
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())],
                          f'drain_timeout = "{3 * SLOWNESS}s";'))
    daemon.start()
    daemon.until_available("web", 1)
    talk, pid = started(Talk(port)), daemon.worker_pid("web")
    os.kill(pid, signal.SIGTERM)
    second = replaced(daemon, "web", pid, 5)
    assert talk.lasts()

    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_alive(pid), 10, "it has drained")
    until(lambda: talk.ended in ("fin", "reset"), what="the connection was closed")
    assert (daemon.worker_pid("web"), ask(port)) == (second, "hello")
    until(lambda: len(events(daemon)) == 2, what="both are told")
    assert crashes(daemon) == []


def test_one_after_the_other_under_load(daemon, started):
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    daemon.until_available("web", 1)
    crowd, told = started(Crowd(port)), []
    for _ in range(10):
        told.append(daemon.worker_pid("web"))
        os.kill(told[-1], signal.SIGTERM)
        replaced(daemon, "web", told[-1])
        crowd.goes_on()
    nobody_waited(crowd)
    until(lambda: not any(map(is_alive, told)), what="they have ended")
    assert crashes(daemon) == []


@pytest.mark.limit(60)
def test_its_own_rollout_is_waited_for(daemon, started):
    port, target = free_port(), started(Target())
    short = f'ready = {{ timeout = "{3 * SLOWNESS}s"; }};'
    daemon.write_apps(app("web", port, [target], short))
    daemon.start()
    daemon.until_available("web", 1)
    crowd = started(Crowd(port))
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{free_port()}"], short))
    until(lambda: daemon.status("web")["state"] == "rolling_out", what="it waits")
    pid = daemon.worker_pid("web")

    os.kill(pid, signal.SIGTERM)
    until(lambda: events(daemon), what="it is told")
    assert (daemon.status("web")["state"], daemon.worker_pid("web")) == ("rolling_out", pid)
    daemon.until_rollout("web", "rolled_back")
    replaced(daemon, "web", pid, 5)
    nobody_waited(crowd)
    until(lambda: not is_alive(pid), what="it has ended")


@pytest.mark.limit(60)
def test_all_apps_of_a_pool_follow(daemon, started):
    """Both are handed over; one that waits for readiness follows when it is ready, or not."""
    ports, target = free_ports(2), started(EchoProcess())
    patient = 'ready = { timeout = "60s"; };'

    def configure(other):
        daemon.replace_apps(app("one", ports[0], [target]),
                            app("two", ports[1], [other], patient),
                            more="daemon = { worker_pool = 1; };")
    configure(target)
    daemon.start()
    for name in ("one", "two"):
        daemon.until_available(name, 1)
    crowds = [started(Crowd(port, count=2)) for port in ports]
    talks = [started(Talk(port)) for port in ports]

    first = daemon.worker_pid("one")
    os.kill(first, signal.SIGTERM)
    second = replaced(daemon, "one", first, 5)
    assert replaced(daemon, "two", first, 5) == second

    configure(f"127.0.0.1:{free_port()}")
    until(lambda: daemon.status("two")["state"] == "rolling_out", what="it waits")
    os.kill(second, signal.SIGTERM)
    third = replaced(daemon, "one", second, 5)
    assert (daemon.status("two")["state"], daemon.worker_pid("two")) == ("rolling_out", second)
    configure(target)
    assert replaced(daemon, "two", second) == third

    for crowd in crowds:
        crowd.goes_on()
        nobody_waited(crowd)
    assert all(talk.lasts() for talk in talks)
    assert is_alive(first)
    until(lambda: not is_alive(second), what="it has ended")


@pytest.mark.parametrize("supervisor_first", [True, False])
@pytest.mark.parametrize("talks", [True, False])
def test_with_the_supervisor_it_just_stops(daemon, started, supervisor_first, talks):
    """As systemd and containers do it: all at once, in whatever order."""
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())],
                          f'drain_timeout = "{2 * SLOWNESS}s";'))
    daemon.start()
    daemon.until_available("web", 1)
    talk = started(Talk(port)) if talks else None
    both = [daemon.pid, daemon.worker_pid("web")]
    begin = time.monotonic()
    for pid in both if supervisor_first else reversed(both):
        os.kill(pid, signal.SIGTERM)

    until(lambda: outcome(port) == "refused", what="nobody is taken any more")
    assert daemon.wait() == 0           # and nothing is left
    assert time.monotonic() - begin < (4 if talks else 2) * SLOWNESS
    if talks:
        until(lambda: talk.ended in ("fin", "reset"), what="it was drained")
    assert "a new process takes over" not in daemon.log() and events(daemon) == []
    assert crashes(daemon) == []


def test_the_next_supervisor_sees_to_it(daemon, started):
    """The one that was asked could not any more."""
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    daemon.until_available("web", 1)
    pid, crowd = daemon.worker_pid("web"), started(Crowd(port))
    os.kill(daemon.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGTERM)
    until(lambda: "the supervisor is asked for another worker" in daemon.log(), what="it asks")
    kill_supervisor(daemon)
    crowd.goes_on(100)

    launch_successor(daemon)
    replaced(daemon, "web", pid)
    crowd.goes_on()
    nobody_waited(crowd)
    until(lambda: not is_alive(pid), what="it has ended")


@pytest.mark.parametrize("moment", [*BEFORE, "fproxy takes over", "were taken over"])
def test_an_upgrade_at_the_same_time(daemon, started, moment):
    """Before the trial, after it, about when the other binary is executed, when it has adopted."""
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    daemon.until_available("web", 1)
    pid, crowd, talk = daemon.worker_pid("web"), started(Crowd(port)), started(Talk(port))
    os.kill(daemon.pid, signal.SIGUSR2)
    until(lambda: moment in daemon.log(), what=moment)
    os.kill(pid, signal.SIGTERM)

    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'upgraded'"), 20, "the upgrade")
    replaced(daemon, "web", pid)
    crowd.goes_on()
    nobody_waited(crowd)
    assert crashes(daemon) == []
    assert talk.lasts()
    until(lambda: events(daemon), what="it is told")
    if moment in BEFORE:                # later it may have been replaced before it was told
        assert "another one takes over" in events(daemon)[0][1]
    talk.close()
    until(lambda: not is_alive(pid), what="it has ended")


def test_without_a_supervisor_it_drains(daemon, started):
    port = free_port()
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    daemon.until_available("web", 1)
    talk, pid = started(Talk(port)), daemon.worker_pid("web")
    kill_supervisor(daemon)
    os.kill(pid, signal.SIGTERM)

    until(lambda: outcome(port) == "refused", what="nobody is taken any more")
    assert talk.lasts()
    talk.close()
    until(lambda: not is_alive(pid), what="it has ended")
    launch_successor(daemon)
    until(lambda: pids(daemon).get("web") not in (None, 0, pid), what="it serves again")
    assert ask(port) == "hello"
