"""A daemon that starts with a file whose update was refused, or does not work, begins with what
is known to have worked; then it tries the update."""
import pytest

from harness import SLOWNESS, EchoProcess, app, ask, asks, free_port, free_ports, outcome, until

READY = f'ready = {{ timeout = "{2 * SLOWNESS}s"; }};'


@pytest.fixture
def scene(daemon, started):
    port, = free_ports(1)
    target = started(EchoProcess("good"))
    daemon.write_apps(app("web", port, [target], READY))
    daemon.start()
    until(lambda: daemon.sql("SELECT generation FROM last_good_config") == [(1,)],
          what="it is recorded")
    return port, target


def assert_the_update_was_refused_again(daemon, port):
    web = daemon.until_rollout("web", "rolled_back", 10)
    assert (web["generation"], web["state"], web["ready"]) == (1, "ready", True)
    assert "not ready" in web["last_rollout"]["reason"]
    assert asks(port, 5) == ["good"] * 5
    assert daemon.sql("SELECT generation FROM last_good_config") == [(1,)]


def test_what_was_refused_before_is_tried_again(daemon, started, scene):
    port, _ = scene
    late = free_port()
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{late}"], READY))
    assert not daemon.reload()["applied"]
    daemon.stop()

    daemon.launch()
    until(lambda: outcome(port) == "good", 5, "the last good one serves")
    assert_the_update_was_refused_again(daemon, port)

    daemon.stop()
    started(EchoProcess("late", port=late))
    daemon.start()
    until(lambda: ask(port) == "late", 10, "the update works by now")
    assert daemon.until_rollout("web", "done")["state"] == "ready"


def test_what_changed_meanwhile_does_not_work(daemon, scene):
    port, _ = scene
    daemon.stop()
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{free_port()}"], READY))
    daemon.launch()

    until(lambda: outcome(port) == "good", 5, "the last good one serves")
    assert_the_update_was_refused_again(daemon, port)


def test_what_changed_meanwhile_works(daemon, started, scene):
    port, _ = scene
    other, = free_ports(1)
    daemon.stop()
    new = started(EchoProcess("new"))
    daemon.replace_apps(app("web", [port, other], [new], READY))
    daemon.start()

    until(lambda: outcome(port) == outcome(other) == "new", 5, "the update is used")
    web = daemon.until_rollout("web", "done")
    assert (web["generation"], web["state"]) == (2, "ready")


def test_the_old_targets_are_dead_and_the_new_ones_work(daemon, started, scene):
    """The last good one is no use: its outage does not hold up the update."""
    port, target = scene
    daemon.stop()
    target.kill()
    daemon.replace_apps(app("web", port, [started(EchoProcess("new"))], READY))
    daemon.start()

    until(lambda: outcome(port) == "new", 5, "the update is used")
    assert daemon.until_rollout("web", "done")["generation"] == 2


def test_the_port_of_the_update_is_taken(daemon, started, scene):
    port, target = scene
    daemon.stop()
    theirs = started(EchoProcess("theirs"))
    daemon.replace_apps(app("web", [port, theirs.port], [target], READY))
    daemon.launch()

    until(lambda: outcome(port) == "good", 5, "the last good one serves")
    web = daemon.until_rollout("web", "failed")
    assert f"port {theirs.port} is in use" in web["last_rollout"]["reason"]
    assert (web["generation"], web["state"]) == (1, "ready")
    assert ask(port) == "good"


def test_a_killed_supervisor_in_the_midst_of_it(daemon, started, scene):
    """What was on its way is begun again; what runs is adopted, and serves all the while."""
    port, _ = scene
    pid = daemon.worker_pid("web")
    late = free_port()
    daemon.replace_apps(app("web", port, [f"127.0.0.1:{late}"], 'ready = { timeout = "60s"; };'))
    until(lambda: daemon.status("web")["state"] == "rolling_out", 10, "it is on its way")
    daemon.process.kill()
    daemon.process.wait()
    daemon.process = None
    daemon.launch()

    until(lambda: (daemon.try_status() or {"apps": []})["apps"] and
          daemon.status("web")["state"] == "rolling_out", 10, "it is on its way again")
    assert asks(port, 5) == ["good"] * 5
    assert daemon.worker_pid("web") == pid
    started(EchoProcess("late", port=late))
    until(lambda: ask(port) == "late", 10, "it is used")
    assert daemon.until_rollout("web", "done")["worker"]["pid"] == pid
