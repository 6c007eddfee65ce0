"""The kernel gives connections to targets a local port, which may be one that an app is to listen
on: neither a connection that lasts nor one in TIME-WAIT keeps the app from it."""
import pytest

from harness import Target, app, ask, connect, free_ports, own_network, until


@pytest.fixture(autouse=True)
def network():
    """Nobody else has connections there, which could have the same local port."""
    with own_network():
        yield


class Noticing:
    """A target that notes from which port each connection came, and reads until it ends."""

    def __init__(self):
        self.ports = []

    def __call__(self, sock):
        self.ports.append(sock.getpeername()[1])
        while data := sock.recv(65536):
            sock.sendall(data)


def serves_on(daemon, port, target):
    daemon.write_apps(app("other", port, [target]), file="other.conf")
    daemon.apply()
    until(daemon.settled, what="it is decided upon")
    rollout = daemon.status("other")["last_rollout"]
    assert (rollout["outcome"], rollout["reason"]) == ("done", "")
    assert ask(port) == "hello"


def test_a_connection_to_a_target(daemon, started):
    port, = free_ports(1)
    noticing = Noticing()
    target = started(Target(noticing))
    daemon.write_apps(app("web", port, [target], probe='kind = "none";'))
    daemon.start()
    client = connect(port)
    client.sendall(b"hello")
    assert client.recv(100) == b"hello"

    serves_on(daemon, noticing.ports[-1], target)
    client.sendall(b"still there")
    assert client.recv(100) == b"still there"


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_probe_that_is_over(daemon, started, kind):
    port, = free_ports(1)
    noticing = Noticing()
    probed = started(Target(noticing))
    daemon.write_apps(app("web", port, [probed],
                          probe=f'kind = "{kind}"; interval = "1h"; timeout = "300ms";'))
    daemon.launch()
    until(lambda: noticing.ports, what="it was probed")
    until(daemon.settled, what="that was taken in")

    serves_on(daemon, noticing.ports[0], started(Target()))
