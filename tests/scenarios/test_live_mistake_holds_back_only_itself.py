"""A mistake in a file, while the daemon runs: its apps go on as they were, everybody is told
where it is, the other files apply, and it is over when the file is mended."""
import shutil

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, apps_text, ask, free_ports, outcome,
                     until)

SOON_S = 5
MISTAKES = {
    "a syntax error": ("apps = (\n{ name = ", "10-web.conf:2"),
    "half of it": ('apps = (\n{ name = "web";\n  ports = [5', "10-web.conf:3"),
    "a bad value": ('apps = ({ name = "web";\n ports = [70000]; targets = ("a:1"); });',
                    "10-web.conf:2: web: ports: "),
    "an unknown key": ('apps = ({ name = "web"; ports = [7000]; targets = ("a:1");\n prots = 1; });',
                       "10-web.conf:2: web: prots: unknown key"),
    "garbage": ("\x01\x02\x00\x03", "10-web.conf"),
    "nothing at all": ("", "10-web.conf"),
}


@pytest.fixture
def scene(daemon, started):
    """The ports of web and of other, each in a file of its own; and the target of both."""
    port, other = free_ports(2)
    target = started(EchoProcess())
    daemon.write_apps(app("web", port, [target]), file="10-web.conf")
    daemon.write_apps(app("other", other, [target]), file="20-other.conf")
    daemon.start()
    return port, other, target


def until_told(daemon, reason):
    """In every place where somebody may look."""
    def status_tells():
        web = daemon.status("web")
        return web["state"] == "config_error" and reason in web["last_rollout"]["reason"]

    until(status_tells, SOON_S, "status tells it")
    assert daemon.status("web")["last_rollout"]["outcome"] == "failed"
    assert any(" error " in line and reason in line for line in daemon.log().splitlines())
    until(lambda: [text for text, in daemon.sql("SELECT message FROM events WHERE kind = "
                                                "'config_error'") if reason in text],
          what="events tell it")
    until(lambda: [text for text, in daemon.sql(
        "SELECT reason FROM config_generations WHERE app = 'web' AND status = 'failed'")
        if reason in text], what="config_generations tell it")


@pytest.mark.parametrize("how", MISTAKES)
def test_the_app_goes_on_and_everybody_is_told(daemon, started, scene, how):
    port, other, target = scene
    pids = [daemon.worker_pid(name) for name in ("web", "other")]
    talk, load = started(Talk(port)), started(Load(port, 50 // SLOWNESS))
    good = (daemon.config / "10-web.conf").read_text()
    text, reason = MISTAKES[how]

    daemon.write("10-web.conf", text)
    until_told(daemon, reason)

    assert daemon.status("web")["ready"] and daemon.status("web")["generation"] == 1
    assert daemon.sql("SELECT generation FROM last_good_config WHERE app = 'web'") == [(1,)]
    assert daemon.status("other")["state"] == "ready"

    daemon.write("10-web.conf", good)
    until(lambda: daemon.status("web")["state"] == "ready", SOON_S, "it is mended")
    assert daemon.status("web")["generation"] == 1
    assert daemon.status("web")["last_rollout"]["outcome"] == "done"
    assert talk.lasts()
    load.finish()
    assert load.failed("hello") == []
    assert pids == [daemon.worker_pid(name) for name in ("web", "other")]


def test_other_files_apply_meanwhile(daemon, started, scene):
    port, other, target = scene
    new, = free_ports(1)
    daemon.write("10-web.conf", "apps = (")
    daemon.write_apps(app("other", new, [target]), file="20-other.conf")

    until(lambda: outcome(new) == "hello" and outcome(other) == "refused", SOON_S,
          "the other file applies")
    assert ask(port) == "hello"
    until(lambda: daemon.status("web")["state"] == "config_error", SOON_S, "web is held back")

    result = daemon.reload()
    assert not result["applied"]
    assert [held["app"] for held in result["held_back"]] == ["web"]


def test_other_apps_of_the_file_apply_when_one_is_wrong(daemon, scene):
    """As long as the file can be read at all, a mistake is that app's alone."""
    port, other, target = scene
    first, second = free_ports(2)
    daemon.write_apps(app("first", first, [target]), app("web", port, [target], "retries = 1;"),
                      app("second", second, [target]), file="10-web.conf")

    until(lambda: outcome(first) == outcome(second) == "hello", SOON_S, "the others apply")
    until_told(daemon, "10-web.conf:")
    assert ask(port) == "hello"
    assert daemon.status("web")["generation"] == 1


def test_it_is_mended_with_another_text(daemon, scene):
    port, other, target = scene
    new, = free_ports(1)
    daemon.write("10-web.conf", "apps = (")
    until_told(daemon, "10-web.conf:1")
    daemon.write("10-web.conf", "apps = (\n(")
    until_told(daemon, "10-web.conf:2")

    daemon.write_apps(app("web", new, [target]), file="10-web.conf")

    until(lambda: outcome(new) == "hello" and outcome(port) == "refused", SOON_S, "it applies")
    assert daemon.status("web")["state"] == "ready"
    assert daemon.status("web")["last_rollout"]["outcome"] == "done"
    generation = daemon.status("web")["generation"]
    assert generation > 1
    until(lambda: daemon.sql("SELECT generation FROM last_good_config WHERE app = 'web'") ==
          [(generation,)], what="it is recorded")


def test_a_new_app_with_a_mistake_is_shown_and_hinders_nobody(daemon, scene):
    port, other, target = scene
    new, = free_ports(1)
    daemon.write("30-new.conf", 'apps = ({ name = "new"; ports = [0]; targets = ("a:1"); });')

    def shown():
        return "new" in daemon.names() and daemon.status("new")["state"] == "config_error"

    until(shown, SOON_S, "it is shown")
    assert "30-new.conf:1: new: ports: " in daemon.status("new")["last_rollout"]["reason"]
    assert daemon.status("new")["worker"]["pid"] is None
    assert [ask(port), ask(other)] == ["hello", "hello"]
    assert [daemon.status(name)["generation"] for name in ("web", "other")] == [1, 1]

    daemon.write_apps(app("new", new, [target]), file="30-new.conf")
    until(lambda: outcome(new) == "hello", SOON_S, "it serves")

    daemon.write("40-newer.conf", 'apps = ({ name = "newer"; ports = [0]; targets = ("a:1"); });')
    until(lambda: "newer" in daemon.names(), SOON_S, "it is shown")
    (daemon.config / "40-newer.conf").unlink()
    until(lambda: "newer" not in daemon.names(), SOON_S, "it is forgotten")


# ---- nothing disappears by accident ----

def replace_by_directory(path):
    path.unlink()
    path.mkdir()


def replace_by_dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def replace_by_link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("spoil", [replace_by_directory, replace_by_dangling_link,
                                   replace_by_link_to_itself])
def test_a_file_that_cannot_be_read_removes_nothing(daemon, started, scene, spoil):
    port, other, target = scene
    path = daemon.config / "10-web.conf"
    good = path.read_text()
    talk = started(Talk(port))

    spoil(path)
    until_told(daemon, "10-web.conf")
    assert ask(port) == "hello" and talk.lasts()

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    beside = daemon.directory / "beside"
    beside.write_text(good)
    beside.rename(path)
    until(lambda: daemon.status("web")["state"] == "ready", SOON_S, "it is mended")
    assert daemon.status("web")["generation"] == 1
    assert talk.lasts()


def test_a_file_that_says_nothing_but_can_be_read_removes(daemon, scene):
    """A comment is a decision; an empty file is an accident."""
    port, other, target = scene
    daemon.write("10-web.conf", "# nothing any more\n")
    until(lambda: daemon.names() == ["other"], SOON_S, "it is gone")
    assert outcome(port) == "refused"
    assert ask(other) == "hello"


def test_the_file_is_as_broken_after_a_restart(daemon, scene):
    port, other, target = scene
    daemon.write("10-web.conf", "apps = (")
    until_told(daemon, "10-web.conf:1")
    daemon.stop()
    daemon.start()

    until_told(daemon, "10-web.conf:1")
    assert ask(port) == "hello"
    assert daemon.status("web")["generation"] == 1
    daemon.write("10-web.conf", apps_text(app("web", port, [target])))
    until(lambda: daemon.status("web")["state"] == "ready", SOON_S, "it is mended")
    assert daemon.status("web")["generation"] == 1
