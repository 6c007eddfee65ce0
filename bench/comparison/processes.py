"""Processes of a measurement: starting, pinning, finding, measuring and ending them."""

import atexit
import os
import signal
import socket
import subprocess
import time

PROXY_CPU, PEER_CPU = 0, 1
_running = []


def pin(cpu):
    """What a child does before exec: it stays on one core, where there are two."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        return lambda: None
    return lambda: os.sched_setaffinity(0, {cpus[cpu]})


def start(command, cpu, **options):
    process = subprocess.Popen([str(word) for word in command], preexec_fn=pin(cpu), **options)
    _running.append(process)
    return process


def family(pid):
    """The process and its descendants: [(pid, name)]."""
    children = {}
    names = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                text = stat.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:].rsplit(")", 1)
        names[int(entry)] = name
        children.setdefault(int(rest.split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        if one in names:
            found.append((one, names[one]))
        todo += children.get(one, [])
    return found


def end(process):
    """Ends a process and its descendants: asked first, then made to."""
    pids = [pid for pid, _ in family(process.pid)] if process.poll() is None else []
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if process in _running:
        _running.remove(process)


def end_all():
    for process in list(_running):
        end(process)


atexit.register(end_all)


def pss_bytes(process):
    """Memory of a process and its descendants, shared pages counted by share."""
    total = 0
    for pid, _ in family(process.pid):
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def free_port(addresses):
    """A port that is free on all the addresses."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind((addresses[0], 0))
            port = probe.getsockname()[1]
        try:
            for address in addresses:
                with socket.socket() as probe:
                    probe.bind((address, port))
            return port
        except OSError:
            continue
    raise SystemExit("compare: no free port found")


def wait_until(what, condition, seconds=15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit(f"compare: {what} did not happen within {seconds} s")
