"""Two thousand clients ask for gigabytes and do not read: the worker keeps no more than a few
kilobytes for each, and everybody else is served as ever."""
import selectors
import socket
import threading
import time

import pytest

from harness import (SANITIZED, SLOWNESS, app, ask, connect, free_port, free_ports, own_network,
                     pss_bytes, until)

READERS = 300 if SANITIZED else 2000
SPILL_BYTES = 16 << 10          # at most this is kept of a client that does not read
MORE_BYTES = 4 << 10            # what a connection takes anyway
PIECE = bytes(64 << 10)
# As on Ethernet. With loopback's own the kernel keeps 5 MB for each reader, which is more than
# it has for all TCP together (tcp_mem); then it slows down everybody, and resets connections.
SEGMENT_BYTES = 1460


class Flood:
    """Sends without end to those who say "flood", and says "ok" and FIN to others."""

    def __init__(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.sent = 0
        self.last_sent = time.monotonic()
        self._stops = False
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(4096)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stops:
            for key, events in self._selector.select(0.05):
                try:
                    self._ready(key.fileobj, events)
                except OSError:
                    self._end(key.fileobj)

    def _ready(self, sock, events):
        if sock is self._listener:
            client, _ = sock.accept()
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)
        elif events & selectors.EVENT_WRITE:
            self.sent += sock.send(PIECE)
            self.last_sent = time.monotonic()
        elif sock.recv(100) == b"flood":
            self._selector.modify(sock, selectors.EVENT_WRITE)
        else:
            sock.send(b"ok")
            self._end(sock)

    def _end(self, sock):
        self._selector.unregister(sock)
        sock.close()

    def close(self):
        self._stops = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            self._end(key.fileobj)


@pytest.fixture
def small_network():
    """For the same reason; this halves what is left."""
    with own_network(tcp_wmem="4096 16384 65536", tcp_rmem="4096 65536 65536"):
        yield


@pytest.mark.limit(90)
@pytest.mark.usefixtures("small_network")
def test_memory_stays_bounded_and_others_are_served(daemon, started):
    port, = free_ports(1)
    flood = started(Flood())
    daemon.write_apps(app("flood", port, [flood]))
    daemon.start()
    assert [ask(port) for _ in range(200)] == ["ok"] * 200      # whatever is made on first use
    worker = daemon.worker_pid("flood")
    before = pss_bytes(worker)

    readers = []
    try:
        for _ in range(READERS):
            readers.append(connect(port, receive_buffer=4 << 10, segment=SEGMENT_BYTES))
            readers[-1].sendall(b"flood")
        until(lambda: time.monotonic() - flood.last_sent > 1, 30, "nothing moves any more")
        assert flood.sent > READERS * len(PIECE)                # all of them were at it

        grown = pss_bytes(worker) - before
        assert grown < READERS * (SPILL_BYTES + MORE_BYTES) * SLOWNESS, grown / READERS

        begin = time.monotonic()
        assert [ask(port) for _ in range(20)] == ["ok"] * 20
        assert time.monotonic() - begin < 5 * SLOWNESS

        # Those who begin to read after all get on with it.
        got = 0
        while got < 4 << 20:
            got += len(readers[0].recv(1 << 20))
    finally:
        for reader in readers:
            reader.close()
    until(lambda: daemon.status("flood")["connections"] == 0, 20, "all are gone")
