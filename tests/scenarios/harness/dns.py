"""A DNS server of our own (dns_server.py), with the names that a scenario needs."""
import json
import subprocess
import sys
from pathlib import Path


class DnsServer:
    def __init__(self, directory, zone, port=0):
        self.zone_path = Path(directory) / "zone.json"
        self.count_path = self.zone_path.with_name("questions")
        self.set(zone)
        program = Path(__file__).parent.parent / "dns_server.py"
        self._process = subprocess.Popen([sys.executable, program, self.zone_path, str(port),
                                          self.count_path],
                                         stdout=subprocess.PIPE, text=True)
        words = self._process.stdout.readline().split()
        assert words[0] == "ready"
        self.address = words[1]

    def set(self, zone):
        """Other answers from now on."""
        other = self.zone_path.with_suffix(".new")
        other.write_text(json.dumps(zone))
        other.rename(self.zone_path)

    def questions(self, name, kind="A"):
        """How often it was asked for that."""
        lines = self.count_path.read_text().splitlines()
        return lines.count(f"{name} {kind}")

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
