"""A worker or prober that hangs is found within some seconds and replaced alone; clients of a
worker that hangs wait and are served by the next one. A supervisor that stood still itself does
not take its own absence for theirs."""
import ctypes
import os
import signal
import time
from pathlib import Path

import pytest

from harness import (SLOWNESS, Conversation, Crowd, EchoProcess, app, ask, crashes, free_ports,
                     hang, kill_supervisor, pids, replaced, until)

FOUND_S = 15                # 9 s, and more where this machine is late itself
PROBER_FOUND_S = 40         # nobody waits for it: everything goes on as it is
STOPPED_S = 15
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


def start(daemon, started):
    port, other = free_ports(2)
    echo = started(EchoProcess())
    daemon.write_apps(app("web", port, [echo], "threads = 2;"), app("steady", other, [echo]))
    daemon.start()
    return port, other, pids(daemon)


class HungThread:
    """A thread of a process that stands still alone: one that is not the first."""

    def __init__(self, pid):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                                      ctypes.c_void_p]
        self._thread = max(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
        assert self._thread != pid
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            if self._libc.ptrace(request, self._thread, None, None) != 0:
                pytest.skip("a thread cannot be traced here")
        os.waitpid(self._thread, WALL)

    def collect(self):
        """Its end, of which only the tracer is told: the process has not ended before."""
        try:
            os.waitpid(self._thread, WALL | os.WNOHANG)
        except ChildProcessError:
            pass

    def close(self):
        self._libc.ptrace(PTRACE_DETACH, self._thread, None, None)
        self.collect()


@pytest.mark.limit(60)
def test_a_worker(daemon, started):
    port, other, before = start(daemon, started)
    steady = started(Conversation(other))
    hang(before["web"])
    begin = time.monotonic()

    assert ask(port, timeout=40) == "hello"         # waits, and is served by another one

    assert time.monotonic() - begin < FOUND_S * SLOWNESS
    replaced(daemon, "web", before["web"])
    steady.goes_on()
    after = pids(daemon)
    assert (after["steady"], after["prober"]) == (before["steady"], before["prober"])
    until(lambda: [row[:3] for row in crashes(daemon)] == [("worker", "web", before["web"])],
          what="that is recorded")


@pytest.mark.limit(90)
def test_a_worker_in_the_midst_of_a_rollout(daemon, started):
    """It waits for nothing: the next worker serves what ran, and the rollout goes on in it."""
    port, later = free_ports(2)
    patient = 'ready = { timeout = "60s"; };'
    echo = started(EchoProcess())
    daemon.write_apps(app("web", port, [echo], patient))
    daemon.start()
    before = pids(daemon)
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{later}"], patient))
    until(lambda: daemon.status("web")["state"] == "rolling_out", what="it waits to be ready")
    hang(before["web"])
    begin = time.monotonic()

    assert ask(port, timeout=40) == "hello"

    assert time.monotonic() - begin < FOUND_S * SLOWNESS
    assert daemon.status("web")["last_rollout"]["outcome"] is None
    new = started(EchoProcess("new", port=later))
    daemon.until_rollout("web", "done")
    until(lambda: ask(port) == "new", what="the new one serves")


@pytest.mark.limit(60)
def test_one_thread_of_a_worker(daemon, started):
    port, other, before = start(daemon, started)
    steady = started(Conversation(other))
    thread = started(HungThread(before["web"]))
    begin = time.monotonic()

    def another():
        thread.collect()
        return pids(daemon)["web"] not in (0, None, before["web"])
    until(another, FOUND_S, "another one serves")

    print(f"found after {time.monotonic() - begin:.1f} s")
    assert ask(port, timeout=20) == "hello"
    steady.goes_on()


@pytest.mark.limit(60)
def test_the_prober(daemon, started):
    port, other, before = start(daemon, started)
    crowd = started(Crowd(port))
    hang(before["prober"])

    replaced(daemon, "prober", before["prober"], PROBER_FOUND_S)

    after = pids(daemon)
    assert (after["web"], after["steady"]) == (before["web"], before["steady"])
    assert crowd.unlucky() == []
    until(lambda: [row[:3] for row in crashes(daemon)] == [("prober", None, before["prober"])],
          what="that is recorded")


@pytest.mark.limit(90)
def test_a_supervisor_that_stood_still_kills_nobody(daemon, started):
    port, other, before = start(daemon, started)
    conversation = started(Conversation(other))
    crowd = started(Crowd(port))
    hang(daemon.pid)
    begin = time.monotonic()
    while time.monotonic() - begin < STOPPED_S:
        crowd.goes_on()
    os.kill(daemon.pid, signal.SIGCONT)
    begin = time.monotonic()
    while time.monotonic() - begin < FOUND_S:       # as long as it takes to find a hung one
        assert pids(daemon) == before
        conversation.goes_on()

    assert crowd.unlucky() == []
    assert crashes(daemon) == []


@pytest.mark.limit(60)
def test_one_that_hung_while_no_supervisor_lived(daemon, started):
    """The next supervisor kills and replaces it, and adopts the others."""
    port, other, before = start(daemon, started)
    steady = started(Conversation(other))
    kill_supervisor(daemon)
    hang(before["web"])

    daemon.start(within=20)

    after = pids(daemon)
    assert after["web"] != before["web"]
    assert (after["steady"], after["prober"]) == (before["steady"], before["prober"])
    steady.goes_on()
    assert ask(port, timeout=20) == "hello"
    assert f"pid {before['web']}" in daemon.log()
