"""The machine: binaries, ports, processes, time."""
import os
import random
import signal
import socket
import time
from pathlib import Path

BIN = Path(os.environ.get("FPROXY_BIN", "build/release/bin")).resolve()


def _sanitized():
    try:
        binary = (BIN / "fproxy-worker").read_bytes()
    except OSError:
        return False
    return b"__asan_init" in binary or b"__tsan_init" in binary


SANITIZED = _sanitized()
SLOWNESS = 3 if SANITIZED else 1


def until(condition, within=10, what="it"):
    """Waits until the condition holds, and returns what it returned; fails after `within` s."""
    deadline = time.monotonic() + within * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not so within {within * SLOWNESS} s")
        time.sleep(0.01)


def _is_free(port):
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            sock.bind(("::", port))
            return True
        except OSError:
            return False


_given = {}                 # port -> the socket that claims it as long as this process lives


def _claim(port):
    """Tests that run beside this one are not given it: a name in the abstract namespace."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(f"\0fproxy.tests.port.{port}")
    except OSError:
        sock.close()
        return False
    _given[port] = sock
    return True


def free_ports(count):
    """Below the range from which the kernel takes the ports of clients."""
    found = []
    for _ in range(10000):
        port = random.randrange(12000, 32000)
        if port not in _given and _claim(port) and _is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no ports are free")


def free_port():
    return free_ports(1)[0]


def is_alive(pid):
    """Runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def hang(pid):
    """SIGSTOP, and back when every thread stands still: the kernel takes a moment."""
    def still():
        return all(stat.read_text().rpartition(")")[2].split()[0] == "T"
                   for stat in Path(f"/proc/{pid}/task").glob("*/stat"))

    os.kill(pid, signal.SIGSTOP)
    until(still, what=f"process {pid} stands still")


def cpu_seconds(pid):
    """User and system time of all threads, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_bytes(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Pss")
