"""A target is killed under load. Clients that had not reached it before do not notice."""
import time

import pytest

from harness import SLOWNESS, EchoProcess, Load, app, free_ports, until


@pytest.mark.limit(60)
def test_no_client_fails_that_comes_after_the_kill(daemon, started):
    port, = free_ports(1)
    names = ("one", "two", "three", "victim")
    targets = [started(EchoProcess(name)) for name in names]
    daemon.write_apps(app("web", port, targets, probe='interval = "5s";'))
    daemon.start()
    daemon.until_available("web", 4)

    load = started(Load(port, rate=200 // SLOWNESS))
    until(lambda: load.done() > 100, what="clients come")
    killed_from = time.monotonic()
    targets[3].kill()
    killed_at = time.monotonic()
    done = load.done()
    until(lambda: load.done() > done + 300 // SLOWNESS, 20, "more clients come")
    results = load.finish()

    failed = [result for result in results if result[2] not in names]
    assert all(begin <= killed_at for begin, _, _ in failed), failed
    assert all(begin + seconds >= killed_from for begin, seconds, _ in failed), failed
    assert "victim" in [said for _, _, said in results]
    assert "victim" not in [said for begin, _, said in results if begin > killed_at]
    late = [seconds for begin, seconds, _ in results if begin > killed_at]
    # If its clients waited, a fourth of them all would.
    assert sorted(late)[len(late) * 9 // 10] < 0.6 * SLOWNESS
