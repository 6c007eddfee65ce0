"""Who lives and who has died: killing, adopting, and clients that look on meanwhile."""
import itertools
import os
import signal
import threading
import time
from pathlib import Path

from .clients import connect, outcome
from .machine import SLOWNESS, is_alive, until


def kill_supervisor(daemon):
    """kill -9; the pids of those that are left."""
    daemon.process.kill()
    daemon.process.wait()
    daemon.process = None
    return sorted(pid for pid, _ in daemon.children())


def launch_successor(daemon, within=20):
    """Another supervisor, after one was killed. In the midst of an upgrade its guard may be faster:
    then that one is killed as well, so that the scenario has its pid."""
    for _ in range(3):
        daemon.launch()
        status = until(daemon.try_status, within, "a supervisor answers")
        pid = status["supervisor"]["pid"]
        if pid == daemon.pid:
            return
        assert daemon.process.wait(within * SLOWNESS) == 2, "it must find the guard there"
        daemon.process = None
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), what="it has ended")
    raise AssertionError("there is always another one")


def pids(daemon):
    """{"prober": pid, app: pid of its worker}; empty while no supervisor answers."""
    status = daemon.try_status()
    if status is None:
        return {}
    return {"prober": status["prober"]["pid"],
            **{app["name"]: app["worker"]["pid"] for app in status["apps"]}}


def generations(daemon):
    return {app["name"]: app["generation"] for app in daemon.status()["apps"]}


def replaced(daemon, name, killed, within=10):
    """Waits until another process is in the place of `killed`; its pid."""
    def another():
        pid = pids(daemon).get(name)
        return pid if pid not in (None, 0, killed) else None

    return until(another, within, f"another one serves as {name}")


def kill(pid, number=signal.SIGKILL):
    """When this returns, it is gone."""
    os.kill(pid, number)
    until(lambda: not is_alive(pid), what=f"process {pid} is gone")


def crashes(daemon):
    return daemon.sql("SELECT process, app, pid, signal FROM crashes ORDER BY id")


def roles(daemon):
    """{pid: executable} of all processes of this daemon."""
    return {pid: Path(words[0]).name for pid, words in daemon.children()
            if words}                   # else it is ending


def listeners(port):
    """The kernel's numbers of the sockets that listen on this port: others are other sockets."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                found.add(fields[9])
    return found


class Conversation:
    """A long connection to an echo: bytes go and come back all the time, checked, until it is
    finished. `done` counts the exchanges, `trouble` says what went wrong."""

    def __init__(self, port, pause=0.01):
        self.done = 0
        self.trouble = None
        self._pause = pause
        self._ends = threading.Event()
        self._sock = connect(port, timeout=30)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            for number in itertools.count():
                if self._ends.wait(self._pause):
                    return
                self._exchange(b"%d;" % number * 100)
                self.done += 1
        except OSError as error:
            self.trouble = error

    def _exchange(self, data):
        self._sock.sendall(data)
        came = b""
        while len(came) < len(data):
            part = self._sock.recv(65536)
            if not part:
                raise ConnectionError("it was ended by the other side")
            came += part
        if came != data:
            raise ConnectionError(f"sent {data[:20]}, came {came[:20]}")

    def goes_on(self, exchanges=20):
        """Waits until some more exchanges are done: what happened meanwhile did it no harm."""
        goal = self.done + exchanges
        until(lambda: self.trouble or self.done >= goal, what="the connection goes on")
        assert self.trouble is None, self.trouble

    def close(self):
        self._ends.set()
        self._thread.join()
        self._sock.close()


class Crowd:
    """`count` clients that ask again and again, each as soon as it is answered. Results are
    (begin, end, outcome), the times monotonic."""

    def __init__(self, port, count=4, timeout=20, pause=0.005):
        self.port, self.timeout, self.pause = port, timeout, pause
        self.results = []
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        while not self._ends.wait(self.pause * SLOWNESS):
            begin = time.monotonic()
            said = outcome(self.port, timeout=self.timeout * SLOWNESS)
            self.results.append((begin, time.monotonic(), said))

    def goes_on(self, count=20, within=20):
        """Waits until so many more have been answered."""
        goal = len(self.results) + count
        until(lambda: len(self.results) >= goal, within, "clients are answered")

    def finish(self):
        self.close()
        return sorted(self.results)

    def unlucky(self, *good):
        """Those that got anything else, when the last one is done; "hello" is good."""
        return [result for result in self.finish() if result[2] not in (good or ("hello",))]

    def close(self):
        self._ends.set()
        for thread in self._threads:
            thread.join()
