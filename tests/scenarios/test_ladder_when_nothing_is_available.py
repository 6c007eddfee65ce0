"""Nothing is eligible: first those that worked last, then all, or nobody, as `panic` says. Each
target's health is asked at another address' port, so that all of them do serve all the while."""
import pytest

from harness import SLOWNESS, Target, answer, app, asks, echo, free_port, outcome, until

PROBE = 'port = {port}; interval = "100ms"; timeout = "100ms"; rise = 1; fall = 1;'
ASKS = 12
HOLD_S = 3 * SLOWNESS
HOLD = f'panic_hold = "{HOLD_S}s";'


class Scene:
    """web on two targets, "old" and "last", at 127.0.0.2 and 127.0.0.3."""

    def __init__(self, daemon, started, more):
        self.daemon = daemon
        self.port, self.health_port = free_port(), free_port()
        hosts = {"old": "127.0.0.2", "last": "127.0.0.3"}
        self.targets = {name: started(Target(answer(name), host=host))
                        for name, host in hosts.items()}
        self.healths = {name: started(Target(echo, host=host, port=self.health_port))
                        for name, host in hosts.items()}
        daemon.write_apps(app("web", self.port, self.targets.values(), more,
                              PROBE.format(port=self.health_port)))
        daemon.start()
        daemon.until_available("web", 2)

    def fail(self, name):
        self.healths[name].close()
        self.daemon.until_state("web", self.targets[name], "unavailable")

    def heal(self, started, name):
        started(Target(echo, host=self.targets[name].host, port=self.health_port))
        self.daemon.until_state("web", self.targets[name], "available")

    def ladder(self):
        return self.daemon.inspect("web")["ladder"]

    def who_answers(self):
        return set(asks(self.port, ASKS))


def kinds(daemon):
    return [kind for kind, in daemon.sql(
        "SELECT kind FROM events WHERE app = 'web' AND "
        "(kind LIKE 'panic%' OR kind LIKE 'unavailable%') ORDER BY id")]


@pytest.mark.limit(80)
def test_the_last_that_worked_then_all(daemon, started):
    scene = Scene(daemon, started, HOLD)
    scene.fail("old")
    assert scene.who_answers() == {"last"}
    until(lambda: seconds_since(daemon, scene, "old") > HOLD_S + 0.5, within=20, what="that is a while ago")

    scene.fail("last")
    until(lambda: daemon.status("web")["state"] == "panic", what="the app is in panic")
    assert (scene.ladder(), scene.who_answers()) == ("last_good", {"last"})
    assert daemon.inspect("web")["panic"] is True
    assert daemon.status("web")["panics"] == 1
    until(lambda: kinds(daemon) == ["panic_begin"], what="it is an event")

    until(lambda: scene.ladder() == "all", within=20, what="that is long ago, too")
    assert scene.who_answers() == {"old", "last"}
    assert daemon.status("web")["panics"] == 1                  # the same panic

    scene.heal(started, "old")
    until(lambda: scene.who_answers() == {"old"}, what="what is available counts alone")
    until(lambda: kinds(daemon) == ["panic_begin", "panic_end"], what="it is over")
    assert scene.ladder() == "normal"


def test_the_last_that_worked_is_dead_and_the_others_are_tried(daemon, started):
    scene = Scene(daemon, started, HOLD)
    scene.fail("old")
    until(lambda: seconds_since(daemon, scene, "old") > HOLD_S + 0.5, within=20, what="that is a while ago")
    scene.fail("last")
    scene.targets["last"].close()
    until(lambda: daemon.status("web")["state"] == "panic", what="the app is in panic")
    assert scene.who_answers() == {"old"}


def seconds_since(daemon, scene, name):
    """Since it has this state, by the clock of the database."""
    address = scene.targets[name].address
    return daemon.sql("SELECT (julianday('now') - julianday(since)) * 86400 FROM endpoints "
                      "WHERE address = ? AND state = 'unavailable' "
                      "UNION ALL SELECT 0", address)[0][0]


def test_fail_means_reset_at_once(daemon, started):
    scene = Scene(daemon, started, 'panic = "fail";')
    scene.fail("old")
    scene.fail("last")
    until(lambda: daemon.status("web")["state"] == "unavailable", what="nothing is left")
    assert [outcome(scene.port, timeout=2) for _ in range(3)] == ["reset"] * 3
    assert (scene.ladder(), daemon.inspect("web")["panic"]) == ("fail", False)
    assert daemon.status("web")["panics"] == 0
    scene.heal(started, "last")
    assert scene.who_answers() == {"last"}
    until(lambda: kinds(daemon) == ["unavailable_begin", "unavailable_end"], what="events tell")


def test_what_an_operator_took_out_is_not_tried(daemon, started):
    scene = Scene(daemon, started, "")
    assert daemon.run("fproxy", "drain", "web", scene.targets["last"].address).returncode == 0
    scene.fail("old")
    until(lambda: daemon.status("web")["state"] == "panic", what="the app is in panic")
    assert scene.who_answers() == {"old"}
