"""Each app has a worker of its own: what happens to one does not concern the others."""
import os
import signal

import pytest

from harness import EchoProcess, app, ask, connect, free_ports, hang, outcome, until

APPS = 20


@pytest.mark.limit(60)
def test_twenty_apps_and_one_that_hangs(daemon, started):
    ports = free_ports(APPS)
    targets = [started(EchoProcess(name)) for name in ("one", "two")]
    daemon.write_apps(*(app(f"app-{i}", port, [targets[i % 2]], "threads = 1;")
                        for i, port in enumerate(ports)))
    daemon.start(within=20)

    assert [ask(port) for port in ports] == ["one", "two"] * (APPS // 2)
    workers = {one["worker"]["pid"] for one in daemon.status()["apps"]}
    assert len(workers) == APPS

    hangs = daemon.worker_pid("app-0")
    hang(hangs)
    assert outcome(ports[0], timeout=0.3) == "timeout"
    assert [ask(port) for port in ports[1:]] == (["two", "one"] * APPS)[:APPS - 1]
    os.kill(hangs, signal.SIGCONT)
    assert ask(ports[0]) == "one"


@pytest.mark.limit(60)
def test_a_worker_that_hangs_at_the_end_is_killed(daemon, started):
    ports = free_ports(2)
    target = started(EchoProcess("one"))
    daemon.write_apps(*(app(f"app-{i}", port, [target], 'drain_timeout = "500ms";')
                        for i, port in enumerate(ports)))
    daemon.start()
    sock = connect(ports[0])
    until(lambda: daemon.status("app-0")["connections"] == 1, what="it is connected")

    hang(daemon.worker_pid("app-0"))
    daemon.stop(within=15)

    assert "it is killed" in daemon.log()
    sock.close()
