"""A file that is broken now holds back only itself: what it held before serves as it was."""
import os

import pytest

from harness import EchoProcess, app, ask, free_ports, outcome, until


def start_well_and_stop(daemon, started, port):
    target = started(EchoProcess("good"))
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    assert ask(port) == "good"
    daemon.stop()
    return target


def assert_serves_as_it_was(daemon, port, reason):
    web = daemon.status("web")
    assert ask(port) == "good"
    assert web["state"] == "config_error"
    assert web["last_rollout"]["outcome"] == "failed"
    assert reason in web["last_rollout"]["reason"]
    assert reason in daemon.log()


BROKEN = {
    "a syntax error": ("apps = (\n{ name = ", "10-apps.conf:2"),
    "a bad value": ('apps = ({ name = "web"; ports = [70000]; targets = ("a:1"); });', "70000"),
    "binary garbage": ("\x01\x02\x00\x03", "10-apps.conf"),
    "nothing at all": ("", "10-apps.conf"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_app_goes_on_as_it_was_when_its_file_is_broken(daemon, started, how):
    port, = free_ports(1)
    start_well_and_stop(daemon, started, port)
    text, reason = BROKEN[how]
    daemon.write("10-apps.conf", text)

    daemon.start()

    assert_serves_as_it_was(daemon, port, reason)
    assert daemon.sql("SELECT count(*) FROM events WHERE kind = 'config_error'") != [(0,)]


def test_it_still_does_so_after_another_restart_and_recovers_with_the_file(daemon, started):
    port, other = free_ports(2)
    target = start_well_and_stop(daemon, started, port)
    daemon.write("10-apps.conf", "apps = (")
    daemon.start()
    assert_serves_as_it_was(daemon, port, "10-apps.conf")
    daemon.stop()
    daemon.start()
    assert_serves_as_it_was(daemon, port, "10-apps.conf")
    daemon.stop()

    daemon.write_apps(app("web", other, [target]))
    daemon.start()

    assert ask(other) == "good"
    assert outcome(port) == "refused"
    assert daemon.status("web")["state"] == "ready"
    assert daemon.status("web")["generation"] == 2


def test_the_other_files_apply(daemon, started):
    port, other = free_ports(2)
    target = start_well_and_stop(daemon, started, port)
    daemon.write("10-apps.conf", "apps = (")
    daemon.write_apps(app("new", other, [target]), file="20-new.conf")

    daemon.start()

    assert_serves_as_it_was(daemon, port, "10-apps.conf")
    assert ask(other) == "good"
    assert daemon.status("new")["state"] == "ready"


def test_a_directory_that_vanished_removes_nothing(daemon, started):
    port, = free_ports(1)
    start_well_and_stop(daemon, started, port)
    os.rename(daemon.config, daemon.directory / "elsewhere")

    daemon.start()

    assert_serves_as_it_was(daemon, port, "conf.d")


def test_a_file_that_is_deleted_removes_its_app(daemon, started):
    port, = free_ports(1)
    start_well_and_stop(daemon, started, port)
    (daemon.config / "10-apps.conf").unlink()

    daemon.start()

    assert daemon.status()["apps"] == []
    assert outcome(port) == "refused"
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'app_removed'"),
          what="its end is recorded")


def test_broken_from_the_first_day_it_is_shown_and_others_serve(daemon, started):
    port, = free_ports(1)
    daemon.write("10-bad.conf", 'apps = ({ name = "bad"; ports = [0]; targets = ("a:1"); });')
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))

    daemon.start()

    assert ask(port) == "good"
    bad = daemon.status("bad")
    assert (bad["state"], bad["ready"], bad["worker"]["pid"]) == ("config_error", False, None)
    assert "10-bad.conf:1: bad: ports: " in bad["last_rollout"]["reason"]
    assert bad["last_rollout"]["outcome"] == "failed"
