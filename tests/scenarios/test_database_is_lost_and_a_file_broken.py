"""kill -9 of the supervisor, the database lost or broken, and a file broken: the next supervisor
begins a new database with all that runs, also with what no file tells of."""
import pytest

from harness import EchoProcess, app, ask, free_ports, kill_supervisor, outcome, until


def remove(daemon):
    for path in daemon.state.glob("fproxy.db*"):
        path.unlink()


def overwrite(daemon):
    for path in daemon.state.glob("fproxy.db*"):
        path.write_bytes(b"garbage " * 2048)


def configure(daemon, name, port, target):
    daemon.write_apps(app(name, port, [target]), file=f"{name}.conf")


@pytest.fixture
def scene(daemon, started):
    """aa and ad serve, each of a file of its own; nobody supervises them."""
    echo = started(EchoProcess("good"))
    ports = free_ports(2)
    for name, port in zip(("aa", "ad"), ports):
        configure(daemon, name, port, echo)
    daemon.start()
    kill_supervisor(daemon)
    return ports, echo


def known(daemon):
    return daemon.sql("SELECT app FROM last_good_config ORDER BY app")


@pytest.mark.limit(90)
@pytest.mark.parametrize("harm", [remove, overwrite])
@pytest.mark.parametrize("text", ["x y", 'apps = ( { name = "ad"; ports = 0; } );'],
                         ids=["no syntax", "no app"])
def test_what_runs_is_recorded(daemon, scene, harm, text):
    ports, echo = scene
    harm(daemon)
    daemon.write("ad.conf", text)
    daemon.start(within=20)

    assert ask(ports[1]) == "good"
    ad = daemon.status("ad")
    assert ad["state"] == "config_error" and "ad.conf:1" in str(ad), ad
    until(lambda: known(daemon) == [("aa",), ("ad",)], what="it is recorded")
    plan = daemon.run("fproxy", "plan", "--config", str(daemon.config), *daemon.places())
    assert "delete" not in plan.stdout, plan.stdout
    daemon.stop()
    daemon.start()
    assert ask(ports[1]) == "good"

    configure(daemon, "ad", ports[1], echo)
    assert daemon.reload()["applied"]
    assert daemon.status("ad")["state"] == "ready"


@pytest.mark.limit(90)
def test_a_deleted_app_is_not_shown_as_ready(daemon, scene):
    """Until the other file is mended it may be an app of that; then it goes."""
    ports, echo = scene
    remove(daemon)
    daemon.write("aa.conf", "x y")
    (daemon.config / "ad.conf").unlink()
    daemon.start(within=20)

    for name in ("aa", "ad"):
        shown = daemon.status(name)
        assert shown["state"] == "config_error" and "aa.conf:1" in str(shown), shown
    configure(daemon, "aa", ports[0], echo)
    until(lambda: outcome(ports[1]) == "refused", what="it is gone")
    until(lambda: daemon.names() == ["aa"], what="it is gone")
    assert ask(ports[0]) == "good"
