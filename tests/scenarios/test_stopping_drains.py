"""At its end the daemon refuses new clients at once, and lets those that are there finish."""
import os
import signal
import time

import pytest

from harness import (SLOWNESS, Target, app, connect, echo, ending, free_ports, hang, outcome,
                     until)


QUEUED = 300        # more than a worker accepts at a time


def start(daemon, started, drain_timeout="20s"):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(Target(echo))],
                          f'drain_timeout = "{drain_timeout}"; threads = 1;'))
    daemon.start()
    daemon.until_available("web", 1)
    sock = connect(port)
    assert still_works(sock)
    return port, sock


def still_works(sock):
    sock.sendall(b"hello")
    return sock.recv(100) == b"hello"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_connection_goes_on_and_new_ones_are_refused(daemon, started, number):
    port, sock = start(daemon, started)
    daemon.signal(number)

    until(lambda: outcome(port) == "refused", what="nobody is accepted any more")
    for _ in range(10):
        assert still_works(sock)
        time.sleep(0.05)
    assert daemon.process.poll() is None
    assert daemon.status("web")["state"] == "draining"

    begin = time.monotonic()
    sock.close()
    assert daemon.wait() == 0
    assert time.monotonic() - begin < 2 * SLOWNESS


def test_what_is_left_is_cut_after_drain_timeout(daemon, started):
    _, sock = start(daemon, started, "1s")
    begin = time.monotonic()
    daemon.signal(signal.SIGTERM)

    assert ending(sock) in ("fin", "reset")
    assert 0.9 < time.monotonic() - begin < 1 + 2 * SLOWNESS
    assert daemon.wait() == 0


def test_a_second_sigint_ends_at_once(daemon, started):
    port, sock = start(daemon, started)
    daemon.signal(signal.SIGINT)
    until(lambda: outcome(port) == "refused", what="it drains")
    begin = time.monotonic()
    daemon.signal(signal.SIGINT)

    assert daemon.wait() == 0
    assert time.monotonic() - begin < 2 * SLOWNESS
    assert ending(sock) in ("fin", "reset")


def test_a_second_sigterm_does_not(daemon, started):
    port, sock = start(daemon, started)
    daemon.signal(signal.SIGTERM)
    until(lambda: outcome(port) == "refused", what="it drains")
    daemon.signal(signal.SIGTERM)

    for _ in range(20):
        assert still_works(sock)
        time.sleep(0.05)
    sock.close()
    assert daemon.wait() == 0


def test_impatience_does_not_make_it_last_longer(daemon, started):
    """Ctrl-C again and again: a worker that hangs is killed all the same."""
    start(daemon, started)
    hang(daemon.worker_pid("web"))
    begin = time.monotonic()
    while daemon.process.poll() is None:
        assert time.monotonic() - begin < 4 * SLOWNESS, "it goes on as long as it is asked"
        daemon.signal(signal.SIGINT)
        time.sleep(0.1)

    assert daemon.wait() == 0


def test_without_connections_it_ends_at_once(daemon, started):
    _, sock = start(daemon, started)
    sock.close()
    until(lambda: daemon.status("web")["connections"] == 0, what="nobody is connected")
    begin = time.monotonic()

    daemon.stop()
    assert time.monotonic() - begin < 2 * SLOWNESS


def test_clients_in_the_queue_are_served(daemon, started):
    """Those whose connection the kernel had taken before the signal are not reset."""
    port, sock = start(daemon, started)
    worker = daemon.worker_pid("web")
    hang(worker)
    clients = [connect(port) for _ in range(QUEUED)]
    daemon.signal(signal.SIGTERM)
    until(lambda: "stops:" in daemon.log(), what="it has begun to stop")
    os.kill(worker, signal.SIGCONT)

    assert all(still_works(client) for client in clients)
    for client in [sock, *clients]:
        client.close()
    assert daemon.wait() == 0


def test_fproxy_stop_waits_for_the_end(daemon, started):
    _, sock = start(daemon, started, "1s")

    stopped = daemon.run("fproxy", "stop")

    # When it takes longer than 2 s it says that it waits.
    assert stopped.returncode == 0 and "stopped pid" in stopped.stdout, stopped.stderr
    assert daemon.process.wait(1) == 0
    assert ending(sock) in ("fin", "reset")
    assert daemon.wait() == 0
