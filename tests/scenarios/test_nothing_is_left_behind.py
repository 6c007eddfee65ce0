"""However it ends, and with whatever it had: old generations that drain, pools, processes of before
an upgrade, none that supervises them: no process and no file is left."""
import os
import signal
import time

import pytest

from harness import (SLOWNESS, Conversation, EchoProcess, app, connect, ending, free_ports,
                     is_alive, kill_supervisor, outcome, pids, post, reload, roles, until)


def sockets_of_many_generations(daemon, started, count=4, pool=0):
    """Each generation has a port of its own, which the next one has not, and a connection to it
    that may go on for long."""
    ports = free_ports(count)
    echo = started(EchoProcess())
    more = f"daemon = {{ worker_pool = {pool}; }};"
    open_ones = []
    for port in ports:
        daemon.write_apps(app("web", [port], [echo], 'drain_timeout = "60s";'), more=more)
        if daemon.process is None:
            daemon.start()
        else:
            assert reload(daemon)["applied"]
        sock = connect(port, timeout=30)
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        open_ones.append(sock)
    assert daemon.status("web")["connections"] == count
    return ports, open_ones


@pytest.mark.limit(60)
@pytest.mark.parametrize("pool", [0, 2])
def test_a_second_sigint_with_generations_that_drain(daemon, started, pool):
    ports, open_ones = sockets_of_many_generations(daemon, started, pool=pool)
    daemon.signal(signal.SIGINT)
    until(lambda: outcome(ports[-1]) == "refused", what="it drains")
    begin = time.monotonic()
    daemon.signal(signal.SIGINT)

    assert daemon.wait() == 0
    assert time.monotonic() - begin < 2 * SLOWNESS
    assert {ending(sock) for sock in open_ones} <= {"fin", "reset"}


@pytest.mark.limit(60)
def test_a_sigterm_waits_for_all_generations(daemon, started):
    ports, open_ones = sockets_of_many_generations(daemon, started)
    daemon.signal(signal.SIGTERM)
    until(lambda: outcome(ports[-1]) == "refused", what="it drains")

    for sock in open_ones:
        sock.sendall(b"still")
        assert sock.recv(100) == b"still"
        assert daemon.process.poll() is None
        sock.close()
    assert daemon.wait() == 0


@pytest.mark.limit(60)
@pytest.mark.parametrize("how", ["SIGTERM", "two SIGINT"])
def test_the_old_processes_of_an_upgrade(daemon, started, how):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())], 'drain_timeout = "60s";'))
    daemon.start()
    before = pids(daemon)
    old = started(Conversation(port))
    assert post(daemon, "/v1/upgrade") == (202, {})
    until(lambda: pids(daemon).get("web") not in (None, before["web"]), 20, "it is replaced")
    new = started(Conversation(port))
    old.goes_on()

    if how == "SIGTERM":
        daemon.signal(signal.SIGTERM)
        until(lambda: outcome(port) == "refused", what="it drains")
        for conversation in (old, new):
            conversation.goes_on()
            conversation.close()
    else:
        daemon.signal(signal.SIGINT)
        until(lambda: outcome(port) == "refused", what="it drains")
        daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0


@pytest.mark.limit(60)
@pytest.mark.parametrize("more", ["", "daemon = { worker_pool = 2; };"])
def test_fproxy_stop_without_a_supervisor(daemon, started, more):
    ports = free_ports(5)
    echo = started(EchoProcess())
    daemon.write_apps(*(app(f"app-{i}", port, [echo]) for i, port in enumerate(ports)), more=more)
    daemon.start()
    left = kill_supervisor(daemon)
    assert len(left) == (3 if more else 6)

    stopped = daemon.run("fproxy", "stop")

    assert stopped.returncode == 0, stopped.stderr
    assert not any(is_alive(pid) for pid in left)
    assert {outcome(port) for port in ports} == {"refused"}
    daemon.check_end()


@pytest.mark.limit(60)
def test_fproxy_stop_ends_one_that_hangs(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    left = kill_supervisor(daemon)
    for pid in left:
        os.kill(pid, signal.SIGSTOP)

    stopped = daemon.run("fproxy", "stop")

    assert stopped.returncode == 0, stopped.stderr
    until(lambda: not any(is_alive(pid) for pid in left), what="they are gone")
    daemon.check_end()


@pytest.mark.limit(60)
def test_what_was_adopted_ends_like_its_own(daemon, started):
    """With a connection that another supervisor's time had begun."""
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())], 'drain_timeout = "60s";'))
    daemon.start()
    conversation = started(Conversation(port))
    kill_supervisor(daemon)
    daemon.start()
    daemon.signal(signal.SIGTERM)
    until(lambda: outcome(port) == "refused", what="it drains")
    conversation.goes_on()
    assert sorted(roles(daemon).values()) == ["fproxy-prober", "fproxy-worker"]

    conversation.close()
    assert daemon.wait() == 0
