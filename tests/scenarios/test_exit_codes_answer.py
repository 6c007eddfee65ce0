"""0 yes, 1 no, 2 wrong usage or nothing to reach; and a message that says what to do."""
import os
import socket
import subprocess

import pytest

from harness import BIN, SLOWNESS, EchoProcess, app, free_port, free_ports

PROGRAMS = ["fproxy", "fproxy-probe", "ftest"]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("option", ["--help", "-h", "--version", "-V"])
def test_help_and_version(daemon, program, option):
    answer = daemon.run(program, option)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert program in answer.stdout


@pytest.mark.parametrize("command", [
    ("fproxy", "check"), ("fproxy", "plan"), ("fproxy", "reload"), ("fproxy", "rollback"), ("fproxy", "report"),
    ("fproxy", "status"), ("fproxy", "stop"), ("fproxy", "upgrade"), ("fproxy", "completion"),
    ("fproxy-probe", "inspect"), ("fproxy-probe", "run"), ("ftest", "ping"), ("ftest", "balancer"),
    ("ftest", "simulate"), ("ftest", "echo"), ("ftest", "completion")])
def test_every_command_has_help(daemon, command):
    answer = daemon.run(*command, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert " ".join(command) in answer.stdout


@pytest.mark.parametrize("command", [
    "check", "plan", "reload", "rollback", "report", "status", "stop", "upgrade", "drain", "maintain",
    "ready"])
def test_every_command_takes_the_options_that_the_daemon_was_started_with(daemon, command):
    places = ("--config", daemon.config, "--state-dir", daemon.state, "--runtime-dir", daemon.runtime)
    for arguments in ((command, *places, "--help"), (*places, command, "--help")):
        answer = daemon.run("fproxy", *arguments)
        assert (answer.returncode, answer.stderr) == (0, "")
    for option in ("--config", "--state-dir", "--runtime-dir"):
        assert option in answer.stdout
        assert daemon.run("fproxy", command, option, "").returncode == 2


@pytest.mark.parametrize("arguments", [
    ("fproxy", "--no-such-option"), ("fproxy", "no-such-command"),
    ("fproxy", "status", "--what"), ("fproxy", "completion"), ("fproxy", "completion", "tcsh"),
    ("fproxy", "completion", "bash", "zsh"), ("fproxy", "check", ""),
    ("fproxy", "plan", ""), ("fproxy", "plan", "a", "b"), ("fproxy", "reload", "web"),
    ("fproxy", "rollback"), ("fproxy", "rollback", "a", "b"), ("fproxy", "report", "a"), ("fproxy", "upgrade", "now"),
    ("fproxy", "--log-level", "loud"), ("fproxy-probe",), ("fproxy-probe", "no-such-command"),
    ("fproxy-probe", "inspect", "--what"), ("fproxy-probe", "run"), ("ftest",), ("ftest", "no-such-command"),
    ("ftest", "ping")])
def test_wrong_usage_is_2_and_says_so(daemon, arguments):
    answer = daemon.run(*arguments)
    assert answer.returncode == 2
    assert answer.stderr


@pytest.mark.parametrize("program", ["fproxy", "ftest"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(daemon, program, shell):
    answer = daemon.run(program, "completion", shell)
    assert answer.returncode == 0
    assert program in answer.stdout


@pytest.mark.parametrize("command", [
    ("status",), ("stop",), ("reload",), ("rollback", "web"), ("report", "web", "a:1"), ("upgrade",)])
def test_without_a_daemon_it_is_2(daemon, command):
    answer = daemon.run("fproxy", *command)
    assert answer.returncode == 2
    assert str(daemon.runtime) in answer.stderr


def test_without_a_configuration_it_is_2_and_names_the_two_ways(daemon):
    daemon.config.rmdir()
    answer = daemon.run("fproxy")
    assert answer.returncode == 2
    assert "--config" in answer.stderr and "FPROXY_CONFIG_PATH" in answer.stderr


def test_the_configuration_may_be_named_by_the_environment(daemon):
    daemon.write_apps(app("web", 5001, ["127.0.0.1:1"]))
    assert "1 app" in daemon.run("fproxy", "check").stdout


def test_check_takes_the_path_as_the_daemon_does(daemon):
    daemon.write_apps(app("web", 5001, ["127.0.0.1:1"]))
    file = daemon.config / "10-apps.conf"
    for words in ("check", "--config"), ("check", "-c"), ("check",):
        answer = daemon.run("fproxy", *words, file)
        assert answer.returncode == 0, answer.stderr
        assert f"{file}: valid" in answer.stdout
    assert daemon.run("fproxy", "check", "-c", file, file).returncode == 2


def test_plan_works_without_a_daemon_and_tells_what_is_invalid(daemon):
    daemon.write_apps(app("web", free_port(), ["127.0.0.1:1"]))
    answer = daemon.run("fproxy", "plan")
    assert answer.returncode == 0, answer.stderr
    assert "1 create" in answer.stdout and "no supervisor runs" in answer.stdout
    (daemon.config / "20-bad.conf").write_text("apps = (")
    answer = daemon.run("fproxy", "plan")
    assert answer.returncode == 1
    assert "20-bad.conf" in answer.stdout
    assert daemon.run("fproxy", "plan", daemon.directory / "nowhere").returncode == 2


def test_plan_finds_a_port_that_is_in_use(daemon):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        daemon.write_apps(app("web", port, ["127.0.0.1:1"]))
        answer = daemon.run("fproxy", "plan")
    assert answer.returncode == 1
    assert f"port {port} is in use by" in answer.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to become somebody else")
def test_who_may_not_ask_is_told_so(daemon):
    daemon.start()
    daemon.runtime.chmod(0o700)
    answer = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
         BIN / "fproxy", "status", "--runtime-dir", daemon.runtime],
        env=daemon.environment(), text=True, capture_output=True, timeout=20 * SLOWNESS)
    assert answer.returncode == 2
    assert "permission denied" in answer.stderr
    assert "start one" not in answer.stderr


def test_status_of_an_app(daemon, started):
    port, other, dead = free_ports(3)
    daemon.write_apps(app("good", port, [started(EchoProcess("good"))]),
                      app("dead", other, [f"127.0.0.1:{dead}"]))
    daemon.start()
    daemon.until_state("dead", f"127.0.0.1:{dead}", "unavailable")

    assert daemon.run("fproxy", "status", "good").returncode == 0
    assert daemon.run("fproxy", "status", "dead").returncode == 1
    unknown = daemon.run("fproxy", "status", "nobody")
    assert unknown.returncode in (1, 2)
    assert "good" in unknown.stderr         # what there is instead
    table = daemon.run("fproxy", "status").stdout
    assert "good" in table and "dead" in table
