"""What it costs to probe very many targets, of which some are black holes, and how punctual
the probes are."""

import csv
import os
import signal
import socket
import sqlite3
import subprocess
import time

from . import many, processes
from .trace import ConnectTrace
from .workloads import MB

INTERVAL_S = 5
JITTER = 0.1                        # of the interval, either way: what is configured
SLACK_S = 0.05                      # a wakeup may be late by as much on a machine with other work
TIMEOUT_S = 2
FIRST_ROUND_SECONDS = 30

FPROXY_DAEMON = f"""
daemon = {{ log_level = "warn"; }};
defaults = {{ probe = {{ kind = "tcp"; interval = "{INTERVAL_S}s"; timeout = "{TIMEOUT_S}s"; }}; }};
"""
FPROXY_APP = """
apps = ( {{ name = "app-{number:05d}"; ports = ("127.0.0.1:{port}"); targets = ({targets}); }} );
"""
HAPROXY = f"""
global
    nbthread 1
    maxconn 1000
    stats socket {{dir}}/stats.sock level admin
defaults
    mode tcp
    timeout connect {TIMEOUT_S}s
    timeout check {TIMEOUT_S}s
    timeout client 1h
    timeout server 1h
    default-server inter {INTERVAL_S}s
"""
HAPROXY_APP = """
listen app-{number:05d}
    bind 127.0.0.1:{port}
{servers}
"""


class Endpoints:
    """Addresses of the loopback, each an own one: at one port they answer, at another none does,
    which is so for every `black_every`-th (0: none)."""

    def __init__(self, bench, count, black_every):
        self.good_port = processes.free_port(["0.0.0.0"])
        self.black_port = processes.free_port(["0.0.0.0"])
        self.all = [self._address(i, black_every) for i in range(count)]
        self.good = {one for one in self.all if one.endswith(f":{self.good_port}")}
        self.black = set(self.all) - self.good
        self.backends = [bench.backend([f"0.0.0.0:{port}"])
                         for port in (self.good_port, self.black_port)]
        self.backends[1].send_signal(signal.SIGUSR1)

    def _address(self, i, black_every):
        black = black_every and i % black_every == 0
        host = f"127.{1 + i // 40000}.{1 + i // 200 % 200}.{1 + i % 200}"
        return f"{host}:{self.black_port if black else self.good_port}"

    def end(self):
        for backend in self.backends:
            processes.end(backend)


class Prober:
    """A proxy without clients: what it does is to probe."""

    def __init__(self, bench, endpoints, apps):
        bench.started += 1
        self.directory = bench.directory / f"{bench.started}-{self.name}"
        self.directory.mkdir()
        self.bench, self.endpoints = bench, endpoints
        self.ports = processes.free_block(apps)
        self.log = open(self.directory / "log", "w+", encoding="utf-8")
        self.process = processes.start(self.prepare(), processes.PROXY_CPU,
                                       stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=self.log)

    def shares(self):
        """[(number, port, endpoints)] of the apps."""
        return [(number, port, self.endpoints.all[number::len(self.ports)])
                for number, port in enumerate(self.ports)]

    def family(self):
        return processes.family(self.process.pid)

    def knows_all(self):
        """Those that work are known to work, the others not to. Ends the program when the proxy
        has ended."""
        if self.process.poll() is not None:
            self.log.seek(0)
            raise SystemExit(f"probing: {self.name} has ended:\n{self.log.read()[-4000:]}")
        try:
            return self.count_available() == len(self.endpoints.good)
        except OSError:
            return False            # not there yet

    def end(self):
        processes.end(self.process, patience_s=30)
        self.log.close()


class Fproxy(Prober):
    name, checker = "fproxy", "fproxy-prober"

    def prepare(self):
        conf = self.directory / "conf.d"
        conf.mkdir()
        (conf / "00-daemon.conf").write_text(FPROXY_DAEMON, encoding="utf-8")
        for number, port, endpoints in self.shares():
            targets = ", ".join(f'"{one}"' for one in endpoints)
            (conf / f"{number:05d}.conf").write_text(
                FPROXY_APP.format(number=number, port=port, targets=targets), encoding="utf-8")
        self.runtime = self.bench.directory / "runtime" / self.directory.name
        return [self.bench.fproxy, "--config", conf, "--state-dir", self.directory / "state",
                "--runtime-dir", self.runtime]

    def count_available(self):
        return sum(app["targets"]["available"] for app in many.status(self))

    def told(self):
        """From the database, when it has ended: nothing is lost then."""
        like = f"%:{self.endpoints.good_port}"
        with sqlite3.connect(self.directory / "state" / "fproxy.db") as database:
            def count(text, *values):
                return database.execute(text, values).fetchone()[0]

            result = {
                "false_failures": count("SELECT count(*) FROM probe_results WHERE outcome <> 'ok' "
                                        "AND address LIKE ?", like),
                "false_down": count("SELECT count(*) FROM transitions WHERE to_state NOT IN "
                                    "('available', 'unknown') AND address LIKE ?", like),
                "false_passes": count("SELECT count(*) FROM probe_results WHERE outcome = 'ok' "
                                      "AND address NOT LIKE ?", like),
                "history_lost": count("SELECT count(*) FROM events WHERE kind = 'history_lost'"),
                # "12 probes started late, by up to ..."
                "overruns": count("SELECT coalesce(sum(CAST(message AS INTEGER)), 0) FROM events "
                                  "WHERE kind = 'probe_overrun'"),
            }
        database.close()
        return result


class Haproxy(Prober):
    name = checker = "haproxy"

    def prepare(self):
        parts = [HAPROXY.format(dir=self.directory)]
        for number, port, endpoints in self.shares():
            servers = "\n".join(f"    server s{i} {one} check"
                                for i, one in enumerate(endpoints))
            parts.append(HAPROXY_APP.format(number=number, port=port, servers=servers))
        config = self.directory / "haproxy.cfg"
        config.write_text("".join(parts), encoding="utf-8")
        self.last = None
        return ["haproxy", "-db", "-f", config]

    def _servers(self):
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self.directory / "stats.sock"))
            stats.sendall(b"show stat -1 4 -1\n")
            text = b"".join(iter(lambda: stats.recv(1 << 16), b"")).decode()
        return list(csv.DictReader(text.lstrip("# ").splitlines()))

    def count_available(self):
        self.last = self._servers()
        up = sum(1 for one in self.last if one["status"] == "UP")
        return up if all(one["check_status"] != "INI" for one in self.last) else -1

    def end(self):
        self.last = self._servers()
        super().end()

    def told(self):
        good = [one for one in self.last if one["addr"] in self.endpoints.good]
        black = [one for one in self.last if one["addr"] in self.endpoints.black]
        return {"false_failures": sum(int(one["chkfail"]) for one in good),
                "false_down": sum(int(one["chkdown"]) for one in good),
                "false_passes": sum(1 for one in black if one["check_status"] == "L4OK")}


KINDS = {"fproxy": Fproxy, "haproxy": Haproxy}


# ---- punctuality ------------------------------------------------------------------------

def punctuality(starts, endpoints, begun, ended):
    """From [(when, address)]: probes a second, the longest time without a probe of an endpoint, and
    how often that was more than the interval and its jitter."""
    last = dict.fromkeys(endpoints, begun)
    probes, late, worst = 0, 0, 0.0
    for at, address in list(starts) + [(ended, address) for address in endpoints]:
        if address not in last:
            continue
        gap = at - last[address]
        probes += at < ended
        late += gap > INTERVAL_S * (1 + JITTER) + SLACK_S
        worst = max(worst, gap)
        last[address] = at
    return {"probes_s": probes / (ended - begun), "late": late, "gap_max_s": worst}


def seen(prober, starts, begun, ended):
    endpoints = prober.endpoints
    own = [(at, target) for at, process, target, _ in starts
           if process == prober.checker and at < ended]
    result = punctuality(own, endpoints.good, begun, ended)
    if endpoints.black:
        black = punctuality(own, endpoints.black, begun, ended)
        result |= {f"black_{key}": value for key, value in black.items()}
    return result


def watch(endpoints, probers, seconds):
    """From outside, by the kernel's account: {proxy: {metric: number}}"""
    trace = ConnectTrace(endpoints.good_port, endpoints.black_port, starts_only=True,
                         buffer_kb=32768)
    begun = time.monotonic()
    time.sleep(seconds)
    ended = time.monotonic()
    starts = trace.end_targets()
    return {one.name: seen(one, starts, begun, ended) for one in probers}


# ---- cost -------------------------------------------------------------------------------

class Cost:
    """% of a core, from now on: of the process that probes, and of all of them. How much of it was
    in the kernel is not known: that is sampled by a tick which our probes keep step with."""

    def __init__(self, prober):
        self.pids = [pid for pid, _ in prober.family()]
        self.checker = next(pid for pid, name in prober.family() if name == prober.checker)
        self.begun, self.before = time.monotonic(), self._now()

    def _now(self):
        return {pid: processes.run_seconds(pid) for pid in self.pids}

    def end(self):
        percent = (time.monotonic() - self.begun) / 100
        used = {pid: now - self.before[pid] for pid, now in self._now().items()}
        return {"cpu_percent": used[self.checker] / percent,
                "cpu_all_percent": sum(used.values()) / percent,
                "pss_mb": processes.pss_of(self.checker) / MB}


def start(bench, names, endpoints, apps):
    """All of them, and {proxy: {metric: number}}; the others are not there yet while one starts."""
    probers, results = [], {}
    for name in names:
        begun = time.monotonic()
        probers.append(KINDS[name](bench, endpoints, apps))
        processes.wait_until(f"a first round of probes by {name}", probers[-1].knows_all,
                             FIRST_ROUND_SECONDS)
        results[name] = {"first_round_s": time.monotonic() - begun}
    return probers, results


def measure(bench, names, endpoints, apps, settle_s, cpu_s, watch_s):
    """{proxy: {metric: number}}: all at the same time."""
    probers, results = start(bench, names, endpoints, apps)
    time.sleep(settle_s)
    costs = {one.name: Cost(one) for one in probers}
    time.sleep(cpu_s)
    for name, cost in costs.items():
        results[name] |= cost.end()
    if os.geteuid() == 0:
        for name, result in watch(endpoints, probers, watch_s).items():
            results[name] |= result
    for prober in probers:
        prober.end()
        results[prober.name] |= prober.told()
    return results
