"""fproxy with very many apps: start, memory, idling, and a change, against their goals."""

import http.client
import json
import socket
import time

from . import changes, processes
from .fleet import Fleet, knows_changes
from .workloads import MB

KERNEL_FIELDS = ("KernelStack", "PageTables", "SUnreclaim")
SETTLE_S = 5


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def status(fleet):
    connection = UnixConnection(fleet.runtime / "admin.sock")
    connection.request("GET", "/v1/status")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["apps"]


def kernel_bytes():
    with open("/proc/meminfo", encoding="utf-8") as info:
        return sum(int(line.split()[1]) * 1024 for line in info
                   if line.split(":")[0] in KERNEL_FIELDS)


def by_role(family, measure):
    """{name of the executable: sum of measure(pid)}"""
    sums = {}
    for pid, name in family:
        sums[name] = sums.get(name, 0) + measure(pid)
    return sums


def role(name):
    """The main thread of a process may have renamed itself; all of ours begin alike."""
    return name.removeprefix("fproxy-") if name != "fproxy" else "supervisor"


def idle_percent(fleet, seconds):
    """{role: % of a core} while nothing happens."""
    family = fleet.family()
    before, begun = by_role(family, processes.run_seconds), time.monotonic()
    time.sleep(seconds)
    after, took = by_role(family, processes.run_seconds), time.monotonic() - begun
    return {name: (after[name] - before[name]) / took * 100 for name in before}


def spread(prefix, sums, factor=1.0):
    return {f"{prefix}_{role(name)}": value * factor for name, value in sorted(sums.items())}


def start(bench, targets, apps, pool, interval):
    return Fleet("fproxy", bench, processes.free_block(apps),
                 targets.addresses[changes.MARKS[0]], interval, pool)


def footprint(fleet, apps, kernel_before):
    family = fleet.family()
    pss = by_role(family, processes.pss_of)
    ready = sum(1 for app in status(fleet) if app["ready"])
    return {"not_ready": apps - ready, "processes": len(family),
            "pss_mb": sum(pss.values()) / MB, "pss_kb_app": sum(pss.values()) / 1024 / apps,
            **spread("pss_mb", pss, 1 / MB),
            "kernel_kb_app": (kernel_bytes() - kernel_before) / 1024 / apps,
            **spread("descriptors", by_role(family, processes.descriptors))}


def idle(bench, targets, apps, pool, seconds):
    """With probes every 5 s."""
    fleet = start(bench, targets, apps, pool, "5s")
    try:
        time.sleep(SETTLE_S)
        used = idle_percent(fleet, seconds)
    finally:
        fleet.end()
    return {"idle_5s_percent": sum(used.values()), **spread("idle_5s_percent", used)}


def start_and_footprint(bench, targets, apps, pool, seconds):
    """With probes every 60 s."""
    kernel_before = kernel_bytes()
    fleet = start(bench, targets, apps, pool, "60s")
    try:
        cpu = by_role(fleet.family(), processes.run_seconds)
        time.sleep(SETTLE_S)
        result = {"start_s": fleet.start_s, "start_cpu_s": sum(cpu.values()),
                  **spread("start_cpu_s", cpu), **footprint(fleet, apps, kernel_before)}
        used = idle_percent(fleet, seconds)
    finally:
        fleet.end()
    return {**result, "idle_60s_percent": sum(used.values())}


def change(bench, apps, pool, count, rate):
    """By the command and by the watcher."""
    result = {}
    for way, prefix in (("fproxy", "reload"), ("fproxy-watch", "watch")):
        got = changes.measure(bench, way, apps, count, rate, pool)
        result |= {f"{prefix}_{key}": got[key] for key in
                   ("effective_ms", "effective_worst_ms", "never_effective", "cpu_ms", "failed",
                    "polls_failed", "pss_peak_mb", "left_over")}
    return result


def measure(bench, apps, pool, count, rate, seconds):
    targets = changes.Targets(bench)
    result = start_and_footprint(bench, targets, apps, pool, seconds)
    result |= idle(bench, targets, apps, pool, seconds)
    targets.end()
    if knows_changes(bench.fproxy):
        result |= change(bench, apps, pool, count, rate)
    return result
