"""As process 1 of a pid namespace: what nobody else waits for is reaped, and SIGTERM is a normal
stop that drains. Needs the right to make a namespace."""
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness import (Conversation, EchoProcess, Target, answer, app, ask, free_ports, kill, outcome,
                     post, replaced, until)

INSIDE = ["unshare", "--pid", "--fork", "--mount-proc"]
ORPHAN = "sleep 5 & sleep 5 &"      # whose shell ends first


def first_process(daemon):
    """The pid out here of the one that is 1 in there."""
    for pid, words in daemon.children():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue
        inside = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if inside[-1] == "1" and len(inside) > 2:
            return pid
    return None


def children_of(pid):
    """{pid: state} of them, zombies too."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                found[int(entry.name)] = fields[0]
    return found


@pytest.fixture
def inside(daemon, started):
    """(port, pid) of a daemon that runs as process 1 of a namespace of its own."""
    if subprocess.run([*INSIDE, "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespace can be made here")
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())], 'drain_timeout = "20s";'))
    daemon.launch(prefix=INSIDE)
    until(daemon.settled, 20, "it serves")
    pid = first_process(daemon)
    yield port, pid
    if daemon.process is not None and daemon.process.poll() is None:
        os.kill(first_process(daemon), signal.SIGTERM)
        assert daemon.wait() == 0


def test_sigterm_drains(daemon, started, inside):
    port, pid = inside
    assert daemon.status()["supervisor"]["pid"] == 1
    conversation = started(Conversation(port))

    os.kill(pid, signal.SIGTERM)

    until(lambda: outcome(port) == "refused", what="nobody is taken any more")
    conversation.goes_on()
    conversation.close()
    assert daemon.wait() == 0


def test_orphans_are_reaped(daemon, inside):
    port, pid = inside
    before = set(children_of(pid))
    entered = subprocess.run(["nsenter", "--target", str(pid), "--pid", "--mount", "sh", "-c",
                              ORPHAN], env=daemon.environment())
    if entered.returncode != 0:
        pytest.skip("the namespace cannot be entered")

    until(lambda: len(children_of(pid)) == len(before) + 2, what="they are its children")
    until(lambda: set(children_of(pid)) == before, what="both are gone", within=15)
    assert ask(port) == "hello"


@pytest.mark.limit(60)
def test_a_child_that_is_killed_is_replaced(daemon, inside):
    port, pid = inside
    worker = next(child for child, words in daemon.children()
                  if Path(words[0]).name == "fproxy-worker")
    number = daemon.worker_pid("web")

    kill(worker)

    replaced(daemon, "web", number)
    assert ask(port) == "hello"
    assert "Z" not in children_of(pid).values()
    until(lambda: daemon.sql("SELECT process, signal FROM crashes") == [("worker", 9)],
          what="its end is recorded")


def test_sighup_applies_a_change(daemon, started, inside):
    port, pid = inside
    daemon.write_apps(app("web", port, [started(Target(answer("another")))]))

    os.kill(pid, signal.SIGHUP)

    until(lambda: outcome(port) == "another", what="the change applies")
    assert first_process(daemon) == pid


@pytest.mark.limit(90)
def test_an_upgrade_keeps_what_is_there(daemon, started, inside):
    port, pid = inside
    conversation = started(Conversation(port))
    number = daemon.worker_pid("web")

    assert post(daemon, "/v1/upgrade") == (202, {})

    replaced(daemon, "web", number, 20)
    conversation.goes_on()
    assert first_process(daemon) == pid
    assert daemon.status()["supervisor"]["pid"] == 1
    assert outcome(port) == "hello"
    assert "Z" not in children_of(pid).values()
    conversation.close()        # a stop would wait for it
