"""Type=notify: READY=1 when every app that can serve does, STOPPING=1 at the end."""
import socket

import pytest

from harness import EchoProcess, app, ask, free_ports, outcome


class NotifySocket:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self._socket.settimeout(20)

    def receive(self):
        return self._socket.recv(4096).decode().splitlines()

    def close(self):
        self._socket.close()


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_ready_comes_when_it_serves(daemon, started, tmp_path, kind):
    port, = free_ports(1)
    path = str(tmp_path / "notify") if kind == "file" else f"@fproxy-test-{port}"
    notify = started(NotifySocket(path))
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.launch(NOTIFY_SOCKET=path)

    assert "READY=1" in notify.receive()
    assert ask(port) == "good"

    daemon.stop()
    received = []
    while "STOPPING=1" not in received:
        received += notify.receive()


def test_an_app_that_cannot_serve_does_not_hold_it_up(daemon, started, tmp_path):
    port, taken = free_ports(2)
    notify = started(NotifySocket(str(tmp_path / "notify")))
    with socket.create_server(("127.0.0.1", taken)):
        target = started(EchoProcess("good"))
        daemon.write_apps(app("barred", taken, [target]), app("web", port, [target]))
        daemon.launch(NOTIFY_SOCKET=str(tmp_path / "notify"))

        assert "READY=1" in notify.receive()
        assert ask(port) == "good"
        assert outcome(taken, timeout=0.2) == "timeout"     # it is the other program's
