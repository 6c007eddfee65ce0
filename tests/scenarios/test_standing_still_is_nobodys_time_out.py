"""A worker or a prober that stands still for some seconds (SIGSTOP) does not take that for a failure of
a target: what the kernel did meanwhile counts."""
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import (SLOWNESS, EchoProcess, Target, app, connect, free_port, free_ports, hang,
                     until)

CROWD = 400                     # more than a worker looks at in one turn of its loop
TRY_S = 2
SHUNNED_S = 0.4                 # connect.stagger, and a little
ESTABLISHED, SYN_SENT = "01", "02"


def states_to(port):
    """Those of all sockets that are connected, or connecting, to this port of the loopback."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[3] for row in rows if row[2] == f"0100007F:{port:04X}"]


class SlowDoor:
    """A listening socket whose queue is full, until it is opened."""

    def __init__(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(0)
        self._knocks = [self._knock() for _ in range(4)]

    def _knock(self):
        sock = socket.socket()
        sock.setblocking(False)
        try:
            sock.connect(("127.0.0.1", self.port))
        except BlockingIOError:
            pass
        return sock

    def open(self):
        """Who waits comes in: with the next SYN, after a second or two."""
        for sock in self._knocks:
            sock.close()
        self._listener.listen(64)
        self._listener.accept()[0].close()

    def close(self):
        self._listener.close()


@pytest.mark.limit(60)
@pytest.mark.parametrize("per_try_s", [TRY_S, TRY_S + 1])
def test_a_client_is_connected_though_the_worker_slept_through_its_time(daemon, started,
                                                                         per_try_s):
    """The time of the try, or that of all tries, which ends before."""
    port, busy_port = free_ports(2)
    echo, door = started(EchoProcess()), started(SlowDoor())
    connect_keys = f'connect = {{ timeout = "{TRY_S}s"; per_try = "{per_try_s}s"; retries = 0; }};'
    daemon.write_apps(
        app("busy", busy_port, [echo], 'worker = "one"; threads = 1;'),
        app("slow", port, [door], f'worker = "one"; threads = 1; {connect_keys}',
            probe='kind = "none";'))
    daemon.start()
    crowd = [connect(busy_port) for _ in range(CROWD)]
    for sock in crowd:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    knocking = states_to(door.port).count(SYN_SENT)

    worker = daemon.worker_pid("slow")
    client = connect(port)
    until(lambda: states_to(door.port).count(SYN_SENT) > knocking, what="it is on its way")
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + SHUNNED_S, what="it is late, and marked as that")
    hang(worker)
    for sock in crowd:              # they stand before it when the worker wakes up
        sock.sendall(b"y")
    door.open()
    until(lambda: states_to(door.port).count(ESTABLISHED) == 1, what="the kernel has connected it")
    until(lambda: time.monotonic() > begun + TRY_S + 0.5, what="its time is over")
    os.kill(worker, signal.SIGCONT)

    until(lambda: all(sock.recv(1) == b"y" for sock in crowd), what="all others are served")
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.recv(1)              # neither reset nor closed
    assert daemon.worker_pid("slow") == worker
    assert states_to(door.port).count(ESTABLISHED) == 1
    for sock in [client, *crowd]:
        sock.close()


class Silent:
    """serve() for a Target: says what is expected, unless it is told to be silent."""

    def __init__(self):
        self.silent = False
        self.kept_waiting = 0

    def __call__(self, sock):
        silent = self.silent
        self.kept_waiting += silent
        if sock.recv(16) and not silent:
            sock.sendall(b"pong")
        sock.recv(1)                # until the prober leaves


@pytest.mark.limit(60)
def test_a_probe_that_the_prober_slept_through_says_nothing(daemon, started):
    serve = Silent()
    target = started(Target(serve))
    daemon.write_apps(app("web", free_port(), [target],
                          probe='kind = "exchange"; send = "ping"; expect = "pong"; fall = 1; '
                                f'interval = "{SLOWNESS}s"; timeout = "{800 * SLOWNESS}ms";'))
    daemon.start()
    daemon.until_state("web", target, "available")
    prober = daemon.status()["prober"]["pid"]

    serve.silent = True
    until(lambda: serve.kept_waiting == 1, what="a probe waits for its answer")
    hang(prober)
    serve.silent = False
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + 1.5 * SLOWNESS, what="its time is long over")
    os.kill(prober, signal.SIGCONT)

    until(lambda: daemon.sql("SELECT 1 FROM probe_results WHERE outcome = 'probe_overrun'"),
          what="it is recorded as what it was")
    assert daemon.states("web") == {target.address: "available"}
    assert daemon.sql("SELECT count(*) FROM transitions WHERE to_state = 'unavailable'") == [(0,)]

    # One that really is silent is found.
    serve.silent = True
    daemon.until_state("web", target, "unavailable")
