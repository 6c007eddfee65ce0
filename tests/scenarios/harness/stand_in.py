"""A child of another version: it holds what one of ours held, and says what it hears."""
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from .machine import until

HERE = Path(__file__).resolve().parent
HEADER = HERE.parents[2] / "base" / "control_message.h"
COMMON = {"HELLO", "STOP", "APP_RETIRE", "APP_GONE"}    # of all versions, to a child or from it


def _numbers():
    body = re.search(r"enum control_type \{(.*?)\}", HEADER.read_text(), re.S).group(1)
    names = re.findall(r"CONTROL_(\w+)", re.sub(r"/\*.*?\*/", "", body, flags=re.S))
    return {name: number for number, name in enumerate(names, 1)}


class StandIn:
    """In the place of the child with the socket NAME.sock ("worker-web.1"), which is killed. The
    supervisor must be gone, and looks for it by its executable's name: a copy of Python.

    `later`: so many protocols later than ours; `before_text`: put in front of the texts of apps, or
    of the one with the name `text_of`; `stops`: it ends when it is told to."""

    def __init__(self, daemon, name, later=0, before_text="", text_of=None, stops=True):
        program = "fproxy-prober" if name.startswith("prober") else "fproxy-worker"
        place = daemon.directory / f"stand-in-{name}"
        place.mkdir()
        shutil.copy(os.path.realpath(sys.executable), place / program)
        options = {"numbers": _numbers(), "later": later, "before_text": before_text,
                   "text_of": text_of, "stops": stops}
        self.heard = []                 # (type, count of what is about an app), in their order
        self._ready = False
        self.process = subprocess.Popen(
            [place / program, "-S", "-B", HERE / "stand_in_process.py",
             daemon.runtime / f"{name}.sock", json.dumps(options)],
            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PYTHONHOME": sys.base_prefix})
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        until(lambda: self._ready, what="it stands in its place")

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if said["type"] == "ready":
                self._ready = True
            else:
                self.heard.append((said["type"], said["count"]))

    @property
    def pid(self):
        return self.process.pid

    def has_ended(self):
        return self.process.poll() is not None

    def say_gone(self):
        """Its generations have no connection left."""
        self.process.stdin.write(b"gone")

    def close(self):
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdin.close()
        self.process.stdout.close()
