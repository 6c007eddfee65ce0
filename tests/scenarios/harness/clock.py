"""A wall clock that can be set, for the processes of a scenario alone (package faketime)."""
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .machine import BIN
from .servers import find_program


def sanitizer():
    """The runtime of the sanitizer that our programs were built with, which has to be loaded before
    anything else; "" without one."""
    found = subprocess.run(["ldd", BIN / "fproxy"], capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    return next((line.split()[2] for line in lines if "libasan" in line), "")


class WallClock:
    """Whatever is started with `preload` in its environment has this clock; CLOCK_MONOTONIC and the
    times of files stay as they are. The machine's clock is not touched."""

    def __init__(self, directory):
        self.path = Path(directory) / "wall-clock"
        self.offset_s = 0
        self.set(0)
        library = find_program("libfaketimeMT.so.1", "/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.preload = {"LD_PRELOAD": f"{sanitizer()} {library}".strip(),
                        "FAKETIME_TIMESTAMP_FILE": str(self.path),
                        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                        # Without it, condition variables of CLOCK_MONOTONIC do not wait at all.
                        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
                        "NO_FAKE_STAT": "1"}

    def set(self, offset_s):
        """So many seconds beside the right time, at once."""
        beside = self.path.with_suffix(".new")
        beside.write_text(f"{offset_s:+}\n")
        beside.rename(self.path)            # nobody reads half of it
        self.offset_s = offset_s

    def now(self):
        return datetime.now(timezone.utc) + timedelta(seconds=self.offset_s)

    def says(self, text, within_s=30):
        """Is this time of ours ("2026-01-31T12:34:56.789Z") one of this clock, about now?"""
        return text and abs((datetime.fromisoformat(text.replace("Z", "+00:00"))
                             - self.now()).total_seconds()) < within_s
