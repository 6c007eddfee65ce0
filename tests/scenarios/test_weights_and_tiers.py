"""Targets have shares and ranks: weights divide the clients exactly, a tier serves alone as long as
one of it works."""
import time
from collections import Counter

from harness import EchoProcess, Load, app, ask, asks, free_port, until

FAST = 'interval = "100ms"; timeout = "100ms"; rise = 1; fall = 1; jitter = 0;'


def with_keys(target, **keys):
    return {"address": target.address, **keys}


def echoes(started, *names):
    return [started(EchoProcess(name)) for name in names]


def test_clients_are_shared_by_weight(daemon, started):
    port = free_port()
    one, two, three = echoes(started, "one", "two", "three")
    daemon.write_apps(app("web", port, [with_keys(one, weight=2), two, with_keys(three, weight=4)],
                          "threads = 4;"))
    daemon.start()
    daemon.until_available("web", 3)
    answers = asks(port, 140)
    assert Counter(answers) == {"one": 40, "two": 20, "three": 80}
    for begin in range(0, 133):             # not in blocks: any round of seven has all
        assert Counter(answers[begin:begin + 7]) == {"one": 2, "two": 1, "three": 4}
    weights = {each["target"]: each["weight"] for each in daemon.inspect("web")["endpoints"]}
    assert weights == {one.address: 2, two.address: 1, three.address: 4}


def test_an_update_changes_the_weights(daemon, started):
    port = free_port()
    one, two = echoes(started, "one", "two")
    daemon.write_apps(app("web", port, [one, two]))
    daemon.start()
    daemon.until_available("web", 2)
    assert Counter(asks(port, 20)) == {"one": 10, "two": 10}
    daemon.replace_apps(app("web", port, [with_keys(one, weight=3), two]))
    daemon.apply()
    until(lambda: Counter(asks(port, 20)) == {"one": 15, "two": 5}, what="the weights hold")


def test_a_tier_takes_over_and_gives_back(daemon, started):
    port = free_port()
    one, two, spare = echoes(started, "one", "two", "spare")
    daemon.write_apps(app("web", port, [with_keys(spare, tier=1), one, two], probe=FAST))
    daemon.start()
    daemon.until_available("web", 3)
    assert Counter(asks(port, 20)) == {"one": 10, "two": 10}

    load = started(Load(port, 100))
    until(lambda: load.done() > 20, what="clients come")
    one.kill()
    daemon.until_state("web", one.address, "unavailable")
    assert set(asks(port, 10)) == {"two"}           # the last of its tier serves alone
    two.kill()
    daemon.until_state("web", two.address, "unavailable")
    until(lambda: ask(port) == "spare", what="the spare one serves")
    assert set(asks(port, 10)) == {"spare"}
    assert daemon.inspect("web")["panic"] is False

    started(EchoProcess("two", port=two.port))
    daemon.until_state("web", two.address, "available")
    until(lambda: ask(port) == "two", what="its tier is back")
    assert set(asks(port, 10)) == {"two"}
    load.finish()
    for line in ("tier 1 gets the connections now, tier 0 no more",
                 "tier 0 gets the connections now, tier 1 no more"):
        assert daemon.log().count(line) == 1


def test_when_no_tier_works_all_are_tried(daemon, started):
    port = free_port()
    one, spare = echoes(started, "one", "spare")
    daemon.write_apps(app("web", port, [one, with_keys(spare, tier=7)], probe=FAST))
    daemon.start()
    daemon.until_available("web", 2)
    one.kill()
    spare.kill()
    until(lambda: daemon.inspect("web")["panic"], what="panic")
    started(EchoProcess("spare", port=spare.port))
    until(lambda: ask(port) == "spare", what="the spare one serves")


def test_a_tier_that_dies_costs_no_client(daemon, started):
    """It takes seconds until the probes have taken it down; whom it refuses is served by the next
    tier meanwhile."""
    port = free_port()
    one, spare = echoes(started, "one", "spare")
    daemon.write_apps(app("web", port, [one, with_keys(spare, tier=3)],
                          probe='interval = "2s"; timeout = "1s"; rise = 2; fall = 3;'))
    daemon.start()
    daemon.until_available("web", 2)
    load = started(Load(port, 200))
    until(lambda: load.done() > 100, what="clients come")
    assert load.failed("one") == []
    one.kill()
    dead = time.monotonic()
    daemon.until_state("web", one.address, "unavailable")
    done = load.done()
    until(lambda: load.done() > done + 50, what="clients come")
    load.finish()
    assert len(load.failed("one")) > 0          # they are the spare one's
    # Those that it was serving when it was killed are lost with it.
    assert [begin for begin, _, _ in load.failed("one", "spare") if begin >= dead] == []
