"""A text that was refused is not tried again while its file is broken: it stands nowhere then, and
has never worked. It is tried again when a file says it again."""
import pytest

from harness import EchoProcess, app, ask, free_ports, occupy, outcome, until

BROKEN = "x y\n"
PROBED = 'interval = "100ms"; timeout = "100ms"; rise = 1;'


@pytest.fixture
def target(started):
    return started(EchoProcess("good"))


def refuse_and_break(daemon, port, taken, target):
    """Its move to `taken`, which another program has until the end, and then its file."""
    daemon.write_apps(app("aa", port, [target]), file="a.conf")
    daemon.start()
    with occupy(taken):
        daemon.replace_apps(app("aa", taken, [target]), file="a.conf")
        assert not daemon.reload()["applied"]
        assert f"port {taken} is in use" in daemon.status("aa")["last_rollout"]["reason"]
        daemon.replace("a.conf", BROKEN)
        assert not daemon.reload()["applied"]


def assert_held_back(daemon, port):
    aa = daemon.status("aa")
    assert (aa["state"], aa["generation"]) == ("config_error", 1)
    assert aa["last_rollout"]["outcome"] == "failed"
    assert "a.conf:1: " in aa["last_rollout"]["reason"]
    assert ask(port) == "good"
    assert daemon.sql("SELECT 1 FROM config_generations WHERE app = 'aa' AND status = 'good' AND "
                      "generation <> 1") == []


def test_another_app_that_wants_its_port_does_not_move_it(daemon, target):
    port, taken = free_ports(2)
    refuse_and_break(daemon, port, taken, target)

    daemon.write_apps(app("bb", port, [target]), file="b.conf")
    assert not daemon.reload()["applied"]

    assert_held_back(daemon, port)
    assert outcome(taken) == "refused"
    bb = daemon.status("bb")
    assert bb["state"] == "config_error"
    assert "b.conf:3: bb: ports: " in bb["last_rollout"]["reason"]

    daemon.replace_apps(app("aa", taken, [target]), file="a.conf")
    daemon.apply()
    assert [ask(each) for each in (port, taken)] == ["good"] * 2


def test_a_reload_does_not_move_it(daemon, target):
    port, taken = free_ports(2)
    refuse_and_break(daemon, port, taken, target)

    for _ in range(2):
        result = daemon.reload()
        assert not result["applied"]
        assert [held["app"] for held in result["held_back"]] == ["aa"]
        assert_held_back(daemon, port)
    assert outcome(taken) == "refused"

    daemon.replace_apps(app("aa", taken, [target]), file="a.conf")
    daemon.apply()
    assert ask(taken) == "good"
    assert daemon.status("aa")["generation"] == 2


def test_a_reload_does_not_bring_what_was_not_ready(daemon, started, target):
    port, late_port = free_ports(2)
    daemon.write_apps(app("aa", port, [target], probe=PROBED), file="a.conf")
    daemon.start()
    unready = 'ready = { min_available = 1; timeout = "300ms"; };'
    daemon.replace_apps(app("aa", port, [f"127.0.0.1:{late_port}"], unready, PROBED),
                        file="a.conf")
    assert not daemon.reload()["applied"]
    assert daemon.status("aa")["last_rollout"]["outcome"] == "rolled_back"
    daemon.replace("a.conf", BROKEN)

    assert not daemon.reload()["applied"]
    assert_held_back(daemon, port)
    started(EchoProcess("late", port=late_port))
    assert not daemon.reload()["applied"]
    assert_held_back(daemon, port)


def test_the_reason_is_the_file_also_after_a_rollback(daemon, started, target):
    """What an operator does meanwhile takes its turn; what is broken stays the reason."""
    port, = free_ports(1)
    daemon.write_apps(app("aa", port, [target]), file="a.conf")
    daemon.start()
    daemon.replace_apps(app("aa", port, [started(EchoProcess("newer"))]), file="a.conf")
    daemon.apply()
    daemon.replace("a.conf", BROKEN)
    assert not daemon.reload()["applied"]

    assert daemon.rollback("aa")["outcome"] == "done"

    aa = daemon.status("aa")
    assert aa["state"] == "config_error"
    assert "a.conf:1: " in aa["last_rollout"]["reason"]
    assert "aa: config_error: " in daemon.run("fproxy", "status").stdout
    assert ask(port) == "good"


def test_a_mended_file_that_an_operator_went_back_from_is_no_trouble(daemon, started, target):
    port, = free_ports(1)
    newer = app("aa", port, [started(EchoProcess("newer"))])
    daemon.write_apps(app("aa", port, [target]), file="a.conf")
    daemon.start()
    daemon.replace_apps(newer, file="a.conf")
    daemon.apply()
    assert daemon.rollback("aa")["outcome"] == "done"
    daemon.replace("a.conf", BROKEN)
    assert not daemon.reload()["applied"]
    assert daemon.status("aa")["state"] == "config_error"

    daemon.replace_apps(newer, file="a.conf")
    daemon.apply()

    aa = daemon.status("aa")
    assert (aa["state"], aa["last_rollout"]["outcome"]) == ("ready", "done")
    assert (aa["last_rollout"]["reason"], ask(port)) == ("", "good")


def test_an_app_that_waits_for_its_port_goes_on_waiting(daemon, target):
    """Its directory goes and comes back: that makes nothing of it good, or done."""
    taken, = free_ports(1)
    elsewhere = daemon.directory / "elsewhere"
    with occupy(taken):
        daemon.write_apps(app("k2", taken, [target]))
        daemon.launch()
        until(daemon.settled, what="it has started")
        daemon.config.rename(elsewhere)
        daemon.reload()
        assert daemon.status("k2")["state"] == "config_error"
        elsewhere.rename(daemon.config)
        result = daemon.reload()

        assert not result["applied"]
        k2 = daemon.status("k2")
        assert (k2["state"], k2["last_rollout"]["outcome"]) == ("unavailable", "failed")
        assert f"port {taken} is in use" in k2["last_rollout"]["reason"]
        assert "last good configuration" not in daemon.log()
        assert "is what it runs" not in daemon.log()
        assert "it goes on trying" in daemon.log()
        assert daemon.sql("SELECT 1 FROM rollouts WHERE outcome = 'done'") == []
    daemon.until_rollout("k2", "done")
    assert ask(taken) == "good"
