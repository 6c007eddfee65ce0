"""A target that comes and goes is held back until it is steady, also over a restart; the last ones
never are."""
import pytest

from harness import SLOWNESS, EchoProcess, app, asks, free_port, until

FAST = 'interval = "50ms"; timeout = "50ms"; rise = 1; fall = 1; jitter = 0;'


def endpoint(daemon, target):
    return next(each for each in daemon.inspect("web")["endpoints"]
                if each["target"] == target.address)


def bounce(daemon, started, target, name):
    target.kill()
    until(lambda: endpoint(daemon, target)["state"] == "unavailable", what="it is down")
    again = started(EchoProcess(name, port=target.port))
    until(lambda: endpoint(daemon, target)["state"] != "unavailable", what="it is back")
    return again


@pytest.mark.limit(60)
def test_it_is_held_and_let_go(daemon, started):
    port = free_port()
    names = ("one", "two", "three")
    one, two, three = [started(EchoProcess(name)) for name in names]
    daemon.write_apps(app("web", port, [one, two, three],
                          f'flap_damping = {{ half_life = "{6 * SLOWNESS}s"; }};', probe=FAST))
    daemon.start()
    daemon.until_available("web", 3)
    process = one
    for _ in range(6):
        process = bounce(daemon, started, process, "one")
        if endpoint(daemon, one)["flapping"]:
            break
    held = endpoint(daemon, one)
    assert (held["state"], held["flapping"]) == ("recovering", True)
    assert "held until its penalty, " in held["last_probe"]["detail"]
    assert set(asks(port, 12)) == {"two", "three"}      # though its probes pass
    table = daemon.run("fproxy-probe", "inspect", "web").stdout
    assert "recovering, flapping" in table

    until(lambda: endpoint(daemon, one)["state"] == "available", what="it is let go", within=20)
    assert endpoint(daemon, one)["flapping"] is False
    until(lambda: set(asks(port, 12)) == set(names), what="it is used again")


def test_the_penalty_outlives_the_daemon(daemon, started):
    port = free_port()
    one, two, three = [started(EchoProcess(name)) for name in ("one", "two", "three")]
    daemon.write_apps(app("web", port, [one, two, three],
                          'flap_damping = { half_life = "1m"; };', probe=FAST))
    daemon.start()
    daemon.until_available("web", 3)
    process = one
    for _ in range(3):
        process = bounce(daemon, started, process, "one")
    until(lambda: endpoint(daemon, one)["flapping"], what="it is held")
    until(lambda: daemon.sql("SELECT penalty FROM endpoints WHERE penalty > 3000"),
          what="the database has it")

    daemon.stop()
    daemon.start()
    until(lambda: endpoint(daemon, two)["last_probe"], what="it is probed")
    until(lambda: endpoint(daemon, one)["last_probe"], what="it is probed")
    until(lambda: endpoint(daemon, one)["flapping"], what="it is held again")
    assert endpoint(daemon, one)["state"] == "recovering"
    assert set(asks(port, 12)) == {"two", "three"}


def test_the_last_one_is_never_held(daemon, started):
    port = free_port()
    one = started(EchoProcess("one"))
    daemon.write_apps(app("web", port, [one], 'flap_damping = true;', probe=FAST))
    daemon.start()
    daemon.until_available("web", 1)
    process = one
    for _ in range(4):
        process = bounce(daemon, started, process, "one")
    until(lambda: endpoint(daemon, one)["state"] == "available", what="it is used")
    assert endpoint(daemon, one)["flapping"] is True
    assert set(asks(port, 5)) == {"one"}
