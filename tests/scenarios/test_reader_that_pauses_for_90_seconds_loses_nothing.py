"""A reader that stops reading for 90 s (zero window) loses nothing: no timer of ours cuts it.

Longer than any keepalive or retransmission would bear by mistake; since Linux 5.11
TCP_USER_TIMEOUT cuts such a reader, which is why `user_timeout` is off by default.
"""
import hashlib
import random
import time

import pytest

from harness import Target, app, connect, free_ports

MEGABYTES = 24      # more than all socket buffers and a pipe on the way hold
PAUSE_S = 90


@pytest.mark.limit(200)
def test_a_reader_pauses_for_90_seconds(daemon, started):
    port, = free_ports(1)
    piece = random.Random(3).randbytes(1 << 20)
    expected = hashlib.sha256(piece * MEGABYTES).hexdigest()

    def serve(sock):
        sock.settimeout(PAUSE_S + 60)
        sock.recv(1)
        for _ in range(MEGABYTES):
            sock.sendall(piece)

    daemon.write_apps(app("patient", port, [started(Target(serve))], probe='kind = "none";'))
    daemon.start()
    with connect(port, timeout=60) as sock:
        sock.sendall(b"?")
        digest = hashlib.sha256(sock.recv(1000))
        time.sleep(PAUSE_S)     # what is tested
        while data := sock.recv(1 << 20):
            digest.update(data)
    assert digest.hexdigest() == expected
