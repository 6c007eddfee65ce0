"""A probe that says something and listens: a target that accepts connections and yet does not work
gets no client; one whose health lies at another port is asked there."""
import socket

import pytest

from harness import SLOWNESS, EchoProcess, Load, Target, app, ask, free_port, until

FAST = f'interval = "{500 * SLOWNESS}ms"; timeout = "{400 * SLOWNESS}ms"; rise = 1; fall = 1;'


class Redis:
    """Speaks as much of it as a probe does, and is an echo to all others. `says` is its answer to
    PING."""

    def __init__(self):
        self.says = b"+PONG\r\n"
        self.commands = []

    def __call__(self, sock):
        while line := sock.recv(4096):
            if line.startswith(b"hello"):
                sock.sendall(line)
                continue
            for command in line.split(b"\r\n")[:-1]:
                self.commands.append(command)
                sock.sendall(self.says if command == b"PING" else b"+OK\r\n")


def endpoint(daemon, target, name="web"):
    return next(each for each in daemon.inspect(name)["endpoints"]
                if each["target"] == target.address)


def is_in(daemon, target, state):
    return endpoint(daemon, target)["state"] == state


def test_a_preset(daemon, started):
    port, server, other = free_port(), Redis(), Redis()
    good, sick = started(Target(server)), started(Target(other))
    daemon.write_apps(app("web", port, [good, sick],
                          probe=f'kind = "exchange"; preset = "redis"; {FAST}'))
    daemon.start()
    until(lambda: is_in(daemon, good, "available") and is_in(daemon, sick, "available"),
          what="both are available")
    assert server.commands[0] == b"PING"
    until(lambda: b"QUIT" in server.commands, what="it takes its leave")
    probe = endpoint(daemon, good)["last_probe"]
    assert probe["kind"] == "exchange" and probe["detail"].startswith("answered in ")

    other.says = b"-LOADING Redis is loading the dataset in memory\r\n"
    until(lambda: is_in(daemon, sick, "unavailable"), what="it is loading")
    found = endpoint(daemon, sick)
    assert found["reason"] == "mismatch"
    assert 'heard "-LOADING Redis' in found["last_probe"]["detail"]
    load = started(Load(port, 100 // SLOWNESS))
    until(lambda: load.done() > 50, what="clients come")
    load.finish()
    assert load.failed("hello") == []

    other.says = b"-NOAUTH Authentication required.\r\n"
    until(lambda: is_in(daemon, sick, "available"), what="it is there, and wants a password")


def test_an_update_of_what_is_said_is_probed_anew(daemon, started):
    """What the old words found out says nothing of the new ones; the app is not ready with them,
    and goes on with the old ones."""
    port, server = free_port(), Redis()
    target = started(Target(server))

    def configure(expect):
        daemon.replace_apps(app("web", port, [target],
                                f'ready = {{ timeout = "{2 * SLOWNESS}s"; }};',
                                f'send = "PING\\r\\n"; expect = "{expect}"; {FAST}'))

    configure("+PONG")
    daemon.start()
    until(lambda: is_in(daemon, target, "available"), what="it is available")
    configure("+NEVER")
    result = daemon.reload()
    assert not result["applied"] and "not ready" in str(result)
    assert daemon.status("web")["generation"] == 1
    assert ask(port) == "hello"
    configure("+P")
    daemon.apply()
    assert is_in(daemon, target, "available")


@pytest.mark.parametrize("where", ["port", "address"])
def test_its_health_lies_elsewhere(daemon, started, where):
    """The port for clients works all the time; what is asked is another one."""
    port = free_port()
    target = started(EchoProcess())
    health = started(Target(Redis(), host="127.0.0.2" if where == "address" else "127.0.0.1",
                            port=target.port if where == "address" else None))
    key = 'address = "127.0.0.2";' if where == "address" else f"port = {health.port};"
    daemon.write_apps(app("web", port, [target], probe=f'preset = "redis"; {key} {FAST}'))
    daemon.start()
    until(lambda: is_in(daemon, target, "available"), what="it is available")
    assert ask(port) == "hello"
    health.close()
    # A probe that waited to be accepted was reset; the next ones are refused.
    until(lambda: endpoint(daemon, target)["reason"] == "connect_refused", what="it is gone")
    assert is_in(daemon, target, "unavailable")


def test_a_banner_and_nobody_is_flooded(daemon, started):
    """A server that speaks first, as SMTP does; each connection of a probe ends politely."""
    said = []

    def smtp(sock):
        sock.sendall(b"220 mail.example ESMTP\r\n")
        said.append(sock.recv(100))
        sock.sendall(b"221 bye\r\n")
        said.append(sock.recv(100))             # FIN, and no reset

    port = free_port()
    target = started(Target(smtp))
    daemon.write_apps(app("web", port, [target], probe=f'preset = "smtp"; {FAST}'))
    daemon.start()
    until(lambda: is_in(daemon, target, "available"), what="it is available")
    until(lambda: len(said) >= 6, what="some probes have ended")
    assert said[:6] == [b"QUIT\r\n", b""] * 3
    assert target.errors == []
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert client.recv(100).startswith(b"220 ")
