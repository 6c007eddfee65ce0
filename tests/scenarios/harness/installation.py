"""Binaries of a scenario's own, to be replaced while they run."""
import os

from .machine import BIN

PROGRAMS = ("fproxy", "fproxy-worker", "fproxy-prober", "fproxy-launch", "fproxy-probe",
            "fproxy-probe-curl.so", "ftest")


class Installation:
    """A copy of what was built; the daemon is started from there."""

    def __init__(self, daemon):
        self.bin = daemon.directory / "bin"
        self.bin.mkdir()
        for program in PROGRAMS:
            self.install(program)
        daemon.bin = self.bin

    def install(self, program):
        """A fresh copy: another file, as of another version."""
        self.replace(program, (BIN / program).read_bytes())

    def replace(self, program, data):
        """Renamed over, as a package manager does it: what runs keeps the old file."""
        beside = self.bin / f"{program}.new"
        beside.write_bytes(data)
        beside.chmod(0o755)
        beside.rename(self.bin / program)

    def is_of(self, pid, program):
        """Does this process run the file that is installed now?"""
        try:
            running = os.stat(f"/proc/{pid}/exe")
        except FileNotFoundError:
            return False
        installed = os.stat(self.bin / program)
        return (running.st_dev, running.st_ino) == (installed.st_dev, installed.st_ino)
