"""`fproxy reload` says "nothing has changed" only when nothing has, and all of it applies."""
import pytest

from harness import EchoProcess, app, ask, free_ports, occupy, until


@pytest.fixture
def barred(daemon, started):
    """web serves; bb, which came later, cannot have its port: the socket that has it."""
    port, taken = free_ports(2)
    target = started(EchoProcess("good"))
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    with occupy(taken) as sock:
        daemon.write_apps(app("bb", taken, [target]), file="20-bb.conf")
        until(lambda: "bb" in daemon.names(), what="the watcher has seen it")
        daemon.until_rollout("bb", "failed")
        yield sock


def test_what_cannot_serve_is_told_again(daemon, barred):
    for _ in range(3):
        answer = daemon.run("fproxy", "reload")

        assert answer.returncode == 1, answer.stdout
        assert "bb: held back: port" in answer.stdout and "is in use" in answer.stdout
        assert "nothing has changed" not in answer.stdout
    result = daemon.reload()
    assert not result["applied"] and result["changed"] == []
    held, = result["held_back"]
    assert held["app"] == "bb" and "is in use" in held["reason"]


def test_what_cannot_serve_is_tried_at_once(daemon, barred):
    """Each reload begins the waiting anew, so that the tries of its own do not help."""
    port = barred.getsockname()[1]
    daemon.reload()
    barred.close()
    answer = daemon.run("fproxy", "reload")

    assert (answer.returncode, answer.stdout) == (0, "bb: create done\n")
    assert ask(port) == "good"
    answer = daemon.run("fproxy", "reload")
    assert answer.returncode == 0 and "nothing has changed" in answer.stdout


def test_an_update_that_gets_through_when_tried_again_is_told(daemon, started):
    port, taken = free_ports(2)
    target = started(EchoProcess("good"))
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    with occupy(taken):
        daemon.replace_apps(app("web", [port, taken], [target]))
        assert not daemon.reload()["applied"]
        assert daemon.run("fproxy", "reload").returncode == 1

    answer = daemon.run("fproxy", "reload")

    assert (answer.returncode, answer.stdout) == (0, "web: update done\n")
    assert ask(taken) == "good"


def test_settings_that_changed_are_told(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess())]))
    daemon.start()
    daemon.write("00-daemon.conf", 'daemon = { log_level = "debug"; };')
    answer = daemon.run("fproxy", "reload")

    assert (answer.returncode, answer.stdout) == (0, "daemon: update done\n")
    assert "nothing has changed" in daemon.run("fproxy", "reload").stdout


def test_what_the_log_counts_adds_up(daemon, started):
    ports = free_ports(4)
    target = started(EchoProcess())
    daemon.write_apps(*(app(f"a{i}", port, [target]) for i, port in enumerate(ports[:3])))
    daemon.start()
    daemon.replace_apps(app("a0", ports[3], [target]))
    daemon.apply()

    assert ("the configuration has changed: 1 of 1 apps are new or differ, 0 are held back; "
            "2 more are removed\n") in daemon.log()
