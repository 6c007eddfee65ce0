"""RST from one side becomes RST at the other; what had been said before is still delivered."""
import socket
import threading

from harness import Target, app, connect, ending, free_ports, read_all, reset


def start(daemon, started, serve):
    port, = free_ports(1)
    target = started(Target(serve))
    daemon.write_apps(app("rst", port, [target], probe='kind = "none";'))
    daemon.start()
    return port


def test_the_target_sees_the_clients_reset(daemon, started):
    seen, ended = [], threading.Event()

    def serve(sock):
        sock.sendall(sock.recv(100))
        sock.settimeout(5)
        seen.append(ending(sock))
        ended.set()

    port = start(daemon, started, serve)

    sock = connect(port)
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"
    reset(sock)

    assert ended.wait(10)
    assert seen == ["reset"]


def test_the_client_sees_the_targets_reset(daemon, started):
    def serve(sock):
        sock.recv(100)
        reset(sock)

    port = start(daemon, started, serve)

    with connect(port) as sock:
        sock.sendall(b"hello")
        assert ending(sock) == "reset"


def test_an_answer_before_the_reset_is_delivered(daemon, started):
    def serve(sock):
        sock.recv(100)
        sock.sendall(b"answer")
        reset(sock)

    port = start(daemon, started, serve)

    for _ in range(50):
        with connect(port) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"answer"
            assert ending(sock) == "reset"


def test_a_target_that_answers_early_and_does_not_read_the_rest(daemon, started):
    """As a web server does with a body that is too large: closing with bytes unread is RST."""
    def serve(sock):
        sock.recv(1000)
        sock.sendall(b"too large")

    port = start(daemon, started, serve)

    for _ in range(20):
        with connect(port) as sock:
            try:
                for _ in range(64):
                    sock.sendall(bytes(65536))
            except (ConnectionResetError, BrokenPipeError):
                pass
            assert sock.recv(100) == b"too large"


def test_both_after_a_half_close(daemon, started):
    def serve(sock):
        read_all(sock)
        reset(sock)

    port = start(daemon, started, serve)

    with connect(port) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert ending(sock) == "reset"
