"""Clients."""
import errno
import socket
import struct
import threading
import time

TIMEOUT_S = 10


def connect(port, host="127.0.0.1", timeout=TIMEOUT_S, receive_buffer=None, segment=None):
    """`segment` is the most bytes of a packet that comes in; 65,483 on loopback otherwise."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if segment:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
    sock.settimeout(timeout)
    try:
        sock.connect((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def read_all(sock):
    """Until FIN."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def ask(port, data=b"hello", host="127.0.0.1", timeout=TIMEOUT_S):
    """One whole exchange: sends, ends, and returns all that came back, as text."""
    with connect(port, host, timeout) as sock:
        sock.sendall(data)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:   # what it says after a RST
                raise
        return read_all(sock).decode()


def asks(port, count, **options):
    return [ask(port, **options) for _ in range(count)]


def ending(sock):
    """How the other side ended the connection: "fin", "reset", or "open" after the timeout."""
    try:
        while sock.recv(65536):
            pass
        return "fin"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "open"


def outcome(port, **options):
    """What an exchange came to: the answer, or "refused", "reset", "timeout"."""
    try:
        return ask(port, **options)
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    except TimeoutError:
        return "timeout"


def reset(sock):
    """Ends the connection with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Load:
    """Clients that come one after the other, `rate` a second, whether earlier ones are done
    or not. Results are (begin, seconds it took, outcome), the times monotonic."""

    def __init__(self, port, rate, timeout=TIMEOUT_S):
        self.port, self.rate, self.timeout = port, rate, timeout
        self.results = []
        self._ends = threading.Event()
        self._clients = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        begin = time.monotonic()
        while not self._ends.wait(max(0, begin + len(self._clients) / self.rate
                                      - time.monotonic())):
            client = threading.Thread(target=self._client, daemon=True)
            self._clients.append(client)
            client.start()

    def _client(self):
        begin = time.monotonic()
        said = outcome(self.port, timeout=self.timeout)
        self.results.append((begin, time.monotonic() - begin, said))

    def done(self):
        """How many are done."""
        return len(self.results)

    def finish(self):
        """No more clients; the results when the last is done."""
        self.close()
        assert len(self.results) == len(self._clients)
        return sorted(self.results)

    def close(self):
        self._ends.set()
        self._thread.join()
        for client in self._clients:
            client.join()
