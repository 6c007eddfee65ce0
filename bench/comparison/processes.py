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
    """What a child does before exec: it stays on one core, where there are two. None: any."""
    cpus = sorted(os.sched_getaffinity(0))
    if cpu is None or len(cpus) < 2:
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


def end(process, patience_s=3):
    """Ends a process and its descendants: asked first, then made to."""
    pids = [pid for pid, _ in family(process.pid)] if process.poll() is None else []
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience_s)
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


def pss_of(pid):
    """0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
            return sum(int(line.split()[1]) * 1024 for line in rollup
                       if line.startswith("Pss:"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def pss_bytes(process):
    """Memory of a process and its descendants, shared pages counted by share."""
    return sum(pss_of(pid) for pid, _ in family(process.pid))


def cpu_seconds(process):
    """Processor time that a process and its descendants have used, with those that ended
    and were waited for. In steps of a clock tick."""
    ticks = 0
    for pid, _ in family(process.pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                ticks += sum(int(word) for word in stat.read().rsplit(")", 1)[1].split()[11:15])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def used_seconds(process):
    """The same, to the nanosecond for what runs; of what ended and was waited for, in steps of a
    clock tick. Threads that ended in a process that goes on are not counted."""
    used = 0.0
    for pid, _ in family(process.pid):
        used += run_seconds(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                waited = stat.read().rsplit(")", 1)[1].split()[13:15]
                used += sum(int(word) for word in waited) / os.sysconf("SC_CLK_TCK")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return used


def run_seconds(pid):
    """The same of the threads that a process has now, to the nanosecond."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as stat:
                total += int(stat.read().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total / 1e9


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


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


def free_block(count):
    """`count` ports in a row that are free on 127.0.0.1, below the range that the kernel
    takes ports of outgoing connections from."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="utf-8") as range_:
        low = int(range_.read().split()[0])
    for first in range(low - count, 1024, -count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            return list(range(first, first + count))
        except OSError:
            continue
    raise SystemExit(f"no {count} free ports in a row below {low}")


def wait_until(what, condition, seconds=15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit(f"compare: {what} did not happen within {seconds} s")
