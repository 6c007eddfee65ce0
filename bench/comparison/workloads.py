"""The workloads: each function measures one proxy once and returns {metric: number}."""

import json
import os
import signal
import subprocess
import time

from . import processes
from .proxies import Proxy
from .trace import ConnectTrace

IDLE_CONNECTIONS = 5000
MB = 1 << 20
TARGETS = 4


class Bench:
    """What all workloads share: the tools, a directory, and how long to measure."""

    def __init__(self, tools, directory, fproxy, seconds):
        self.tools = tools
        self.directory = directory
        self.fproxy = fproxy
        self.seconds = seconds
        self.started = 0

    def backend(self, addresses, mark="-", backlog=4096):
        process = processes.start([self.tools / "bench_backend", "--listen", ",".join(addresses),
                                   "--mark", mark, "--backlog", backlog], processes.PEER_CPU,
                                  stdout=subprocess.PIPE)
        if process.stdout.readline() != b"ready\n":
            raise SystemExit("compare: a backend does not start")
        return process

    def proxy(self, name, targets, checks=None):
        self.started += 1
        return Proxy(name, self.directory / f"{self.started}-{name}", targets, checks,
                     self.fproxy)

    def load_start(self, mode, to, **options):
        words = [word for key, value in options.items()
                 for word in (f"--{key.replace('_', '-')}", value)]
        return processes.start([self.tools / "bench_load", mode, "--to", to, *words],
                               processes.PEER_CPU, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)

    def load(self, mode, to, **options):
        return finish(self.load_start(mode, to, **options))


def finish(load):
    out, _ = load.communicate()
    processes.end(load)
    if load.returncode != 0:
        raise SystemExit("compare: the load generator failed")
    result = json.loads(out.splitlines()[-1])
    result["failed"] = sum(result[kind] for kind in
                           ("refused", "reset", "eof", "timeout", "other"))
    return result


def target_addresses():
    hosts = [f"127.0.1.{i + 1}" for i in range(TARGETS)]
    port = processes.free_port(hosts)
    return [f"{host}:{port}" for host in hosts]


# ---- how much work a proxy does, and what it costs ------------------------------------

def operations(mode, clients):
    def run(bench, to, pids):
        got = bench.load(mode, to, clients=clients, seconds=bench.seconds, cpu_of=pids)
        return {"rate": got["ops"] / got["seconds"], "p50_us": got["p50_us"],
                "p99_us": got["p99_us"], "cpu_us": got["cpu_ns"] / 1e3 / max(got["ops"], 1),
                "failed": got["failed"]}
    return run


def transfer(clients, answer_bytes):
    def run(bench, to, pids):
        got = bench.load("keep", to, clients=clients, answer=answer_bytes,
                         seconds=bench.seconds, cpu_of=pids)
        megabytes = got["bytes"] / MB
        return {"rate": megabytes / got["seconds"],
                "cpu_us": got["cpu_ns"] / 1e3 / max(megabytes, 1e-9),
                "failed": got["failed"]}
    return run


THROUGHPUT = {
    "conn": operations("conn", 64),
    "msg64": operations("keep", 64),
    "msg1": operations("keep", 1),
    "bulk8": transfer(8, MB),
    "stream1": transfer(1, 1 << 50),
}


def throughput(bench, workload, names, rounds, progress):
    """Rounds in turn: what disturbs the machine disturbs all of them."""
    results = {name: [] for name in ["direct"] + names}
    targets = target_addresses()
    backend = bench.backend(targets)
    proxies = {name: bench.proxy(name, targets) for name in names}
    time.sleep(0.5)
    for number in range(rounds):
        for name in results:
            to = proxies[name].address if name in proxies else ",".join(targets)
            pids = proxies[name].pids() if name in proxies else ""
            results[name].append(THROUGHPUT[workload](bench, to, pids))
            progress(workload, number, name, results[name][-1])
    for proxy in proxies.values():
        proxy.end()
    processes.end(backend)
    return results


# ---- memory ---------------------------------------------------------------------------

def hold(bench, proxy):
    load = bench.load_start("hold", proxy.address, clients=IDLE_CONNECTIONS)
    line = load.stdout.readline()
    if line != f"held {IDLE_CONNECTIONS}\n":
        raise SystemExit(f"compare: {proxy.name}: only {line.strip()} connections")
    time.sleep(1)
    return load


def idle(bench, name):
    targets = target_addresses()
    backend = bench.backend(targets)
    proxy = bench.proxy(name, targets)
    fresh = processes.pss_bytes(proxy.process)
    finish(hold(bench, proxy))
    time.sleep(2)
    empty = processes.pss_bytes(proxy.process)
    load = hold(bench, proxy)
    full = processes.pss_bytes(proxy.process)
    finish(load)
    proxy.end()
    processes.end(backend)
    return {"bytes": (full - empty) / IDLE_CONNECTIONS,
            "bytes_from_start": (full - fresh) / IDLE_CONNECTIONS,
            "pss_fresh_kb": fresh / 1024, "pss_full_kb": full / 1024}


# ---- targets that fail ----------------------------------------------------------------

class Failing:
    """Four targets in four processes; the last one will fail.

    With a trace, each listens on one port of all addresses, and haproxy checks another address
    than it sends clients to: so its checks meet the same queue and are not counted as clients.
    The probes of fproxy are known by the name of their process.
    """

    def __init__(self, bench, name, backlog=4096):
        self.bench, self.backlog = bench, backlog
        ports = [processes.free_port(["0.0.0.0"]) for _ in range(TARGETS)]
        self.targets = [f"127.0.1.{i + 1}:{port}" for i, port in enumerate(ports)]
        self.port, self.target = ports[-1], self.targets[-1]
        self.traced = os.geteuid() == 0
        self.listens = [f"0.0.0.0:{port}" for port in ports] if self.traced else self.targets
        checks = [f"127.0.2.{i + 1}:{port}" for i, port in enumerate(ports)]
        self.backends = [bench.backend([address], backlog=backlog) for address in self.listens]
        self.proxy = bench.proxy(name, self.targets, checks if self.traced else None)
        time.sleep(1)

    def trace(self):
        """None: nobody may know who connects."""
        return ConnectTrace(self.port) if self.traced else None

    def load_start(self, rate, seconds):
        return self.bench.load_start("open", self.proxy.address, rate=rate, seconds=seconds,
                                     clients=8000, cpu_of=self.proxy.pids())

    def kill(self):
        self.backends[-1].kill()
        self.backends[-1].wait()

    def restart(self):
        self.backends[-1] = self.bench.backend([self.listens[-1]], backlog=self.backlog)

    def signal(self, number):
        self.backends[-1].send_signal(number)

    def end(self):
        self.proxy.end()
        for backend in self.backends:
            processes.end(backend)


def waits(got):
    return {"clients": got["ops"] + got["failed"], "p99_us": got["p99_us"],
            "max_us": got["max_us"], "over_100ms": got["over_100ms"],
            "over_600ms": got["over_600ms"], "failed": got["failed"]}


def blackhole(bench, name, seconds=20, rate=200):
    failing = Failing(bench, name)
    load = failing.load_start(rate, seconds)
    time.sleep(seconds / 2)
    failing.signal(signal.SIGUSR1)
    got = finish(load)
    failing.end()
    return waits(got)


def kill(bench, name, seconds=20, rate=500):
    failing = Failing(bench, name)
    trace = failing.trace()
    load = failing.load_start(rate, seconds)
    time.sleep(seconds / 5)
    before = time.monotonic()
    failing.kill()
    after = time.monotonic()
    result = waits(finish(load))
    if trace:
        result |= judge_kill(trace.end(failing.target), before, after, result["failed"])
    failing.end()
    return result


def judge_kill(events, before, after, failed):
    """Which clients had reached the target, and when the last one was sent there. Some kernels
    tell of SYN_SENT before there is a port."""
    state = {}
    for at, _, port, _, new in events:
        if port and (at < before or (at < after and new == "ESTABLISHED")):
            state[port] = new
    reached = sum(1 for new in state.values() if new in ("ESTABLISHED", "SYN_SENT"))
    late = [at - after for at, process, _, _, new in events
            if new == "SYN_SENT" and at > after and process != "fproxy-prober"]
    sent = sum(1 for _, _, _, _, new in events if new == "SYN_SENT")
    return {"failed_unreached": max(0, failed - reached), "sent_in_all": sent,
            "sent_after": len(late), "last_sent_ms": max(late, default=0.0) * 1e3}


SINGLE = {"idle": idle, "blackhole": blackhole, "kill": kill}


def single(bench, workload, names, rounds, progress):
    results = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            results[name].append(SINGLE[workload](bench, name))
            progress(workload, number, name, results[name][-1])
    return results
