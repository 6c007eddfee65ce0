"""Errors that belong to no app that is shown: of a new file, of `daemon` and `defaults`, of a name
that another file has. `fproxy status` and `fproxy reload` tell them as long as they stand."""
import pytest

from harness import EchoProcess, app, apps_text, ask, free_ports, until

MISTAKES = {
    "a new file without syntax": ("20-new.conf", "apps = (\n{ name = ", "20-new.conf:2"),
    "defaults": ("00-defaults.conf", 'defaults = { idle_timeout = "7"; };', "00-defaults.conf:1"),
    "daemon": ("00-daemon.conf", 'daemon = { log_level = "loud"; };', "00-daemon.conf:1"),
    "a name that is taken": ("20-more.conf", apps_text(app("web", 1, ["127.0.0.1:9"])),
                             "20-more.conf:"),
}


@pytest.fixture
def port(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.start()
    return port


@pytest.mark.parametrize("how", MISTAKES)
def test_it_is_told_as_long_as_it_stands(daemon, port, how):
    name, text, place = MISTAKES[how]
    assert daemon.status()["config_errors"] == []
    assert "errors of the configuration" not in daemon.run("fproxy", "status").stdout

    daemon.write(name, text)
    until(lambda: daemon.status()["config_errors"], what="status has it")

    error = daemon.status()["config_errors"][0]["error"]
    assert place in error
    assert f"  {error}\n" in daemon.run("fproxy", "status").stdout
    assert f"  {error}\n" in daemon.run("fproxy", "status", "web").stdout
    assert f" error supervisor[{daemon.pid}] {error}\n" in daemon.log()
    for _ in range(2):
        answer = daemon.run("fproxy", "reload")
        assert answer.returncode == 1 and error in answer.stdout, answer.stdout
    assert ask(port) == "good"
    assert "valid again" not in daemon.log()

    (daemon.config / name).unlink()
    until(lambda: not daemon.status()["config_errors"], what="it is over")
    assert "errors of the configuration" not in daemon.run("fproxy", "status").stdout
    assert "the configuration is valid again" in daemon.log()
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'config_valid'"),
          what="it is an event")
    assert daemon.run("fproxy", "reload").returncode == 0


def test_what_an_app_tells_is_not_told_twice(daemon, port):
    daemon.write_apps('{ name = "web"; ports = [1]; targets = ("a:1"); prots = 1; }')
    until(lambda: daemon.status("web")["state"] == "config_error", what="status has it")
    told = daemon.run("fproxy", "status").stdout

    assert told.count("prots: unknown key") == 1, told
    assert daemon.run("fproxy", "reload").stdout.count("prots: unknown key") == 1


def test_of_very_many_the_first_are_told(daemon, port):
    """All of them are in the JSON, and `fproxy check' tells them."""
    for i in range(30):
        daemon.write(f"20-new-{i}.conf", "apps = (")
    until(lambda: len(daemon.status()["config_errors"]) == 30, what="status has them all")

    lines = daemon.run("fproxy", "status").stdout.splitlines()
    lines = [line for line in lines if not line.startswith("prober: ")]     # how late it is
    at = lines.index("errors of the configuration:")
    assert len(lines) == at + 22
    assert lines[-1] == "  and 10 more: `fproxy check' tells them"


def test_it_is_known_after_a_restart(daemon, port):
    daemon.write("20-new.conf", "apps = (\n")
    daemon.stop()
    daemon.start()

    error, = daemon.status()["config_errors"]
    assert error["app"] == "" and "20-new.conf:" in error["error"]
