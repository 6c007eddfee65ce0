"""Whatever lies in the runtime directory, the start copes with it: what a dead run left, garbage
under names like ours, a socket of another program, boards of another layout."""
import os
import signal
import socket

import pytest

from harness import (Conversation, EchoProcess, app, ask, asks, free_ports, generations, is_alive,
                     kill_supervisor, listeners, outcome, pids, until)

PAGE = 4096


def start(daemon, started):
    ports = free_ports(2)
    echo = started(EchoProcess())
    daemon.write_apps(*(app(f"app-{i}", port, [echo]) for i, port in enumerate(ports)))
    daemon.start()
    return ports


def names(daemon):
    return sorted(path.name for path in daemon.runtime.iterdir())


@pytest.mark.limit(60)
def test_what_a_dead_run_left(daemon, started):
    """Everything was killed at once: sockets that nobody listens on, pids that are dead."""
    ports = start(daemon, started)
    before = names(daemon)
    left = kill_supervisor(daemon)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in left), what="all are dead")

    daemon.start()

    assert [ask(port) for port in ports] == ["hello"] * 2
    until(lambda: len(names(daemon)) == len(before), what="nothing old is left")
    daemon.stop()


GARBAGE = {
    "worker-app-0.7.pid": b"\x00\xff no number",
    "worker-app-1.1.pid": b"1 1\n",
    "worker-.sock": b"",
    "worker-app-0.99999999999.sock": b"?",
    "worker-app-0.3.sock": b"a file, no socket",
    "prober.9.sock": b"",
    "prober.9.pid": b"4294967295 18446744073709551615\n" * 1000,
    "board-app-0.1": b"\xff" * PAGE * 3,
    "board-app-0.2": b"",
    "board-.": b"x",
    "traffic-app-0.1": os.urandom(PAGE),
    "traffic-" + "n" * 200 + ".1": b"",
    "admin.sock": b"no socket",
    ".worker-app-0.1.pid.new": b"half",
}


@pytest.mark.limit(60)
def test_garbage_under_names_like_ours(daemon, started):
    daemon.runtime.mkdir(mode=0o750)
    for name, data in GARBAGE.items():
        (daemon.runtime / name).write_bytes(data)
    (daemon.runtime / "worker-app-0.8.sock").symlink_to("/nonexistent")
    (daemon.runtime / "board-app-1.5").symlink_to("/dev/zero")
    os.mkfifo(daemon.runtime / "prober.4.pid")
    (daemon.runtime / "board-app-0.77").mkdir()

    ports = start(daemon, started)

    assert [ask(port) for port in ports] == ["hello"] * 2
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(20) == 0
    daemon.process = None
    assert set(names(daemon)) <= {"board-app-0.77"}     # a directory is nothing of ours
    assert daemon.children() == []


@pytest.mark.limit(60)
def test_a_pid_file_that_names_a_stranger(daemon, started):
    """A number that another program has by now: it is left alone."""
    stranger = started(EchoProcess("stranger"))
    daemon.runtime.mkdir(mode=0o750)
    stat = open(f"/proc/{stranger.pid}/stat").read().rpartition(")")[2].split()
    for name in ("worker-app-0.1.pid", "prober.1.pid"):
        (daemon.runtime / name).write_text(f"{stranger.pid} {stat[19]}\n")

    ports = start(daemon, started)

    assert ask(ports[0]) == "hello"
    assert ask(stranger.port) == "stranger"


@pytest.mark.limit(60)
def test_a_socket_on_which_another_program_listens(daemon, started):
    """It is not taken for one of ours, and does not hold up the start."""
    daemon.runtime.mkdir(mode=0o750)
    for name, kind in (("worker-app-0.1.sock", socket.SOCK_SEQPACKET),
                       ("prober.1.sock", socket.SOCK_SEQPACKET),
                       ("worker-app-1.1.sock", socket.SOCK_STREAM),
                       ("admin.sock", socket.SOCK_STREAM)):
        sock = started(socket.socket(socket.AF_UNIX, kind))
        here = os.open(daemon.runtime, os.O_RDONLY)
        sock.bind(f"/proc/self/fd/{here}/{name}")
        os.close(here)
        sock.listen()

    ports = free_ports(2)
    echo = started(EchoProcess())
    daemon.write_apps(*(app(f"app-{i}", port, [echo]) for i, port in enumerate(ports)))
    daemon.launch()
    # Not asked before: until then a stranger listens on admin.sock, and does not answer.
    until(lambda: "apps serve" in daemon.log(), 5, "it has started")

    assert [ask(port) for port in ports] == ["hello"] * 2
    assert os.getpid() not in pids(daemon).values()


def spoil(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.limit(60)
@pytest.mark.parametrize("kind", ["board", "traffic"])
@pytest.mark.parametrize("how", ["magic", "layout", "sizes"])
def test_pages_of_another_layout(daemon, started, kind, how):
    """While no supervisor lived, its head became another one. That app begins anew with the same
    listening sockets, so nobody is refused; the other app is adopted as it was."""
    ports = start(daemon, started)
    before, numbers = pids(daemon), generations(daemon)
    sockets = [listeners(port) for port in ports]
    steady = started(Conversation(ports[1]))
    kill_supervisor(daemon)
    page, = daemon.runtime.glob(f"{kind}-app-0.*")
    offset, data = {"magic": (0, b"\0\0\0\0"), "layout": (4, b"\xfe\xff\0\0"),
                    "sizes": (8, b"\xff" * 24)}[how]
    spoil(page, offset, data)

    daemon.start(within=20)

    assert asks(ports[0], 10) == ["hello"] * 10
    assert listeners(ports[0]) == sockets[0]
    assert page.name.partition("-")[0] in daemon.log()
    after = pids(daemon)
    assert after["app-1"] == before["app-1"]
    assert generations(daemon)["app-1"] == numbers["app-1"]
    assert listeners(ports[1]) == sockets[1]
    steady.goes_on()
    assert daemon.status("app-0")["state"] == "ready"


@pytest.mark.limit(60)
def test_pages_that_are_gone(daemon, started):
    ports = start(daemon, started)
    sockets = listeners(ports[0])
    steady = started(Conversation(ports[1]))
    kill_supervisor(daemon)
    for path in [*daemon.runtime.glob("board-app-0.*"), *daemon.runtime.glob("traffic-app-0.*")]:
        path.unlink()
    assert ask(ports[0]) == "hello"         # they have it mapped

    daemon.start(within=20)

    assert asks(ports[0], 10) == ["hello"] * 10
    assert listeners(ports[0]) == sockets
    steady.goes_on()


@pytest.mark.limit(60)
def test_a_runtime_directory_that_is_gone(daemon, started):
    """Nothing can be adopted from it. The processes that were left hold their ports: the start
    says so, and does not share clients with them in silence."""
    ports = start(daemon, started)
    left = kill_supervisor(daemon)
    for path in daemon.runtime.iterdir():
        path.unlink()
    daemon.runtime.rmdir()

    daemon.launch()

    until(lambda: "in use" in daemon.log() or all(not is_alive(pid) for pid in left),
          what="it says who holds the port")
    assert ask(ports[0]) == "hello"
    for pid in left:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.status("app-0")["state"] == "ready", 20, "it serves when it can")
    assert [outcome(port) for port in ports] == ["hello"] * 2
