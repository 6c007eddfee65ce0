"""An update none of whose targets works is not used: what ran before serves all the while, and
status tells why. It is tried again at a reload, and never refused for an outage that is there
already."""
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, ask, asks, free_port, free_ports,
                     outcome, until)

READY_S = 2 * SLOWNESS
READY = f'ready = {{ timeout = "{READY_S}s"; }};'


@pytest.fixture
def scene(daemon, started):
    port, = free_ports(1)
    target = started(EchoProcess())
    daemon.write_apps(app("web", port, [target], READY))
    daemon.start()
    daemon.until_available("web", 1)
    return port, target


def dead():
    return f"127.0.0.1:{free_port()}"


def rollouts(daemon, name="web"):
    return daemon.sql("SELECT from_generation, to_generation, outcome FROM rollouts "
                      "WHERE app = ? ORDER BY id", name)


def test_what_ran_before_goes_on(daemon, started, scene):
    port, _ = scene
    talk, load = started(Talk(port)), started(Load(port, 100 // SLOWNESS))
    before = daemon.status("web")
    gone = dead()
    daemon.replace_apps(app("web", port, [gone], READY))
    begin = time.monotonic()
    result = daemon.reload()
    took = time.monotonic() - begin

    web = daemon.status("web")
    assert READY_S * 0.9 <= took <= READY_S + 3         # 10 s if it were forgotten
    assert not result["applied"]
    assert [(each["app"], each["outcome"]) for each in result["changed"]] == [
        ("web", "rolled_back")]
    assert web["last_rollout"]["outcome"] == "rolled_back"
    assert "not ready: 0 of 1 endpoints available" in web["last_rollout"]["reason"]
    for key in ("state", "ready", "generation", "worker", "targets", "ports"):
        assert web[key] == before[key]
    assert web["state"] == "ready"
    assert talk.lasts()
    load.finish()
    assert load.failed("hello") == []
    until(lambda: rollouts(daemon) == [(0, 1, "done"), (1, 2, "rolled_back")],
          what="it is recorded")
    until(lambda: daemon.sql("SELECT 1 FROM config_generations WHERE app = 'web' AND "
                             "generation = 2 AND status = 'failed'"), what="so is the text")
    (status, reason), = daemon.sql("SELECT status, reason FROM config_generations "
                                   "WHERE app = 'web' AND generation = 2")
    assert status == "failed" and "not ready" in reason
    assert daemon.sql("SELECT generation FROM last_good_config WHERE app = 'web'") == [(1,)]


def test_its_new_ports_are_not_open_before_it_is_used(daemon, started, scene):
    """Nobody comes to a port whose clients would be reset when the update is given up."""
    port, target = scene
    new, = free_ports(1)
    late = free_port()
    daemon.replace_apps(app("web", [port, new], [f"127.0.0.1:{late}"],
                            'ready = { timeout = "60s"; };'))
    until(lambda: daemon.status("web")["state"] == "rolling_out", 10, "it is on its way")
    assert [outcome(new) for _ in range(5)] == ["refused"] * 5

    started(EchoProcess("late", port=late))
    until(lambda: outcome(new) == "late", 10, "it is used")
    assert ask(port) == "late"


def test_it_is_tried_again_at_a_reload(daemon, started, scene):
    port, _ = scene
    late = free_port()
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{late}"], READY))
    assert not daemon.reload()["applied"]
    assert not daemon.reload()["applied"]
    assert daemon.status("web")["generation"] == 1

    started(EchoProcess("late", port=late))
    daemon.apply()

    until(lambda: ask(port) == "late", 10, "it is used")
    web = daemon.status("web")
    assert (web["generation"], web["last_rollout"]["outcome"]) == (2, "done")


def test_it_waits_for_a_target_that_is_about_to_start(daemon, started, scene):
    port, _ = scene
    late = free_port()
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{late}"], 'ready = { timeout = "20s"; };'))
    until(lambda: daemon.status("web")["state"] == "rolling_out", 10, "it is on its way")
    assert asks(port, 5) == ["hello"] * 5

    started(EchoProcess("late", port=late))

    until(lambda: ask(port) == "late", 10, "it is used")
    daemon.until_rollout("web", "done")


def test_a_newer_text_does_not_wait_for_it(daemon, started, scene):
    port, target = scene
    daemon.replace_apps(app("web", port, [dead()], 'ready = { timeout = "60s"; };'))
    until(lambda: daemon.status("web")["state"] == "rolling_out", 10, "it is on its way")

    newer = started(EchoProcess("newer"))
    daemon.replace_apps(app("web", port, [newer], READY))

    until(lambda: ask(port) == "newer", 10, "the newer one is used")
    assert daemon.until_rollout("web", "done")["state"] == "ready"


def test_the_old_text_back_ends_it(daemon, started, scene):
    port, target = scene
    good = (daemon.config / "10-apps.conf").read_text()
    pid = daemon.worker_pid("web")
    daemon.replace_apps(app("web", port, [dead()], 'ready = { timeout = "60s"; };'))
    until(lambda: daemon.status("web")["state"] == "rolling_out", 10, "it is on its way")

    daemon.replace("10-apps.conf", good)

    until(lambda: daemon.status("web")["state"] == "ready", 10, "it is given up")
    assert daemon.status("web")["generation"] == 1
    assert daemon.worker_pid("web") == pid
    assert daemon.reload()["held_back"] == []


def test_an_edit_during_an_outage_is_not_refused(daemon, started, scene):
    """The only target is down; the operator adds one that is down too, and changes a key."""
    port, target = scene
    target.kill()
    daemon.until_available("web", 0)

    daemon.replace_apps(app("web", port, [target, dead()], READY + "connect = { retries = 1; };"))
    daemon.apply()
    assert daemon.status("web")["generation"] == 2

    new = started(EchoProcess("new"))
    daemon.replace_apps(app("web", port, [target, new], READY))
    daemon.apply()
    until(lambda: outcome(port) == "new", 10, "the way out of the outage is open")


def test_min_available_is_what_it_takes(daemon, started, scene):
    """Three work at present and two are asked for: with one it is not enough."""
    port, target = scene
    more = [started(EchoProcess()) for _ in range(2)]
    two = f'ready = {{ timeout = "{READY_S}s"; min_available = 2; }};'
    daemon.replace_apps(app("web", port, [target, *more], two))
    daemon.apply()
    daemon.until_available("web", 3)

    daemon.replace_apps(app("web", port, [target, dead(), dead()], two))
    assert not daemon.reload()["applied"]
    web = daemon.status("web")
    assert web["last_rollout"]["outcome"] == "rolled_back"
    assert "1 of 3 endpoints available, 2 needed" in web["last_rollout"]["reason"]
    assert web["generation"] == 2

    daemon.replace_apps(app("web", port, [target, more[0], dead()], two))
    daemon.apply()
    assert daemon.status("web")["ready"]


def test_only_one_of_two_works_now_so_one_is_enough(daemon, started, scene):
    port, target = scene
    other = started(EchoProcess())
    two = f'ready = {{ timeout = "{READY_S}s"; min_available = 2; }};'
    daemon.replace_apps(app("web", port, [target, other], two))
    daemon.apply()
    other.kill()
    daemon.until_available("web", 1)

    daemon.replace_apps(app("web", port, [target, other], two + "connect = { retries = 1; };"))
    daemon.apply()
    assert daemon.status("web")["last_rollout"]["reason"] == "not_ready"
    assert asks(port, 5) == ["hello"] * 5


def test_other_apps_of_the_change_do_not_wait_for_it(daemon, started, scene):
    port, target = scene
    new, = free_ports(1)
    daemon.replace_apps(app("web", port, [dead()], 'ready = { timeout = "60s"; };'),
                        app("new", new, [target]))

    until(lambda: "new" in daemon.names() and daemon.status("new")["state"] == "ready", 10,
          "the other one serves")
    assert ask(new) == "hello"
    assert daemon.status("web")["state"] == "rolling_out"


def test_all_or_none_of_apps_between_which_a_port_moves(daemon, started, scene):
    """One that is not ready holds the other back, and the port stays where it was."""
    port, target = scene
    other, moving = free_ports(2)
    b = started(EchoProcess("b"))
    daemon.replace_apps(app("web", [port, moving], [target], READY), app("b", other, [b], READY))
    daemon.apply()

    daemon.replace_apps(app("web", port, [target], READY), app("b", [other, moving], [dead()],
                                                                READY))
    result = daemon.reload()

    assert not result["applied"]
    assert [ask(each) for each in (port, moving, other)] == ["hello", "hello", "b"]
    assert {name: daemon.status(name)["last_rollout"]["outcome"] for name in ("web", "b")} == {
        "web": "rolled_back", "b": "rolled_back"}
    assert "app b" in daemon.status("web")["last_rollout"]["reason"]
