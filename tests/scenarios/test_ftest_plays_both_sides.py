"""ftest alone: its clients against its own targets, without a proxy between them."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import BIN, SLOWNESS, ask, connect, free_port, read_all, until


class Targets:
    """`ftest echo` on free ports."""

    def __init__(self, *options, count=1):
        addresses = ["127.0.0.1:0"] * count
        self.process = subprocess.Popen([BIN / "ftest", "echo", *options, *addresses],
                                        text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = [self.process.stdout.readline() for _ in addresses]
        self.ports = [int(re.fullmatch(r"listening on 127.0.0.1:(\d+)\n", line)[1])
                      for line in lines]
        self.port = self.ports[0]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        _, errors = self.process.communicate(timeout=10 * SLOWNESS)
        assert self.process.returncode == 0, errors


def ftest(*arguments, status=0, timeout=30):
    done = subprocess.run([BIN / "ftest", *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout * SLOWNESS)
    assert done.returncode == status, f"status {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def measure(port, *arguments, status=0):
    return json.loads(ftest("simulate", f"127.0.0.1:{port}", "--json", *arguments,
                            status=status))


def test_ping_tells_the_parts_of_each_exchange(started):
    targets = started(Targets())
    report = json.loads(ftest("ping", f"127.0.0.1:{targets.port}", "-n", 5, "-d", "hi",
                              "--json"))

    assert (report["sent"], report["answered"], report["failed"]) == (5, 5, 0)
    for ping in report["pings"]:
        assert ping["reply"] == "hi"
        parts = ping["dial_ms"] + ping["write_ms"] + ping["read_ms"]
        assert parts == pytest.approx(ping["response_ms"], abs=0.01)


def test_ping_to_a_closed_port_says_no():
    assert "connect_refused" in ftest("ping", f"127.0.0.1:{free_port()}", status=1)


def test_balancer_compares_in_order(started):
    targets = started(Targets("--reply", "x"))
    address = f"127.0.0.1:{targets.port}"

    assert "2 matched, 0 did not" in ftest("balancer", address, "-d", "1,2", "-e", "x,x")
    assert "1 matched, 1 did not" in ftest("balancer", address, "-d", "1,2", "-e", "x,y",
                                           status=1)
    ftest("balancer", address, "-d", "1,2", "-e", "x", status=2)


def test_simulate_counts_what_it_asked_for(started):
    targets = started(Targets())
    report = measure(targets.port, "-c", 20, "-n", 1000, "-d", "hello world")

    assert (report["succeeded"], report["failed"], report["failures"]) == (1000, 0, {})
    assert report["connect_ms"]["count"] == report["response_ms"]["count"] == 1000
    assert report["bytes_sent"] == report["bytes_received"] == 11000
    assert sum(row["count"] for row in report["histogram"]) == 1000


def test_kept_connections_are_made_once(started):
    targets = started(Targets())
    report = measure(targets.port, "-c", 7, "-n", 700, "--keep")

    assert report["succeeded"] == 700
    assert report["connect_ms"]["count"] == 7


def test_large_requests_come_back_whole(started):
    targets = started(Targets())
    report = measure(targets.port, "-c", 2, "-n", 8, "--size", "8m", "--eof")

    assert (report["succeeded"], report["bytes_received"]) == (8, 8 << 23)


def test_one_failure_does_not_end_the_report(started):
    """The target answers one client in two; the others get FIN, RST or another text."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    run = subprocess.Popen([BIN / "ftest", "simulate", f"127.0.0.1:{port}", "-c", "1",
                            "-n", "6", "--json"], stdout=subprocess.PIPE, text=True)
    linger = (socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.settimeout(10 * SLOWNESS)
    for reply in (b"hello", b"", b"hello", None, b"hello", b"help!"):
        with server.accept()[0] as client:
            client.recv(5)
            if reply is None:
                client.setsockopt(*linger)
            else:
                client.sendall(reply)
    server.close()
    report = json.loads(run.communicate(timeout=20 * SLOWNESS)[0])

    assert run.returncode == 1
    assert report["succeeded"] == 3
    assert report["failures"] == {"unexpected_eof": 1, "connect_reset": 1, "mismatch": 1}


def test_an_open_loop_counts_from_when_a_request_was_due(started):
    """One connection, answers after 100 ms, a request due every 20 ms: each waits longer."""
    targets = started(Targets("--delay", "100ms"))
    report = measure(targets.port, "-c", 1, "-n", 10, "-r", 50)

    assert report["succeeded"] == 10
    assert report["response_ms"]["min"] >= 95
    assert report["response_ms"]["max"] >= 10 * 100 - 9 * 20 - 10


def test_what_cannot_start_in_time_is_a_failure_of_its_own(started):
    targets = started(Targets("--black-hole"))
    report = measure(targets.port, "-c", 1, "-n", 5, "-r", 100, "--timeout", "300ms", status=1)

    failures = report["failures"]
    assert sum(failures.values()) == 5
    assert 1 <= failures["connect_timeout"] <= 2    # those that had their 300 ms
    assert set(failures) == {"connect_timeout", "not_started"}


def catches(pid, number):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"SigCgt:\s+(\w+)", status)[1], 16) >> (number - 1) & 1


def test_an_interrupted_run_reports_what_it_has(started):
    targets = started(Targets())
    run = subprocess.Popen([BIN / "ftest", "simulate", f"127.0.0.1:{targets.port}", "-t", "60s",
                            "-r", "200", "--json"], stdout=subprocess.PIPE, text=True)
    until(lambda: catches(run.pid, signal.SIGINT), what="it hears signals")
    time.sleep(0.5 * SLOWNESS)
    run.send_signal(signal.SIGINT)
    report = json.loads(run.communicate(timeout=10 * SLOWNESS)[0])

    assert run.returncode == 0
    assert report["interrupted"] and report["succeeded"] > 0


def test_echo_answers_everything_before_it_closes(started):
    targets = started(Targets())
    data = os.urandom(300_000)
    with connect(targets.port) as client:
        client.setblocking(False)
        sent, got = 0, b""
        while sent < len(data):
            readable, writable, _ = select.select([client], [client], [], 10)
            if readable:
                got += client.recv(65536)
            if writable:
                sent += client.send(data[sent:])
        client.settimeout(10)
        client.shutdown(socket.SHUT_WR)
        got += read_all(client)

    assert got == data


def test_a_black_hole_lets_connections_hang(started):
    targets = started(Targets("--black-hole", count=2))

    for port in targets.ports:
        with pytest.raises(TimeoutError):
            connect(port, timeout=0.4)


def test_echo_survives_more_clients_than_descriptors(started):
    """It accepts again as soon as a descriptor is free, and does not spin meanwhile."""
    process = subprocess.Popen(["sh", "-c", 'ulimit -n 32; exec "$0" echo 127.0.0.1:0',
                                BIN / "ftest"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        clients = [connect(port) for _ in range(60)]
        time.sleep(0.3)
        for client in clients:
            client.close()
        until(lambda: ask(port) == "hello", 5, "it answers again")
        with open(f"/proc/{process.pid}/stat") as stat:
            ticks = sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
        assert ticks / os.sysconf("SC_CLK_TCK") < 0.25 * SLOWNESS
    finally:
        process.terminate()
        process.communicate()
