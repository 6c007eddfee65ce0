"""A port that another program has, an address that this host has not, a port that may not be
bound: found before anything moves. The app goes on as it was, and the reason names the port."""
import os
import socket
from pathlib import Path

import pytest

from harness import EchoProcess, Load, SLOWNESS, Talk, app, ask, free_ports, occupy, outcome, until

LOW = 81
UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
WITHOUT_THE_CAPABILITY = ("setpriv", "--bounding-set", "-net_bind_service")


@pytest.fixture
def scene(daemon, started):
    port, taken = free_ports(2)
    target = started(EchoProcess())
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    return port, taken, target


def refused(daemon, started, port, ports, target):
    """The reason for which the update to these ports is not used."""
    talk, load = started(Talk(port)), started(Load(port, 50 // SLOWNESS))
    before = daemon.status("web")
    daemon.replace_apps(app("web", ports, [target]))
    result = daemon.reload()

    web = daemon.status("web")
    assert not result["applied"]
    assert web["last_rollout"]["outcome"] == "failed"
    for key in ("state", "ready", "generation", "worker", "ports", "targets"):
        assert web[key] == before[key]
    assert talk.lasts()
    load.finish()
    assert load.failed("hello") == []
    reason = web["last_rollout"]["reason"]
    assert reason in daemon.log()
    until(lambda: daemon.sql("SELECT 1 FROM rollouts WHERE app = 'web' AND outcome = 'failed' "
                             "AND reason = ?", reason), what="it is recorded")
    until(lambda: daemon.sql("SELECT 1 FROM config_generations WHERE app = 'web' AND "
                             "status = 'failed' AND reason = ?", reason), what="it is recorded")
    return reason


@pytest.mark.parametrize("reuse_port", [False, True])
def test_another_program_has_it(daemon, started, scene, reuse_port):
    """Also where the kernel would let two programs share it, and their clients."""
    port, taken, target = scene
    free, = free_ports(1)
    with occupy(taken, reuse_port) as theirs:
        reason = refused(daemon, started, port, [port, free, taken], target)
        assert f"port {taken} is in use" in reason
        assert f"pid {os.getpid()}" in reason
        assert outcome(free) == "refused"           # it was not opened either
        with socket.create_connection(("127.0.0.1", taken)):
            theirs.settimeout(1)
            theirs.accept()[0].close()              # their client is theirs

    daemon.apply()
    assert [ask(each) for each in (port, free, taken)] == ["hello"] * 3


def test_it_is_in_use_at_one_address_only(daemon, started, scene):
    port, taken, target = scene
    with occupy(taken, host="127.0.0.2"):
        assert f"port {taken} is in use" in refused(daemon, started, port, [port, taken], target)
        daemon.replace_apps(app("web", [port, f"127.0.0.1:{taken}"], [target]))
        daemon.apply()
        assert ask(taken) == "hello"


@pytest.mark.parametrize("host", ["192.0.2.77", "[2001:db8::77]"])
def test_this_host_has_no_such_address(daemon, started, scene, host):
    port, taken, target = scene
    reason = refused(daemon, started, port, [port, f"{host}:{taken}"], target)
    assert f"{host}:{taken}" in reason
    assert "no such address" in reason


@pytest.mark.skipif(int(UNPRIVILEGED.read_text()) <= LOW, reason="this host lets anybody bind it")
def test_it_may_not_be_bound(daemon, started):
    port, = free_ports(1)
    target = started(EchoProcess())
    daemon.write_apps(app("web", port, [target]))
    daemon.launch(prefix=() if os.geteuid() else WITHOUT_THE_CAPABILITY)
    until(daemon.settled, what="it has started")

    reason = refused(daemon, started, port, [port, LOW], target)
    assert f"port {LOW} may not be bound" in reason


def test_ports_that_are_free_again_are_taken_at_the_next_change(daemon, started, scene):
    port, taken, target = scene
    other, = free_ports(1)
    with occupy(taken):
        refused(daemon, started, port, [port, taken], target)

    daemon.replace_apps(app("web", [port, taken, other], [target]))
    daemon.apply()
    assert [ask(each) for each in (port, taken, other)] == ["hello"] * 3


def test_a_new_app_waits_and_tells_why(daemon, started, scene):
    port, taken, target = scene
    with occupy(taken):
        daemon.write_apps(app("new", taken, [target]), file="20-new.conf")
        result = daemon.reload()
        assert not result["applied"]
        new = daemon.status("new")
        assert (new["state"], new["last_rollout"]["outcome"]) == ("unavailable", "failed")
        assert f"port {taken} is in use" in new["last_rollout"]["reason"]
    until(lambda: daemon.status("new")["ready"], what="it has its port")
    assert [ask(each) for each in (port, taken)] == ["hello"] * 2
