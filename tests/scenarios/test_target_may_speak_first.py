"""Protocols in which the server speaks first (SMTP, MySQL, SSH) work as any other."""
from harness import Target, app, connect, echo, free_ports


def test_the_greeting_arrives_before_the_client_says_anything(daemon, started):
    def serve(sock):
        sock.sendall(b"220 ready\r\n")
        echo(sock)

    port, = free_ports(1)
    target = started(Target(serve))
    daemon.write_apps(app("smtp", port, [target], probe='kind = "none";'))
    daemon.start()

    for _ in range(50):
        with connect(port) as sock:
            assert sock.recv(100) == b"220 ready\r\n"
            sock.sendall(b"HELO\r\n")
            assert sock.recv(100) == b"HELO\r\n"


def test_a_target_that_greets_and_leaves(daemon, started):
    port, = free_ports(1)
    target = started(Target(lambda sock: sock.sendall(b"421 busy\r\n")))
    daemon.write_apps(app("smtp", port, [target], probe='kind = "none";'))
    daemon.start()

    for _ in range(50):
        with connect(port) as sock:
            assert sock.recv(100) == b"421 busy\r\n"
            assert sock.recv(100) == b""
