"""Workers and prober serve on when the supervisor is killed; what is left is taken over by the
next start, or ended by `fproxy stop`. A worker or prober that is killed is replaced."""
import os
import signal
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Target, app, ask, asks, connect, echo,
                     free_ports, is_alive, outcome, until)


def start(daemon, started):
    port, = free_ports(1)
    targets = [started(EchoProcess("one")), started(EchoProcess("two"))]
    daemon.write_apps(app("web", port, targets))
    daemon.start()
    daemon.until_available("web", 2)
    return port, targets


def kill_supervisor(daemon):
    daemon.process.kill()
    daemon.process.wait()
    daemon.process = None
    return [pid for pid, _ in daemon.children()]


def test_without_a_supervisor_they_serve_and_probe_on(daemon, started):
    port, targets = start(daemon, started)

    left = kill_supervisor(daemon)

    assert len(left) == 2
    assert set(asks(port, 10)) == {"one", "two"}
    targets[1].kill()
    daemon.until_state("web", targets[1], "unavailable")    # the prober goes on
    assert asks(port, 10) == ["one"] * 10

    daemon.start()
    assert all(is_alive(pid) for pid in left)
    assert asks(port, 10) == ["one"] * 10
    daemon.stop()
    assert not any(is_alive(pid) for pid in left)


def test_fproxy_stop_ends_what_a_killed_supervisor_left(daemon, started):
    port, _ = start(daemon, started)
    left = kill_supervisor(daemon)

    stopped = daemon.run("fproxy", "stop")

    assert stopped.returncode == 0, stopped.stderr
    assert not any(is_alive(pid) for pid in left)
    assert outcome(port) == "refused"
    daemon.check_end()


@pytest.mark.limit(60)
def test_clients_wait_while_a_killed_worker_is_replaced(daemon, started):
    port, _ = start(daemon, started)
    load = started(Load(port, rate=100 // SLOWNESS))
    until(lambda: load.done() > 20, what="clients come")

    killed = daemon.worker_pid("web")
    begin = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    end = time.monotonic()
    until(lambda: daemon.worker_pid("web") not in (None, killed), what="another one runs")
    done = load.done()
    until(lambda: load.done() > done + 50, what="clients are served")
    results = load.finish()

    # Lost are only those that the killed one had accepted.
    lost = [result for result in results if result[2] not in ("one", "two")]
    assert all(came <= end and came + took >= begin for came, took, _ in lost), lost
    until(lambda: daemon.sql("SELECT process, app, signal FROM crashes") ==
          [("worker", "web", signal.SIGKILL)], what="the crash is recorded")


def test_a_killed_prober_is_replaced_and_nobody_notices(daemon, started):
    port, targets = start(daemon, started)
    killed = daemon.status()["prober"]["pid"]

    os.kill(killed, signal.SIGKILL)

    assert set(asks(port, 10)) == {"one", "two"}
    until(lambda: daemon.status()["prober"]["pid"] not in (None, killed),
          what="another one runs")
    targets[0].kill()
    daemon.until_state("web", targets[0], "unavailable")
    assert asks(port, 10) == ["two"] * 10
    until(lambda: daemon.sql("SELECT process, app, signal FROM crashes") ==
          [("prober", None, signal.SIGKILL)], what="the crash is recorded")


def test_a_worker_that_keeps_dying_harms_no_other_app(daemon, started):
    port, other = free_ports(2)
    target = started(Target(echo))
    daemon.write_apps(app("frail", port, [target]), app("steady", other, [target]))
    daemon.start()
    sock = connect(other)

    pid = None
    for _ in range(3):
        gone = pid
        pid = until(lambda: (now := daemon.worker_pid("frail")) not in (None, gone) and now,
                    what="another worker of it runs")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), what="it is gone")
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
    assert ask(other) == "hello"
    assert ask(port, timeout=15) == "hello"
