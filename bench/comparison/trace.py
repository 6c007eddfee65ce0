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
                  r"sport=(\d+) .*?oldstate=TCP_(\w+) newstate=TCP_(\w+)")


class ConnectTrace:
    """Everything that happens to connections to `port`, until end()."""

    def __init__(self, port):
        self.mount = pathlib.Path(tempfile.mkdtemp(prefix="fproxy-bench-trace-"))
        subprocess.run(["mount", "-t", "tracefs", "tracefs", self.mount], check=True)
        self.instance = self.mount / "instances" / f"fproxy-{os.urandom(4).hex()}"
        self.instance.mkdir()
        self._set("trace_clock", "mono")
        self._set("buffer_size_kb", "8192")
        self._set(f"{EVENT}/filter", f"dport == {port}")
        self._set(f"{EVENT}/enable", "1")

    def _set(self, name, value):
        (self.instance / name).write_text(value, encoding="utf-8")

    def end(self):
        """Events in order: (seconds of CLOCK_MONOTONIC, process name, port, old, new)."""
        self._set(f"{EVENT}/enable", "0")
        text = (self.instance / "trace").read_text(encoding="utf-8", errors="replace")
        self.close()
        found = [LINE.match(line) for line in text.splitlines() if "sport=" in line]
        return [(float(m[2]), m[1], int(m[3]), m[4], m[5]) for m in found if m]

    def close(self):
        if self.instance.exists():
            self.instance.rmdir()
        subprocess.run(["umount", self.mount], check=True)
        self.mount.rmdir()
