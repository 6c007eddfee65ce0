"""`defaults` that change touch just those apps for which they make a difference: the others keep
their generation, their process and their connections."""
import pytest

from harness import EchoProcess, Talk, app, free_ports, until

SOON_S = 5
NAMES = ("own", "follows", "idle")


def defaults(retries, idle):
    return (f'defaults = {{ connect = {{ retries = {retries}; }}; idle_timeout = "{idle}"; '
            f'drain_timeout = "3s"; }};\n')


@pytest.fixture
def scene(daemon, started):
    """`own` says both keys itself, `idle` one of them, `follows` none."""
    target = started(EchoProcess())
    ports = dict(zip(NAMES, free_ports(3)))
    more = {"own": 'connect = { retries = 5; }; idle_timeout = "5m";', "follows": "",
            "idle": 'idle_timeout = "6m";'}
    daemon.write("00-defaults.conf", defaults(3, "10m"))
    for name in NAMES:
        daemon.write_apps(app(name, ports[name], [target], more[name]), file=f"{name}.conf")
    daemon.start()
    talks = {name: started(Talk(ports[name])) for name in NAMES}
    return talks, {name: daemon.worker_pid(name) for name in NAMES}


def generations(daemon):
    return {name: daemon.status(name)["generation"] for name in NAMES}


def test_only_apps_whose_text_changes(daemon, scene):
    talks, pids = scene
    rollouts = {name: daemon.status(name)["last_rollout"] for name in NAMES}

    daemon.write("00-defaults.conf", defaults(2, "10m"))
    until(lambda: generations(daemon) == {"own": 1, "follows": 2, "idle": 2}, SOON_S,
          "those that follow have it")
    assert "retries = 2" in daemon.running("follows")["config"]
    assert "retries = 5" in daemon.running("own")["config"]

    daemon.write("00-defaults.conf", defaults(2, "11m"))
    until(lambda: generations(daemon) == {"own": 1, "follows": 3, "idle": 2}, SOON_S,
          "those that follow have it")
    assert daemon.status("own")["last_rollout"] == rollouts["own"]
    assert {name: daemon.worker_pid(name) for name in NAMES} == pids
    assert all(talk.lasts() for talk in talks.values())


def test_what_makes_no_difference_touches_nobody(daemon, scene):
    talks, pids = scene
    daemon.write("00-defaults.conf", "# the same\n" + defaults(3, "600s"))
    daemon.apply()
    assert generations(daemon) == {"own": 1, "follows": 1, "idle": 1}
    assert {name: daemon.worker_pid(name) for name in NAMES} == pids


def test_a_mistake_in_them_changes_nobody(daemon, scene):
    talks, pids = scene
    daemon.write("00-defaults.conf", 'defaults = { idle_timeout = "soon"; };\n')
    result = daemon.reload()

    assert not result["applied"]
    assert any("00-defaults.conf:1" in error for error in result["errors"])
    assert generations(daemon) == {"own": 1, "follows": 1, "idle": 1}
    assert {daemon.status(name)["state"] for name in NAMES} == {"ready"}

    daemon.write("00-defaults.conf", defaults(2, "10m"))
    daemon.apply()
    assert generations(daemon) == {"own": 1, "follows": 2, "idle": 2}
    assert all(talk.lasts() for talk in talks.values())


def test_their_file_deleted_leaves_the_built_in_ones(daemon, scene):
    talks, pids = scene
    (daemon.config / "00-defaults.conf").unlink()
    daemon.apply()
    assert generations(daemon)["own"] == 1
    assert generations(daemon)["follows"] == 2
    assert 'idle_timeout = "1h"' in daemon.running("follows")["config"]
    assert all(talk.lasts() for talk in talks.values())
