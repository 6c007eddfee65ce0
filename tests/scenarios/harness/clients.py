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


class Talk:
    """A connection that talks with an echo all the while: `said` is what came back intact.
    `ended` is None while it lasts; then "fin", "reset", "timeout" or "garbled"."""

    def __init__(self, port, host="127.0.0.1", pause=0.02, greeting=0):
        self.sock = connect(port, host)
        self.greeting = b""
        while len(self.greeting) < greeting:
            part = self.sock.recv(greeting - len(self.greeting))
            assert part, "it was not greeted"
            self.greeting += part
        self.said = 0
        self.ended = None
        self.ended_at = None
        self._pause = pause
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        ended = None
        while ended is None and not self._ends.is_set():
            ended = self._exchange(b"%015d|" % self.said)
            self._ends.wait(self._pause)
        self.ended_at = time.monotonic()
        self.ended = ended or "closed"
        self.sock.close()

    def _exchange(self, words):
        try:
            self.sock.sendall(words)
            back = b""
            while len(back) < len(words):
                part = self.sock.recv(len(words) - len(back))
                if not part:
                    return "fin"
                back += part
        except TimeoutError:
            return "timeout"
        except OSError:
            return "reset"
        if back != words:
            return "garbled"
        self.said += 1
        return None

    def lasts(self):
        """It goes on: something more comes back from now on."""
        said = self.said
        deadline = time.monotonic() + TIMEOUT_S
        while self.ended is None and self.said < said + 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.ended is None and self.said >= said + 2

    def close(self):
        self._ends.set()
        self._thread.join()


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

    def failed(self, *answers):
        """Those that got none of these answers until now."""
        return [result for result in list(self.results) if result[2] not in answers]

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
