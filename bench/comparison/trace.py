"""Who connects to a port, by the kernel's own account (tracepoint inet_sock_set_state).

A proxy's own counters could not be compared, and a capture of packets could not tell a
probe from a client. The tracepoint names the process that calls connect().
"""

import os
import pathlib
import re
import subprocess
import tempfile

EVENT = "events/sock/inet_sock_set_state"
LINE = re.compile(r"^\s*(.{1,16})-\d+\s.*?\s(\d+\.\d+): inet_sock_set_state: .*?"
                  r"sport=(\d+) dport=(\d+) .*?daddr=(\S+) .*?"
                  r"oldstate=TCP_(\w+) newstate=TCP_(\w+)")
SYN_SENT = 2                                            # include/net/tcp_states.h


def parse(text):
    """[(seconds of CLOCK_MONOTONIC, process name, source port, target, old, new)]"""
    found = [LINE.match(line) for line in text.splitlines() if "sport=" in line]
    return [(float(m[2]), m[1], int(m[3]), f"{m[5]}:{m[4]}", m[6], m[7]) for m in found if m]


class ConnectTrace:
    """Everything that happens to connections to one of `ports`, until it ends."""

    def __init__(self, *ports, starts_only=False, buffer_kb=8192):
        self.mount = pathlib.Path(tempfile.mkdtemp(prefix="fproxy-bench-trace-"))
        subprocess.run(["mount", "-t", "tracefs", "tracefs", self.mount], check=True)
        self.instance = self.mount / "instances" / f"fproxy-{os.urandom(4).hex()}"
        self.instance.mkdir()
        which = "(" + " || ".join(f"dport == {port}" for port in ports) + ")"
        if starts_only:
            which += f" && newstate == {SYN_SENT}"
        self._set("trace_clock", "mono")
        self._set("buffer_size_kb", str(buffer_kb))
        self._set(f"{EVENT}/filter", which)
        self._set(f"{EVENT}/enable", "1")

    def _set(self, name, value):
        (self.instance / name).write_text(value, encoding="utf-8")

    def _read(self):
        self._set(f"{EVENT}/enable", "0")
        text = (self.instance / "trace").read_text(encoding="utf-8", errors="replace")
        lost = any(int(line.split()[1]) for stats in self.instance.glob("per_cpu/cpu*/stats")
                   for line in stats.read_text(encoding="utf-8").splitlines()
                   if line.startswith("overrun:"))
        self.close()
        if lost:
            raise SystemExit("the kernel's trace was too small for what happened")
        return parse(text)

    def end(self, target=None):
        """Events in order: (seconds of CLOCK_MONOTONIC, process name, port, old, new), of
        connections to `target` ("address:port"; None: to any)."""
        return [event[:3] + event[4:] for event in self._read() if target in (None, event[3])]

    def end_targets(self):
        """Likewise: (seconds, process name, target, new)."""
        return [(at, process, target, new) for at, process, _, target, _, new in self._read()]

    def close(self):
        if self.instance.exists():
            self.instance.rmdir()
        subprocess.run(["umount", self.mount], check=True)
        self.mount.rmdir()
