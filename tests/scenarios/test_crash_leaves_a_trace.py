"""A process that dies by its own fault says in the log where it was; the row tells the signal."""
import re
import signal

import pytest

from harness import (SANITIZED, EchoProcess, app, ask, crashes, free_ports, kill, pids, replaced,
                     until)

FRAME = r"\[%d\] thread [^:]+: #\d+ [\w.~-]+\+0x[0-9a-f]+"


@pytest.mark.skipif(SANITIZED, reason="sanitizers have handlers, and a report, of their own")
@pytest.mark.parametrize("who", ["worker", "prober"])
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_the_log_says_where(daemon, started, who, number):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.start()
    name = "web" if who == "worker" else "prober"
    before = pids(daemon)

    kill(before[name], number)

    replaced(daemon, name, before[name])
    assert ask(port) == "good"
    until(lambda: [row[0:1] + row[2:] for row in crashes(daemon)] ==
          [(who, before[name], int(number))], what="the crash is recorded")
    assert f"[{before[name]}] ends by signal {int(number)}" in daemon.log()
    frames = re.findall(FRAME % before[name], daemon.log())
    assert len(frames) >= 2, daemon.log()
