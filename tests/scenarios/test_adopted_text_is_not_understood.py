"""A worker serves a text that this binary does not accept (a later version wrote it, and an earlier
one is installed again): clients wait until the app has begun anew, and are not refused."""
import pytest

from harness import (EchoProcess, StandIn, app, ask, connect, free_ports, is_alive,
                     kill_supervisor, listeners, pids, read_all, until)

LATER = "of_a_later_version = 1;\n"


def in_the_queue(port):
    """A client that nobody has accepted yet, and that has said all."""
    client = connect(port)
    client.sendall(b"patience")
    client.shutdown(1)
    return client


def settle(daemon, old, names):
    until(lambda: all(pids(daemon).get(name) not in (None, 0, old.pid) for name in names), 20,
          "a new worker serves")


def retired(old):
    return [what for what in old.heard if what[0] == "APP_RETIRE"]


@pytest.mark.limit(60)
@pytest.mark.parametrize("address", ["", "127.0.0.1:"], ids=["any", "one"])
def test_its_sockets_live_on(daemon, started, address):
    ports = free_ports(2)
    echo = started(EchoProcess())
    names = [f"{address}{port}" if address else port for port in ports]
    daemon.write_apps(app("web", names, [echo], "threads = 2;"))
    daemon.start()
    sockets = [listeners(port) for port in ports]
    kill_supervisor(daemon)
    old = started(StandIn(daemon, "worker-web.1", before_text=LATER))
    clients = [in_the_queue(port) for port in ports]

    daemon.start()

    settle(daemon, old, ["web"])
    assert [read_all(client) for client in clients] == [b"patience"] * 2
    assert [ask(port) for port in ports] == ["hello"] * 2
    assert [listeners(port) for port in ports] == sockets
    assert retired(old) == [("APP_RETIRE", 30000)]
    assert daemon.sql("SELECT app FROM events WHERE kind = 'adopted_unread'") == [("web",)]
    assert not old.has_ended()              # what it has is not cut
    old.say_gone()
    until(old.has_ended, what="it is told to end")


@pytest.mark.limit(60)
def test_others_of_its_worker_are_handed_over(daemon, started):
    """One begins anew, the other one goes on in a process of this version."""
    ports = free_ports(2)
    echo = started(EchoProcess())
    daemon.write_apps(*(app(f"app-{i}", port, [echo], 'worker = "all";')
                        for i, port in enumerate(ports)))
    daemon.start()
    kill_supervisor(daemon)
    old = started(StandIn(daemon, "worker-all.1", before_text=LATER, text_of="app-0"))
    clients = [in_the_queue(port) for port in ports]

    daemon.start()

    settle(daemon, old, ["app-0", "app-1"])
    assert [read_all(client) for client in clients] == [b"patience"] * 2
    assert sorted(count for _, count in retired(old)) == [0, 30000]
    assert is_alive(old.pid)
    old.say_gone()
    until(old.has_ended, what="it is told to end")
