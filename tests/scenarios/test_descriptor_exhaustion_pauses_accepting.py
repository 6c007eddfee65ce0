"""More clients than descriptors: those that do not fit wait, without the worker spinning, and
are served as soon as others leave."""
import select
import time

import pytest

from harness import SLOWNESS, Target, app, ask, connect, cpu_seconds, echo, free_ports, until

DESCRIPTORS = 200
CLIENTS = 300


def answered(clients, quiet_s=0.5):
    """Those to whom something comes back, once nothing more has come for a while."""
    found = []
    while True:
        rest = [client for client in clients if client not in found]
        poll = select.poll()                    # select() takes no descriptor over 1023
        for client in rest:
            poll.register(client, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(quiet_s * SLOWNESS * 1000)}
        if not ready:
            return found
        found += [client for client in rest if client.fileno() in ready]


@pytest.mark.limit(60)
def test_who_does_not_fit_waits_and_nothing_spins(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("full", port, [started(Target(echo))], "threads = 1;",
                          probe='kind = "none";'))
    daemon.launch(prefix=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"])
    until(daemon.settled, what="it serves")
    worker = daemon.worker_pid("full")

    clients = [connect(port) for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(b"hello")
    served = answered(clients)
    waiting = [client for client in clients if client not in served]
    assert 50 < len(served) < DESCRIPTORS // 2
    assert "accepting pauses" in daemon.log()

    before = cpu_seconds(worker)
    time.sleep(2)                           # the span in which it might spin
    assert cpu_seconds(worker) - before < 0.2 * SLOWNESS

    # The others still work, and those who wait get their turn when these leave.
    assert served[0].recv(100) == b"hello"
    served[0].sendall(b"again")
    assert served[0].recv(100) == b"again"
    while served:
        for client in served:
            client.close()
        served = answered(waiting, 1)
        assert all(client.recv(100) == b"hello" for client in served)
        waiting = [client for client in waiting if client not in served]
    assert waiting == []
    assert ask(port) == "hello"


@pytest.mark.limit(60)
def test_too_many_ports_for_the_descriptors_fail_with_figures(daemon, started):
    ports = [f"127.0.0.1:{port}" for port in free_ports(300)]
    other, = free_ports(1)
    target = started(Target(echo))
    daemon.write_apps(app("small", other, [target]), app("vast", ports, [target]))
    daemon.launch(prefix=["prlimit", "--nofile=250:250"])
    until(daemon.settled, what="both are decided upon")

    vast = daemon.status("vast")
    assert vast["last_rollout"]["outcome"] == "failed"
    assert "300" in vast["last_rollout"]["reason"] and "250" in vast["last_rollout"]["reason"]
    assert ask(other) == "hello"
