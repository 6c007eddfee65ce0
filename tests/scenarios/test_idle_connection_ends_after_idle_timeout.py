"""A connection without a byte either way ends after idle_timeout; one with bytes does not."""
import time

from harness import SLOWNESS, Target, app, connect, echo, ending, free_ports


def start(daemon, started, idle_timeout):
    port, = free_ports(1)
    daemon.write_apps(app("idle", port, [started(Target(echo))],
                          f'idle_timeout = "{idle_timeout}";', probe='kind = "none";'))
    daemon.start()
    return port


def test_an_idle_connection_is_closed(daemon, started):
    port = start(daemon, started, "500ms")

    with connect(port) as sock:
        begin = time.monotonic()
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        assert ending(sock) == "fin"
        assert 0.4 < time.monotonic() - begin < 2 * SLOWNESS


def test_a_connection_with_a_byte_now_and_then_lives_on(daemon, started):
    port = start(daemon, started, "3s")

    with connect(port) as sock:
        begin = time.monotonic()
        while time.monotonic() - begin < 7:
            sock.sendall(b"x")
            assert sock.recv(100) == b"x"
            time.sleep(0.2)


def test_zero_means_never(daemon, started):
    port = start(daemon, started, "0s")

    with connect(port, timeout=3) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        assert ending(sock) == "open"
