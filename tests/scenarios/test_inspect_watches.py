"""inspect --watch: a table that marks what changed, or a line a change; signals end it with 0."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest

from harness import BIN, EchoProcess, app, free_port, until

PROBE = 'interval = "250ms"; timeout = "200ms"; rise = 1; fall = 2;'


class Watcher:
    """`fproxy-probe inspect --watch`, and all that it prints."""

    def __init__(self, daemon, *arguments, terminal=False, **environment):
        self.text = ""
        variables = daemon.environment(FPROXY_STATE_DIR=str(daemon.state),
                                       FPROXY_RUNTIME_DIR=str(daemon.runtime), TERM="xterm",
                                       **environment)
        del variables["FPROXY_SCENARIO"]        # it is no child of the daemon
        ours, theirs = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 200, 0, 0))
        self.process = subprocess.Popen([BIN / "fproxy-probe", "inspect", "--watch", *arguments],
                                        env=variables, stdin=subprocess.DEVNULL, stdout=theirs,
                                        stderr=subprocess.PIPE, text=True)
        os.close(theirs)
        self.thread = threading.Thread(target=self.read, args=[ours])
        self.thread.start()

    def read(self, descriptor):
        try:
            while data := os.read(descriptor, 65536):
                self.text += data.decode()
        except OSError:
            pass                # a terminal whose other end is closed
        os.close(descriptor)

    def lines(self):
        return self.text.splitlines()

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(10)
        self.thread.join()
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.thread.join()
        self.process.stderr.close()


@pytest.fixture
def shop(daemon, started):
    daemon.good = started(EchoProcess("good"))
    daemon.other = started(EchoProcess("other"))
    daemon.write_apps(app("shop", free_port(), [daemon.good, daemon.other], probe=PROBE))
    daemon.start()
    daemon.until_state("shop", daemon.good, "available")
    daemon.until_state("shop", daemon.other, "available")
    return daemon


def test_each_change_is_a_line(shop, started):
    watcher = started(Watcher(shop, "shop"))
    # What it says on standard error comes after its first look.
    assert "2 endpoints" in watcher.process.stderr.readline()
    shop.other.close()
    until(lambda: "-> unavailable" in watcher.text, what="the change is told")
    started(EchoProcess("other", port=shop.other.port))
    until(lambda: "-> available" in watcher.text, what="it is back")
    assert watcher.end(signal.SIGTERM) == 0
    for line in watcher.lines():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z shop: ", line), line
        assert "\033" not in line
    assert any(f"{shop.other.address}: " in line and "(connect_refused: connection refused)" in line
               for line in watcher.lines())
    assert not any(shop.good.address in line for line in watcher.lines())


def test_each_change_is_a_document(shop, started):
    watcher = started(Watcher(shop, "--json"))
    watcher.process.stderr.readline()
    shop.good.close()
    shop.other.close()
    until(lambda: '"ready": false' in watcher.text, what="the app is not ready")
    shop.stop()
    until(lambda: '"running": false' in watcher.text, what="its end is told")
    assert watcher.end() == 0
    changes = [json.loads(line) for line in watcher.lines()]
    states = [each for each in changes if each["change"] == "state"]
    assert {each["target"] for each in states} == {shop.good.address, shop.other.address}
    for target in (shop.good.address, shop.other.address):
        steps = [each for each in states if each["target"] == target]
        assert steps[0]["from"] == "available"
        for before, after in zip(steps, steps[1:]):
            assert before["to"] == after["from"] or before["to"] == after["to"]


@pytest.mark.parametrize("environment, mark", [({}, "\033[7m"), ({"NO_COLOR": "1"}, " *")])
def test_a_terminal_shows_a_table_that_marks(shop, started, environment, mark):
    watcher = started(Watcher(shop, terminal=True, **environment))
    until(lambda: "LAST PROBE" in watcher.text, what="there is a table")
    assert mark not in watcher.text
    assert watcher.text.startswith("\033[?1049h")
    shop.other.close()
    until(lambda: mark in watcher.text, what="the change is marked")
    until(lambda: "1 of them gets no connections" in watcher.text, what="it is summed up")
    seen = len(watcher.text)
    until(lambda: "LAST PROBE" in watcher.text[seen:] and
          mark not in watcher.text[watcher.text.rindex("LAST PROBE"):], what="the mark ends")
    assert watcher.end() == 0
    assert watcher.text.endswith("\033[?7h\033[?25h\033[?1049l")


def test_what_is_not_there_cannot_be_watched(shop, started):
    answer = shop.run("fproxy-probe", "inspect", "--watch", "shpo")
    assert answer.returncode == 2 and "did you mean `shop'?" in answer.stderr
    assert shop.run("fproxy-probe", "inspect", "--watch", "--why").returncode == 2
