"""A target that comes back gets its share step by step, not all at once; at a cold start nobody
waits."""
import os
import signal
import time
from collections import Counter

from harness import SLOWNESS, EchoProcess, app, asks, free_port, until

FAST = 'interval = "100ms"; timeout = "100ms"; rise = 1; fall = 1; jitter = 0;'


def endpoint(daemon, target):
    return next(each for each in daemon.inspect("web")["endpoints"]
                if each["target"] == target.address)


def share(port, name, count=120):
    return Counter(asks(port, count))[name] / count


def test_its_share_grows(daemon, started):
    port = free_port()
    one, two = started(EchoProcess("one")), started(EchoProcess("two"))
    daemon.write_apps(app("web", port, [one, two], f'slow_start = "{8 * SLOWNESS}s";',
                          probe=FAST))
    daemon.start()
    until(lambda: daemon.inspect("web")["ready"], what="it is ready")
    daemon.until_available("web", 2)
    states = daemon.sql("SELECT to_state FROM transitions")
    assert ("warming",) not in states           # all were new
    assert Counter(asks(port, 20)) == {"one": 10, "two": 10}

    two.kill()
    daemon.until_state("web", two.address, "unavailable")
    started(EchoProcess("two", port=two.port))
    daemon.until_state("web", two.address, "warming")
    first = endpoint(daemon, two)
    assert first["percent"] <= 50
    assert share(port, "two") < 0.4             # its whole share is a half
    seen, shares = set(), []
    while (found := endpoint(daemon, two))["state"] == "warming":
        if found["percent"] not in seen:
            seen.add(found["percent"])
            shares.append(share(port, "two", 60))
        time.sleep(0.05)
    assert len(seen) >= 5 and seen <= set(range(10, 101, 10))
    assert shares[-1] > shares[0] + 0.1
    assert (found["state"], found["percent"]) == ("available", 100)
    until(lambda: Counter(asks(port, 20)) == {"one": 10, "two": 10}, what="its share is whole")
    until(lambda: ("warming", "available", two.address) in daemon.sql(
        "SELECT from_state, to_state, target FROM transitions"), what="it is recorded")


def test_one_that_is_alone_serves_at_once(daemon, started):
    port = free_port()
    one = started(EchoProcess("one"))
    daemon.write_apps(app("web", port, [one], 'slow_start = "1h";', probe=FAST))
    daemon.start()
    daemon.until_available("web", 1)
    one.kill()
    daemon.until_state("web", one.address, "unavailable")
    started(EchoProcess("one", port=one.port))
    daemon.until_state("web", one.address, "warming")
    assert set(asks(port, 10)) == {"one"}


def test_a_new_target_warms_and_a_prober_that_dies_does_not_begin_anew(daemon, started):
    port = free_port()
    one, two = started(EchoProcess("one")), started(EchoProcess("two"))
    more = 'slow_start = "20s";'
    daemon.write_apps(app("web", port, [one], more, probe=FAST))
    daemon.start()
    daemon.until_available("web", 1)
    daemon.replace_apps(app("web", port, [one, two], more, probe=FAST))
    daemon.apply()
    daemon.until_state("web", two.address, "warming")
    since = endpoint(daemon, two)["since"]
    prober = daemon.status()["prober"]["pid"]
    until(lambda: endpoint(daemon, two)["percent"] >= 20, what="its share grew")

    os.kill(prober, signal.SIGKILL)
    until(lambda: daemon.status()["prober"]["pid"] not in (0, prober), what="another prober")
    found = until(lambda: endpoint(daemon, two), what="its board is there")
    assert (found["state"], found["since"]) == ("warming", since)
    assert found["percent"] >= 20
    assert endpoint(daemon, one)["state"] == "available"
