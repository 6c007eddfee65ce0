"""Of several that are started at once on what a killed one left, one adopts it; the others end with
status 2, name it, and touch nothing."""
import signal
import subprocess

import pytest

from harness import (Conversation, Crowd, EchoProcess, app, free_ports, generations,
                     kill_supervisor, listeners, pids, until)


@pytest.mark.limit(90)
def test_one_of_five_adopts(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    before = pids(daemon), generations(daemon), listeners(port)
    conversation = started(Conversation(port))
    crowd = started(Crowd(port))
    kill_supervisor(daemon)

    command = [daemon.bin / "fproxy", "--config", daemon.config, *daemon.places()]
    with open(daemon.log_path, "ab") as log:
        five = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 env=daemon.environment()) for _ in range(5)]
    until(lambda: sum(one.poll() is None for one in five) == 1, 20, "four have ended")

    daemon.process = next(one for one in five if one.poll() is None)
    assert sorted(one.returncode for one in five if one is not daemon.process) == [2] * 4
    until(daemon.settled, 20, "the fifth serves")
    assert (pids(daemon), generations(daemon), listeners(port)) == before
    conversation.goes_on()
    assert crowd.unlucky() == []


@pytest.mark.limit(60)
def test_one_that_is_started_while_the_first_drains(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())], 'drain_timeout = "30s";'))
    daemon.start()
    conversation = started(Conversation(port))
    daemon.signal(signal.SIGTERM)
    until(lambda: daemon.status("web")["state"] == "draining", what="it drains")

    second = daemon.run("fproxy", "--config", daemon.config, *daemon.places())

    assert second.returncode == 2
    assert f"pid {daemon.pid}" in second.stderr
    conversation.goes_on()
    conversation.close()
    assert daemon.wait() == 0
