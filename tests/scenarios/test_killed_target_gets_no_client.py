"""A target that dies while clients come: the first one finds out, no other one is sent there.

What the worker tries is counted in its own log (level debug), for nothing listens on the port
of a dead target that could count.
"""
import os
import signal
import time

from harness import EchoProcess, SLOWNESS, app, free_port, outcome, until

PROBE = 'interval = "5s"; timeout = "1s"; rise = 2; fall = 3;'
SECONDS = 3         # an endless mark and one of a second differ by then: 1 try, or 2


def refused(daemon):
    """How many tries of workers were refused so far."""
    return sum("Connection refused" in line and " worker" in line
               for line in daemon.log().splitlines())


def serve(daemon, started):
    port = free_port()
    targets = {name: started(EchoProcess(name)) for name in ("one", "two", "three")}
    daemon.write_apps(app("web", port, targets.values(), probe=PROBE))
    daemon.start(FPROXY_LOG="debug")
    daemon.until_available("web", 3)
    assert {outcome(port) for _ in range(12)} == set(targets)
    assert refused(daemon) == 0
    return port, targets


def clients_for(port, seconds):
    """One after the other, some 200 a second; what they were told."""
    said = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and len(said) < 5000:
        said.append(outcome(port))
        time.sleep(0.005)
    return said


def test_one_client_finds_out_and_no_other_is_sent_there(daemon, started):
    port, targets = serve(daemon, started)

    targets["two"].kill()
    said = clients_for(port, SECONDS)

    assert set(said) == {"one", "three"}        # nobody noticed anything
    assert len(said) > 50
    assert refused(daemon) == 1


def test_a_new_worker_knows_as_soon(daemon, started):
    port, targets = serve(daemon, started)
    before = daemon.worker_pid("web")
    os.kill(before, signal.SIGKILL)
    until(lambda: daemon.status("web")["worker"] and
          daemon.worker_pid("web") not in (before, None), what="there is another worker")
    until(lambda: outcome(port) in targets, what="it serves")

    targets["two"].kill()
    said = clients_for(port, SECONDS)

    assert set(said) == {"one", "three"}
    assert refused(daemon) == 1


def test_it_is_used_again_when_it_is_back(daemon, started):
    port, targets = serve(daemon, started)
    targets["two"].kill()
    clients_for(port, 1)
    address = targets["two"].address
    daemon.until_state("web", address, "unavailable")
    assert refused(daemon) == 1

    begin = time.monotonic()
    started(EchoProcess("two", port=targets["two"].port))
    until(lambda: outcome(port) == "two", within=10, what="it gets clients again")

    # The interval with its jitter finds it, one more probe a second later believes it.
    assert time.monotonic() - begin < (5.5 + 1.1 + 1) * SLOWNESS
    assert set(clients_for(port, 0.5)) == {"one", "two", "three"}
    assert refused(daemon) == 1
