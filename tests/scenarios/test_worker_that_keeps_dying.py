"""A worker that keeps dying is started later and later, and never given up: its app is in
`crash_loop`, its clients wait in the kernel's queue and are served; other apps are untouched."""
import os
import signal
import threading

import pytest

from harness import (Conversation, EchoProcess, app, crashes, free_ports, is_alive, outcome,
                     pids, until)


def kill_as_soon_as_it_runs(daemon, times):
    killed = set()
    for _ in range(times):
        pid = until(lambda: daemon.worker_pid("frail"), 20, "a worker of it runs")
        assert pid not in killed
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid) and daemon.worker_pid("frail") != pid,
              what="its end is noticed")
        killed.add(pid)


@pytest.mark.limit(90)
def test_its_clients_wait_and_are_served(daemon, started):
    port, other = free_ports(2)
    echo = started(EchoProcess())
    daemon.write_apps(app("frail", port, [echo]), app("steady", other, [echo]))
    daemon.start()
    before = pids(daemon)
    steady = started(Conversation(other))

    kill_as_soon_as_it_runs(daemon, 5)

    until(lambda: daemon.status("frail")["state"] == "crash_loop", what="that is said")
    assert daemon.status("steady")["state"] == "ready"
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(outcome(port, timeout=40)))
               for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answers == ["hello"] * 20
    said = daemon.run("fproxy", "status").stdout            # it serves, for the moment
    assert "frail: worker frail keeps ending (last: signal 9 (Killed))" in said
    assert "steady: worker" not in said
    assert "no prober runs" not in said and "the prober keeps ending" not in said
    assert daemon.status("frail")["state"] == "ready"
    assert [daemon.status(name)["worker"]["crash_loop"] for name in ("frail", "steady")] == [
        True, False]
    assert daemon.log().count("worker frail keeps ending: 5 times within a minute") == 1
    until(lambda: daemon.sql("SELECT app, level FROM events WHERE kind = 'crash_loop'") ==
          [("frail", "error")], what="that is in the history")

    steady.goes_on()
    after = pids(daemon)
    assert (after["steady"], after["prober"]) == (before["steady"], before["prober"])
    delays = daemon.sql("SELECT restart_delay_ms FROM crashes ORDER BY id")
    assert delays == [(0,), (1000,), (2000,), (4000,), (8000,)]
    assert {row[:2] for row in crashes(daemon)} == {("worker", "frail")}
