"""kill -9 of a worker, fifty times under load: nobody is refused, the next client is served as
soon as another process runs, and other apps do not notice. Each worker is killed once only, for
one that keeps dying is started later and later on purpose."""
import os
import signal
import statistics
import time

import pytest

from harness import (SANITIZED, SLOWNESS, Conversation, Crowd, EchoProcess, app, crashes,
                     free_ports, generations, pids, until)

KILLS = 15 if SANITIZED else 50
GAP_S = 0.25                    # 13 ms, and 25 at most, were measured
GAP_MAX_S = 5                   # other programs run, too


def kill_under_load(port, pid):
    """Kills it while clients come. How long no client was served, and those that had no luck."""
    crowd = Crowd(port, count=2)
    try:
        crowd.goes_on(10)
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic()
        until(lambda: any(came > end and said == "hi" for came, _, said in crowd.results),
              what="a client is served again")
    finally:
        results = crowd.finish()
    gap = min(ended for came, ended, said in results if came > end and said == "hi") - begin
    lost = [result for result in results if result[2] != "hi"]
    # Only what the killed one had accepted, or was about to take from its queue.
    assert all(said in ("reset", "") and came <= end and ended >= begin
               for came, ended, said in lost), lost
    return gap, len(lost)


@pytest.mark.limit(180)
def test_nobody_is_refused(daemon, started):
    target = started(EchoProcess("hi"))
    echo = started(EchoProcess())
    steady_port, *ports = free_ports(KILLS + 1)
    daemon.write_apps(app("steady", steady_port, [echo]),
                      *(app(f"frail-{i}", port, [target], "threads = 1;")
                        for i, port in enumerate(ports)))
    daemon.start(within=30)
    before, numbers = pids(daemon), generations(daemon)
    steady = started(Conversation(steady_port))
    crowd = started(Crowd(steady_port, count=1))

    ended = [kill_under_load(port, before[f"frail-{i}"]) for i, port in enumerate(ports)]

    gaps = [gap for gap, _ in ended]
    print(f"{KILLS} kills: no client served for {statistics.median(gaps) * 1000:.0f} ms (p50), "
          f"{max(gaps) * 1000:.0f} ms (max); {sum(lost for _, lost in ended)} connections went "
          "down with their worker, none was refused")
    assert statistics.median(gaps) < GAP_S * SLOWNESS and max(gaps) < GAP_MAX_S * SLOWNESS
    steady.goes_on()
    assert crowd.unlucky() == []
    after = pids(daemon)
    assert (after["steady"], after["prober"]) == (before["steady"], before["prober"])
    assert not set(after.values()) & {before[f"frail-{i}"] for i in range(KILLS)}
    assert generations(daemon) == numbers
    until(lambda: len(crashes(daemon)) == KILLS, what="the crashes are recorded")
    assert crashes(daemon) == [("worker", f"frail-{i}", before[f"frail-{i}"], signal.SIGKILL)
                               for i in range(KILLS)]
