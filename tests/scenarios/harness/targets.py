"""Targets, good and bad. In the test's own process, or processes of their own to kill."""
import socket
import subprocess
import sys
import threading

from .machine import BIN, free_port


def echo(sock):
    while data := sock.recv(65536):
        sock.sendall(data)


def greet(name):
    """Says its name first, and is an echo then."""
    def serve(sock):
        sock.sendall(name.encode())
        echo(sock)
    return serve


def answer(text):
    """Reads until FIN, then says `text`."""
    def serve(sock):
        while sock.recv(65536):
            pass
        sock.sendall(text.encode())
    return serve


def occupy(port, reuse_port=False, host="127.0.0.1"):
    """Listens there as a foreign program would, until it is closed."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    sock.listen()
    return sock


class Target:
    """Calls serve(sock) in a thread for each connection, and closes it afterwards."""

    def __init__(self, serve=echo, port=None, host="127.0.0.1", backlog=1024,
                 receive_buffer=None):
        self.port = port or free_port()
        self.host = host
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.accepted = 0
        self.errors = []
        self._serve = serve
        self._stops = False
        self._connections = set()
        self._fillers = []
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind((host, self.port))
        self._listener.listen(backlog)
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while not self._stops:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            sock.settimeout(None)
            self.accepted += 1
            self._connections.add(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        try:
            self._serve(sock)
        except OSError as error:
            self.errors.append(error)
        self._connections.discard(sock)
        sock.close()

    def stop_accepting(self):
        """Connections that come now wait in the kernel's queue."""
        self._stops = True
        self._thread.join()

    def become_black_hole(self):
        """From now on no SYN is answered: the queue is as short as it can be, and full.
        Connections that are open stay open."""
        self.stop_accepting()
        self._listener.listen(0)
        for _ in range(8):
            sock = socket.socket(self._listener.family)
            sock.settimeout(0.3)
            self._fillers.append(sock)
            try:
                sock.connect((self.host, self.port))
            except TimeoutError:
                return
        raise AssertionError("connections still come through")

    def close(self):
        self.stop_accepting()
        self._listener.close()
        for sock in self._fillers:
            sock.close()
        for sock in list(self._connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)     # wakes the thread that reads from it
            except OSError:
                pass

    @classmethod
    def black_hole(cls):
        target = cls()
        target.become_black_hole()
        return target


class EchoProcess:
    """`ftest echo`: a process that can be killed or stopped. Answers with its name, or with
    what it was sent."""

    def __init__(self, name=None, port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        command = [BIN / "ftest", "echo", "--listen", self.address]
        if name is not None:
            command += ["--reply", name]
        self._run(command)

    def _run(self, command):
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert "listening" in self._process.stdout.readline()
        self.pid = self._process.pid

    def kill(self):
        self._process.kill()
        self._process.wait()

    def signal(self, number):
        self._process.send_signal(number)

    def close(self):
        if self._process.poll() is None:
            self.kill()
        self._process.stdout.close()


class SmallQueue(EchoProcess):
    """The same with a queue of a few connections only: stopped (SIGSTOP), it soon is full."""

    PROGRAM = """
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(4)
print("listening", flush=True)
while True:
    sock, _ = listener.accept()
    sock.settimeout(5)
    try:
        if sock.recv(65536):
            sock.sendall(sys.argv[2].encode())
    except OSError:
        pass
    sock.close()
"""

    def __init__(self, name):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._run([sys.executable, "-c", self.PROGRAM, str(self.port), name])
