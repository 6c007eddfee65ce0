"""A binary that cannot take over is given up: who asked is told why, everything goes on as it was,
and the next upgrade, to one that can, is done."""
import os

import pytest

from harness import (BIN, SLOWNESS, Conversation, Crowd, EchoProcess, Installation, app, ask, free_ports,
                     generations, is_alive, launch_successor, listeners, pids, post, replaced,
                     roles, until)

BROKEN = {
    "it exits 1": b"#!/bin/sh\necho no good >&2\nexit 1\n",
    "it exits 0 and says nothing": b"#!/bin/true\n",
    "it says nonsense": b"#!/bin/sh\necho fproxy-upgrade yes\n",
    "it says too much": b"#!/bin/sh\nhead -c 1000000 /dev/zero\n",
    "it hangs": b"#!/bin/sh\nexec sleep 600\n",
    "it hangs without a word": b"#!/bin/sh\nexec sleep 600 >/dev/null\n",
    "it kills itself": b"#!/bin/sh\nkill -SEGV $$\n",
    "a half-written one": (BIN / "fproxy").read_bytes()[:10000],
    "an empty one": b"",
    "a text": b"this is no program\n",
}


def start(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    installation = Installation(daemon)
    daemon.start()
    return installation, port


@pytest.mark.limit(90)
@pytest.mark.parametrize("broken", BROKEN)
def test_it_is_given_up(daemon, started, broken):
    installation, port = start(daemon, started)
    before = pids(daemon), generations(daemon), listeners(port), roles(daemon)
    conversation = started(Conversation(port))
    crowd = started(Crowd(port))
    installation.replace("fproxy", BROKEN[broken])

    status, said = post(daemon, "/v1/upgrade")

    assert status == 409
    assert str(installation.bin / "fproxy") in said["error"]
    assert (pids(daemon), generations(daemon), listeners(port), roles(daemon)) == before
    until(lambda: daemon.sql("SELECT level FROM events WHERE kind = 'upgrade_failed'") ==
          [("error",)], what="that is in the history")
    conversation.goes_on()
    installation.install("fproxy")
    assert post(daemon, "/v1/upgrade") == (202, {})
    replaced(daemon, "web", before[0]["web"], 20)
    conversation.goes_on()
    assert crowd.unlucky() == []


@pytest.mark.limit(60)
@pytest.mark.parametrize("program", ["fproxy", "fproxy-worker", "fproxy-prober"])
def test_one_that_is_missing(daemon, started, program):
    installation, port = start(daemon, started)
    before = pids(daemon)
    (installation.bin / program).unlink()

    status, said = post(daemon, "/v1/upgrade")

    assert status == 409 and said["error"]
    assert pids(daemon) == before
    crowd = started(Crowd(port))
    crowd.goes_on()
    assert crowd.unlucky() == []
    installation.install(program)


BROKEN_CHILDREN = {
    "it exits 1": (b"#!/bin/sh\nexit 1\n", "ended with exit status 1"),
    "it hangs": (b"#!/bin/sh\nexec sleep 600\n", "does not end"),
    "it kills itself": (b"#!/bin/sh\nkill -SEGV $$\n", "ended with signal 11"),
    "another version": (b"#!/bin/sh\necho fproxy-upgrade 5 9.9.9\n", "is version 9.9.9"),
    "it says too much": (b"#!/bin/sh\nhead -c 1000000 /dev/zero\n", "ended with"),
    "half": (None, "cannot be started"),
}


@pytest.mark.limit(60)
@pytest.mark.parametrize("program", ["fproxy-worker", "fproxy-prober"])
@pytest.mark.parametrize("broken", BROKEN_CHILDREN)
def test_a_child_that_cannot_run_is_found_before_anything_is_replaced(daemon, started, program,
                                                                      broken):
    installation, port = start(daemon, started)
    before = pids(daemon), roles(daemon)
    crowd = started(Crowd(port))
    data, why = BROKEN_CHILDREN[broken]
    installation.replace(program, data or (BIN / program).read_bytes()[:100])

    answer = daemon.run("fproxy", "upgrade")

    assert answer.returncode == 1
    assert f"{installation.bin / program} {why}" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert (pids(daemon), roles(daemon)) == before
    assert crowd.unlucky() == []
    until(lambda: daemon.sql("SELECT count(*) FROM events WHERE kind = 'upgrade_failed'") ==
          [(1,)], what="that is in the history")
    installation.install(program)
    assert daemon.run("fproxy", "upgrade").returncode == 0


def ends_after_its_trial(installation, program="fproxy"):
    """The installed binary says that it could, and ends with status 3 when it is to."""
    real = installation.bin / f"{program}-real"
    real.write_bytes((BIN / program).read_bytes())
    real.chmod(0o755)
    installation.replace(program, b'#!/bin/sh\n[ "$1" = --upgrade-trial ] && exec "%s" "$@"\n'
                         b'exit 3\n' % str(real).encode())


@pytest.mark.limit(60)
def test_a_worker_that_does_not_come_up(daemon, started):
    """It passes its trial only: the old one goes on accepting until one can."""
    installation, port = start(daemon, started)
    before = pids(daemon)
    conversation = started(Conversation(port))
    crowd = started(Crowd(port))
    ends_after_its_trial(installation, "fproxy-worker")

    assert post(daemon, "/v1/upgrade") == (202, {})

    until(lambda: "worker web keeps ending" in daemon.log(), 20, "it has been tried often")
    assert daemon.status("web")["worker"]["crash_loop"]
    assert "web: worker web keeps ending (last: exit status 3)" in \
        daemon.run("fproxy", "status").stdout
    crowd.goes_on(50)
    conversation.goes_on()
    assert is_alive(before["web"])
    installation.install("fproxy-worker")
    until(lambda: not {pid for pid in roles(daemon)} & {before["web"]} or
          installation.is_of(daemon.worker_pid("web"), "fproxy-worker"), 40,
          "one that can takes over")
    assert crowd.unlucky() == []
    conversation.goes_on()


@pytest.mark.limit(150)
def test_a_worker_that_never_comes_up(daemon, started):
    """After a while the old one is left alone: that is told, and the next upgrade replaces it."""
    installation, port = start(daemon, started)
    before = pids(daemon)
    crowd = started(Crowd(port))
    ends_after_its_trial(installation, "fproxy-worker")
    post(daemon, "/v1/upgrade")
    until(lambda: "it stays with its worker" in daemon.log(), 60, "it is given up")

    assert "30 s: the last one ended with exit status 3" in daemon.log()
    until(lambda: daemon.status()["prober"]["pid"] not in (None, before["prober"]), 20,
          "the prober is a new one")
    assert daemon.status("web")["worker"]["outdated"]
    assert f"web: worker web/{before['web']} was to be replaced" in \
        daemon.run("fproxy", "status").stdout
    installation.install("fproxy-worker")
    assert daemon.run("fproxy", "upgrade").returncode == 0
    assert pids(daemon)["web"] != before["web"]
    assert "was to be replaced" not in daemon.run("fproxy", "status").stdout
    assert crowd.unlucky() == []


@pytest.mark.limit(90)
def test_a_prober_that_does_not_come_up(daemon, started):
    """It passes its trial only: whoever upgrades is told, and it is tried again."""
    installation, port = start(daemon, started)
    crowd = started(Crowd(port))
    ends_after_its_trial(installation, "fproxy-prober")

    answer = daemon.run("fproxy", "upgrade")

    assert answer.returncode == 1
    assert "no prober runs (the last one: exit status 3)" in answer.stderr
    assert "has become" not in answer.stdout
    assert daemon.status()["prober"]["ready"] is False
    assert "no prober runs" in daemon.run("fproxy", "status").stdout
    crowd.goes_on(50)
    assert crowd.unlucky() == []
    installation.install("fproxy-prober")
    until(lambda: daemon.status()["prober"]["ready"], 40, "one that can run is there")


@pytest.mark.limit(60)
def test_one_that_ends_after_its_trial_is_succeeded_by_the_old_one(daemon, started):
    installation, port = start(daemon, started)
    before = pids(daemon)
    crowd = started(Crowd(port))
    ends_after_its_trial(installation)

    post(daemon, "/v1/upgrade")

    assert daemon.process.wait(20 * SLOWNESS) == 3
    daemon.process = None                   # its guard is no child of ours
    until(lambda: daemon.try_status(), what="the old binary answers again")
    crowd.goes_on(50)
    assert crowd.unlucky() == []
    assert pids(daemon) == before
    crowd.close()
    assert daemon.run("fproxy", "stop").returncode == 0
    daemon.check_end()


@pytest.mark.limit(60)
def test_the_guard_is_there_each_time(daemon, started):
    """Three binaries in a row that end after their trial: the old one comes back from each, with
    the locks of both directories."""
    installation, port = start(daemon, started)
    before = pids(daemon)
    ends_after_its_trial(installation)
    post(daemon, "/v1/upgrade")
    assert daemon.process.wait(20 * SLOWNESS) == 3
    daemon.process = None
    supervisor = until(daemon.try_status, what="the old one answers")["supervisor"]["pid"]
    for _ in range(2):
        directories = [os.path.realpath(f"/proc/{supervisor}/fd/{fd}")
                       for fd in os.listdir(f"/proc/{supervisor}/fd")]
        assert directories.count(str(daemon.state)) == directories.count(str(daemon.runtime)) == 1
        until(lambda: daemon.run("fproxy", "status").returncode == 0, what="it is there")
        post(daemon, "/v1/upgrade")
        until(lambda: not is_alive(supervisor), 20, "it has ended")
        supervisor = until(daemon.try_status, what="the old one answers")["supervisor"]["pid"]
    assert pids(daemon) == before
    assert ask(port) == "hello"
    assert daemon.run("fproxy", "stop").returncode == 0
    daemon.check_end()


@pytest.mark.limit(60)
def test_whoever_is_started_meanwhile_or_the_guard(daemon, started):
    """As a service manager does it at once. One of both supervises, the other one leaves."""
    installation, port = start(daemon, started)
    before = pids(daemon)
    ends_after_its_trial(installation)
    post(daemon, "/v1/upgrade")
    assert daemon.process.wait(20 * SLOWNESS) == 3
    daemon.process = None
    installation.install("fproxy")

    launch_successor(daemon)        # which sees to it that it is this one, at last

    until(lambda: len(daemon.children()) == 2, 10, "worker and prober alone are left")
    crowd = started(Crowd(port))
    crowd.goes_on(20)
    assert crowd.unlucky() == []
    assert pids(daemon)["web"] == before["web"]
    crowd.close()
    daemon.stop()
