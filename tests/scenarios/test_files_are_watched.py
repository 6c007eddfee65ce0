"""What changes in the files applies without a command, however it is written: over the file,
renamed over it, by way of links as a ConfigMap is mounted, or with the whole directory."""
import os
import shutil

import pytest

from harness import (SLOWNESS, Daemon, EchoProcess, app, apps_text, ask, free_ports, outcome,
                     until)

# It settles for 200 ms, 1 s at most. However slow it is: what inotify does not tell is found
# after 10 s.
SOON_S = 5 / SLOWNESS


class Answers:
    """Targets by name, and the texts of files with an app that has one of them."""

    def __init__(self, started):
        self.port, self.other = free_ports(2)
        self.targets = {name: started(EchoProcess(name)) for name in ("one", "two")}

    def text(self, name, app_name="web", port=None):
        return apps_text(app(app_name, port or self.port, [self.targets[name]]))

    def until_it_is(self, name):
        until(lambda: outcome(self.port) == name, SOON_S, f"{name} answers")


@pytest.fixture
def answers(started):
    return Answers(started)


@pytest.fixture
def running(daemon, answers):
    daemon.write("10-web.conf", answers.text("one"))
    daemon.start()
    assert ask(answers.port) == "one"
    return daemon


def test_a_file_is_written(running, answers):
    for name in ("two", "one", "two"):
        running.write("10-web.conf", answers.text(name))
        answers.until_it_is(name)


def test_a_file_of_the_same_size_and_name_is_renamed_over(running, answers):
    for name in ("two", "one", "two"):
        running.replace("10-web.conf", answers.text(name))
        answers.until_it_is(name)


def test_a_file_is_deleted_and_restored(running, answers):
    path = running.config / "10-web.conf"
    path.unlink()
    until(lambda: running.names() == [], SOON_S, "the app is gone")
    assert outcome(answers.port) == "refused"

    path.write_text(answers.text("two"))
    answers.until_it_is("two")

    away = running.directory / "away"
    path.rename(away)
    until(lambda: outcome(answers.port) == "refused", SOON_S, "the app is gone")
    away.rename(path)
    answers.until_it_is("two")


def test_a_new_file_brings_a_new_app(running, answers):
    running.write("20-new.conf", answers.text("two", "new", answers.other))
    until(lambda: outcome(answers.other) == "two", SOON_S, "it serves")
    assert ask(answers.port) == "one"
    assert running.status("web")["generation"] == 1


def test_an_app_moves_to_another_file_untouched(running, answers):
    pid = running.worker_pid("web")
    os.rename(running.config / "10-web.conf", running.config / "50-other.conf")
    until(lambda: running.running("web")["source"].endswith("50-other.conf"), SOON_S,
          "it is known where it stands")
    assert running.worker_pid("web") == pid
    assert running.status("web")["generation"] == 1


def test_what_editors_leave_is_no_configuration(running, answers):
    """vi's swap file and its test whether it can write, backups, names that begin with a dot."""
    text = answers.text("two", "intruder", answers.other)
    for name in (".10-web.conf.swp", "4913", "10-web.conf~", "#10-web.conf#", ".#10-web.conf",
                 ".hidden.conf", "10-web.conf.bak", "10-web.conf.dpkg-old"):
        running.write(name, text)
    running.write("20-new.conf", answers.text("two", "new", answers.other))
    until(lambda: outcome(answers.other) == "two", SOON_S, "the one that counts is seen")

    assert sorted(running.names()) == ["new", "web"]
    assert running.status("web")["generation"] == 1
    assert " error " not in running.log()


def test_an_editor_saves_by_way_of_a_backup(running, answers):
    """As vi does: the file moves aside, a new one is written, what moved is deleted. The app
    is never taken for removed."""
    path = running.config / "10-web.conf"
    pid = running.worker_pid("web")
    for name in ("two", "one"):
        running.write("4913", "")
        (running.config / "4913").unlink()
        backup = path.with_name(path.name + "~")
        path.rename(backup)
        path.write_text(answers.text(name))
        backup.unlink()
        answers.until_it_is(name)
    assert running.worker_pid("web") == pid
    assert "app_removed" not in {kind for kind, in running.sql("SELECT kind FROM events")}


# ---- links ----

def mount(daemon, answers, name, number):
    """As Kubernetes mounts a ConfigMap: ..data is a link to a directory, and is replaced."""
    versions = daemon.config / f"..version{number}"
    versions.mkdir()
    (versions / "web.conf").write_text(answers.text(name))
    link = daemon.config / "..data_tmp"
    link.symlink_to(versions.name)
    link.rename(daemon.config / "..data")


def test_a_config_map_is_updated(daemon, answers):
    mount(daemon, answers, "one", 0)
    (daemon.config / "web.conf").symlink_to("..data/web.conf")
    daemon.start()
    assert ask(answers.port) == "one"
    pid = daemon.worker_pid("web")

    for number, name in enumerate(("two", "one", "two"), 1):
        mount(daemon, answers, name, number)
        shutil.rmtree(daemon.config / f"..version{number - 1}")
        answers.until_it_is(name)
    assert daemon.worker_pid("web") == pid


def test_the_file_behind_a_link_is_written(daemon, answers):
    elsewhere = daemon.directory / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "text").write_text(answers.text("one"))
    (elsewhere / "link").symlink_to("text")
    (daemon.config / "web.conf").symlink_to(elsewhere / "link")
    daemon.start()
    assert ask(answers.port) == "one"

    (elsewhere / "text").write_text(answers.text("two"))
    answers.until_it_is("two")
    (elsewhere / "other").write_text(answers.text("one"))
    (elsewhere / "new").symlink_to("other")
    (elsewhere / "new").rename(elsewhere / "link")
    answers.until_it_is("one")


def test_the_directory_itself_is_a_link_that_changes(daemon, answers):
    for name in ("one", "two"):
        (daemon.directory / name).mkdir()
        (daemon.directory / name / "web.conf").write_text(answers.text(name))
    daemon.config.rmdir()
    daemon.config.symlink_to("one")
    daemon.start()
    assert ask(answers.port) == "one"

    for name in ("two", "one"):
        link = daemon.directory / "new"
        link.symlink_to(name)
        link.rename(daemon.config)
        answers.until_it_is(name)


# ---- the directory ----

def test_the_directory_is_replaced(running, answers):
    """Moved away, and another one put in its place: and that one is watched too."""
    pid = running.worker_pid("web")
    for number, name in enumerate(("two", "one")):
        new = running.directory / f"new{number}"
        new.mkdir()
        (new / "10-web.conf").write_text(answers.text(name))
        running.config.rename(running.directory / f"old{number}")
        new.rename(running.config)
        answers.until_it_is(name)
    running.write("10-web.conf", answers.text("two"))
    answers.until_it_is("two")
    assert running.worker_pid("web") == pid


def test_a_directory_that_vanishes_takes_nothing_with_it(running, answers):
    away = running.directory / "away"
    running.config.rename(away)
    until(lambda: "config_unreadable" in {kind for kind, in running.sql(
        "SELECT kind FROM events")}, SOON_S + 2, "it is told")
    assert ask(answers.port) == "one"
    assert running.status("web")["ready"]
    assert not running.reload()["applied"]

    away.rename(running.config)
    running.write("10-web.conf", answers.text("two"))
    answers.until_it_is("two")
    assert running.status("web")["state"] == "ready"


def test_one_file_alone_can_be_the_configuration(started, tmp_path, answers):
    """FPROXY_CONFIG_PATH may name a file: that is watched in its directory."""
    daemon = started(Daemon(tmp_path))
    daemon.config.rmdir()
    daemon.config = tmp_path / "fproxy.conf"
    daemon.config.write_text(answers.text("one"))
    daemon.start()
    assert ask(answers.port) == "one"

    daemon.config.write_text(answers.text("two"))
    answers.until_it_is("two")
    new = tmp_path / "new"
    new.write_text(answers.text("one"))
    new.rename(daemon.config)
    answers.until_it_is("one")
