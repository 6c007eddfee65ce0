"""`daemon` changes while it runs: what the log tells, in every process, and what is asked of
which DNS server; no app is touched by it. Its last good holds while it is wrong."""
import json

import pytest

from harness import Daemon, DnsServer, EchoProcess, Talk, app, ask, free_ports, outcome, until

PROCESSES = ("supervisor", "prober", "worker")


class Scene:
    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, self.new = free_ports(2)
        self.target = started(EchoProcess())
        dns = started(DnsServer(daemon.directory, {"name.test": {"A": ["127.0.0.1"], "ttl": 1}}))
        self.dns = dns.address
        self.settings('log_level = "info";')
        daemon.write_apps(app("web", self.port, [self.target]))
        daemon.start()
        self.talk = started(Talk(self.port))
        self.pids = [pid for pid, _ in daemon.children()]

    def settings(self, text):
        self.daemon.write("00-daemon.conf",
                          f'daemon = {{ dns = {{ servers = ["{self.dns}"]; }}; {text} }};\n')

    def give_them_something_to_tell(self):
        """An app comes, whose name has to be looked up, and clients."""
        self.daemon.write_apps(app("new", self.new, [f"name.test:{self.target.port}"]),
                               file="20-new.conf")
        self.daemon.apply()
        ask(self.port)
        ask(self.new)

    def until_all_tell_in_debug(self, since):
        def told():
            log = self.daemon.log()[since:]
            return [process for process in PROCESSES if f" debug {process}[" in log]

        until(lambda: told() == list(PROCESSES), 3, "each process tells with debug")

    def assert_untouched(self):
        assert set(self.pids) <= {pid for pid, _ in self.daemon.children()}
        assert self.daemon.status("web")["generation"] == 1
        assert self.talk.lasts()


@pytest.fixture
def scene(daemon, started):
    return Scene(daemon, started)


def test_the_log_level_in_all_processes(daemon, scene):
    before = len(daemon.log())
    scene.settings('log_level = "debug";')
    daemon.apply()
    scene.give_them_something_to_tell()
    scene.until_all_tell_in_debug(before)

    scene.settings('log_level = "error";')
    daemon.apply()
    scene.talk.close()
    until(lambda: daemon.status("web")["connections"] == 0, what="it is over")
    before = len(daemon.log())
    (daemon.config / "20-new.conf").unlink()
    daemon.apply()
    until(lambda: daemon.names() == ["web"], what="the other is gone")
    assert daemon.log()[before:] == ""


def test_no_app_is_touched(daemon, scene):
    for level in ("debug", "warn", "info"):
        scene.settings(f'log_level = "{level}";')
        daemon.apply()
    scene.assert_untouched()


def test_the_format_of_the_log_in_all_processes(daemon, scene):
    before = len(daemon.log())
    scene.settings('log_format = "json"; log_level = "debug";')
    daemon.apply()
    scene.give_them_something_to_tell()

    def told():
        lines = [line for line in daemon.log()[before:].splitlines() if line.startswith("{")]
        return {json.loads(line)["process"] for line in lines}

    until(lambda: told() == set(PROCESSES), 3, "each process tells in JSON")
    scene.assert_untouched()


def test_a_worker_that_comes_later_has_them_too(daemon, scene):
    scene.settings('log_level = "debug";')
    daemon.apply()
    scene.give_them_something_to_tell()
    pid = daemon.worker_pid("new")
    until(lambda: f" debug worker[{pid}]" in daemon.log(), what="it tells with debug")


def test_what_the_command_line_says_is_stronger(started, tmp_path):
    daemon = started(Daemon(tmp_path))
    daemon.write("00-daemon.conf", 'daemon = { log_level = "info"; };\n')
    daemon.start("--log-level", "error")
    daemon.write("00-daemon.conf", 'daemon = { log_level = "debug"; };\n')
    daemon.apply()
    assert daemon.log() == ""


def test_other_dns_servers(daemon, started, scene):
    """A name that the first server does not know."""
    nowhere = daemon.directory / "nowhere"
    nowhere.mkdir()
    knows, scene.dns = scene.dns, started(DnsServer(nowhere, {})).address
    scene.settings("")
    daemon.write_apps(app("new", scene.new, [f"name.test:{scene.target.port}"],
                          'ready = { timeout = "300ms"; };'), file="20-new.conf")
    daemon.reload()
    until(lambda: daemon.status("new")["last_rollout"]["outcome"], 3, "it was tried")
    assert daemon.status("new")["last_rollout"]["reason"] == "not_ready"

    scene.dns = knows
    scene.settings("")
    daemon.reload()
    until(lambda: outcome(scene.new) == "hello", 12, "it is found")
    scene.assert_untouched()


def test_wrong_ones_change_nothing(daemon, scene):
    scene.settings('log_level = "debug";')
    daemon.apply()
    scene.settings('log_level = "loud";')
    before = len(daemon.log())
    result = daemon.reload()

    assert not result["applied"]
    assert any("00-daemon.conf:1" in error and "log_level" in error
               for error in result["errors"])
    assert "00-daemon.conf:1" in daemon.log()[before:]
    assert daemon.status("web")["state"] == "ready"
    daemon.write_apps(app("new", scene.new, [f"name.test:{scene.target.port}"]),
                      file="20-new.conf")
    daemon.reload()
    until(lambda: ask(scene.new) == "hello", what="the others apply")
    scene.until_all_tell_in_debug(before)
    scene.assert_untouched()


def test_directories_hold_from_the_next_start_on(daemon, scene):
    scene.settings(f'state_dir = "{daemon.directory}/other";')
    daemon.apply()
    until(lambda: "daemon.state_dir has changed" in daemon.log(), what="it is told")
    assert not (daemon.directory / "other").exists()
    scene.assert_untouched()
