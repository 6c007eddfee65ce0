"""64 MB each way at the same time arrive as they were sent."""
import hashlib
import random
import socket
import threading
import time

import pytest

from harness import Target, app, connect, echo, free_ports

MEGABYTES = 64
PIECE = random.Random(1).randbytes(1 << 20)


def send_numbered(sock, count, salt):
    """Megabytes that all differ. Returns their checksum."""
    digest = hashlib.sha256()
    for number in range(count):
        piece = f"{salt}{number:8}".encode() + PIECE[len(salt) + 8:]
        digest.update(piece)
        sock.sendall(piece)
    sock.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def receive(sock, pause=None):
    digest, count = hashlib.sha256(), 0
    while data := sock.recv(1 << 20):
        digest.update(data)
        count += len(data)
        if pause:
            pause()
    return digest.hexdigest(), count


def exchange(sock, count, salt, results, pause=None):
    """Sends and receives at once."""
    def send():
        results["sent"] = send_numbered(sock, count, salt)

    sender = threading.Thread(target=send)
    sender.start()
    results["received"], results["bytes"] = receive(sock, pause)
    sender.join()


def run(daemon, started, count, pause=None):
    port, = free_ports(1)
    at_target, at_client, target_done = {}, {}, threading.Event()

    def serve(sock):
        exchange(sock, count, "target", at_target)
        target_done.set()

    target = started(Target(serve))
    daemon.write_apps(app("bulk", port, [target], probe='kind = "none";'))
    daemon.start()

    with connect(port, timeout=60) as sock:
        exchange(sock, count, "client", at_client, pause)
    assert target_done.wait(20)

    assert at_client["bytes"] == at_target["bytes"] == count << 20
    assert at_client["received"] == at_target["sent"]
    assert at_target["received"] == at_client["sent"]


@pytest.mark.limit(60)
def test_64_megabytes_both_ways_at_once(daemon, started):
    run(daemon, started, MEGABYTES)


@pytest.mark.limit(60)
def test_a_reader_that_pauses_now_and_then_misses_nothing(daemon, started):
    chance = random.Random(2)

    def pause():
        if chance.random() < 0.05:
            time.sleep(0.02)

    run(daemon, started, 16, pause)


@pytest.mark.limit(60)
def test_bulk_and_small_messages_in_turn_on_one_connection(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("turns", port, [started(Target(echo))], probe='kind = "none";'))
    daemon.start()

    with connect(port) as sock:
        for number in range(20):
            bulk = PIECE[number * 1000:]
            sender = threading.Thread(target=sock.sendall, args=(bulk,))
            sender.start()
            assert receive_exactly(sock, len(bulk)) == bulk
            sender.join()
            for small in range(1, 50):
                message = PIECE[small:small + small * number + 1]
                sock.sendall(message)
                assert receive_exactly(sock, len(message)) == message


def receive_exactly(sock, count):
    parts = []
    while count > 0:
        parts.append(sock.recv(min(count, 1 << 20)))
        assert parts[-1]
        count -= len(parts[-1])
    return b"".join(parts)
