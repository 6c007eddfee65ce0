"""FIN ends one direction only: the other one goes on, whichever side was first."""
import socket
import time

from harness import SLOWNESS, Target, app, connect, ending, free_ports, read_all


def start(daemon, started, serve, more=""):
    port, = free_ports(1)
    target = started(Target(serve))
    daemon.write_apps(app("half", port, [target], more, probe='kind = "none";'))
    daemon.start()
    return port


def test_the_target_still_answers_after_the_clients_fin(daemon, started):
    def serve(sock):
        request = read_all(sock)                # the FIN has to arrive for this to return
        for _ in range(20):
            time.sleep(0.01)
            sock.sendall(request)

    port = start(daemon, started, serve)

    with connect(port) as sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"question" * 20


def test_the_client_still_sends_after_the_targets_fin(daemon, started):
    received = []

    def serve(sock):
        sock.sendall(b"no more from me")
        sock.shutdown(socket.SHUT_WR)
        received.append(read_all(sock))

    port = start(daemon, started, serve)

    with connect(port) as sock:
        assert read_all(sock) == b"no more from me"
        for _ in range(20):
            sock.sendall(b"but from me ")
            time.sleep(0.01)
        sock.shutdown(socket.SHUT_WR)
        assert ending(sock) == "fin"
    daemon.stop()
    assert received == [b"but from me " * 20]


def test_a_client_that_ends_before_it_is_accepted_by_the_target(daemon, started):
    port = start(daemon, started, lambda sock: sock.sendall(b"you said " + read_all(sock)))

    for _ in range(20):
        with connect(port) as sock:
            sock.shutdown(socket.SHUT_WR)       # nothing but a FIN
            assert read_all(sock) == b"you said "


def test_half_a_connection_ends_after_half_close_timeout(daemon, started):
    def serve(sock):
        read_all(sock)
        time.sleep(5 * SLOWNESS)

    port = start(daemon, started, serve, 'half_close_timeout = "300ms";')

    with connect(port, timeout=3 * SLOWNESS) as sock:
        begin = time.monotonic()
        sock.shutdown(socket.SHUT_WR)
        assert ending(sock) in ("fin", "reset")
        assert 0.25 < time.monotonic() - begin < 2 * SLOWNESS
