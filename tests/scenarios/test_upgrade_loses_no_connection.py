"""An upgrade, by `POST /v1/upgrade` or SIGUSR2: the supervisor becomes the installed binary;
workers and prober are replaced one by one with the same listening sockets; connections that were
open stay with the old processes, which vanish with their last one. No client notices."""
import signal
import time

import pytest

from harness import (SLOWNESS, Conversation, Crowd, EchoProcess, Installation, app, crashes, ending,
                     connect, free_ports, generations, is_alive, kill, listeners, outcome, pids,
                     post, roles, until)

NAMES = ("app-0", "app-1", "app-2")


def start(daemon, started, more=""):
    ports = free_ports(len(NAMES))
    echo = started(EchoProcess())
    daemon.write_apps(*(app(name, port, [echo], more) for name, port in zip(NAMES, ports)))
    daemon.start()
    return ports


def ask_for_it(daemon, how="POST"):
    if how == "POST":
        assert post(daemon, "/v1/upgrade") == (202, {})
    else:
        daemon.signal(signal.SIGUSR2)


def accepted(daemon):
    try:
        return post(daemon, "/v1/upgrade") == (202, {})
    except OSError:
        return False                    # the one before is in the middle of it


def all_replaced(daemon, before):
    def others():
        after = pids(daemon)
        return set(after) == set(before) and all(after.values()) and \
            not set(after.values()) & set(before.values())

    until(others, 20, "every process has been replaced")


@pytest.mark.limit(90)
@pytest.mark.parametrize("how", ["POST", "SIGUSR2"])
@pytest.mark.parametrize("installed", ["the same", "another"])
def test_all_are_replaced_under_load(daemon, started, how, installed):
    installation = Installation(daemon)
    ports = start(daemon, started)
    before, numbers = pids(daemon), generations(daemon)
    sockets = [listeners(port) for port in ports]
    conversations = [started(Conversation(port)) for port in ports]
    crowds = [started(Crowd(port, count=2)) for port in ports]
    if installed == "another":
        for program in ("fproxy", "fproxy-worker", "fproxy-prober"):
            installation.install(program)

    ask_for_it(daemon, how)

    all_replaced(daemon, before)
    assert daemon.status()["supervisor"]["pid"] == daemon.pid
    assert installation.is_of(daemon.pid, "fproxy")
    assert all(installation.is_of(pids(daemon)[name], "fproxy-worker") for name in NAMES)
    for crowd in crowds:
        crowd.goes_on()
    for name, conversation in zip(NAMES, conversations):
        conversation.goes_on()
        assert is_alive(before[name])           # it stays with it
        conversation.close()
        until(lambda: not is_alive(before[name]), what="the old one ends with it")
    assert [crowd.unlucky() for crowd in crowds] == [[], [], []]
    assert [listeners(port) for port in ports] == sockets
    assert generations(daemon) == numbers
    assert crashes(daemon) == []
    assert sorted(roles(daemon).values()) == ["fproxy-prober"] + ["fproxy-worker"] * 3
    assert all(daemon.status(name)["state"] == "ready" for name in NAMES)
    daemon.stop()


@pytest.mark.limit(120)
def test_five_in_a_row(daemon, started):
    """Whether the one before is over or not; a connection outlives them all."""
    ports = start(daemon, started)
    first = pids(daemon)
    conversation = started(Conversation(ports[0]))
    crowd = started(Crowd(ports[1]))

    for turn in range(5):
        before = pids(daemon)
        until(lambda: accepted(daemon), 20, "it is accepted")
        if turn % 2 == 0:
            all_replaced(daemon, before)
    all_replaced(daemon, first)

    conversation.goes_on()
    until(lambda: len(roles(daemon)) == len(first) + 1, 20,
          "only the worker with that connection is left of those before")
    assert crowd.unlucky() == []
    assert crashes(daemon) == []


@pytest.mark.limit(60)
def test_handover_timeout_is_the_bound(daemon, started):
    ports = start(daemon, started, 'handover_timeout = "2s";')
    before = pids(daemon)
    sock = connect(ports[0], timeout=20)
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"

    ask_for_it(daemon)

    all_replaced(daemon, before)
    assert ending(sock) in ("fin", "reset")
    until(lambda: not is_alive(before["app-0"]), what="the old one ends")


@pytest.mark.limit(60)
def test_several_apps_in_one_process(daemon, started):
    """It is handed over as a whole."""
    ports = start(daemon, started, 'worker = "shared";')
    before = pids(daemon)
    conversations = [started(Conversation(port)) for port in ports]
    crowds = [started(Crowd(port, count=2)) for port in ports]

    ask_for_it(daemon)

    all_replaced(daemon, before)
    assert len({pids(daemon)[name] for name in NAMES}) == 1
    for conversation in conversations:
        conversation.goes_on()
        conversation.close()
    until(lambda: not is_alive(before["app-0"]), what="the old one ends")
    assert [crowd.unlucky() for crowd in crowds] == [[], [], []]


@pytest.mark.limit(60)
def test_while_a_worker_waits_to_be_restarted(daemon, started):
    """It keeps dying, and its next start is seconds away: its sockets stay open all the same."""
    ports = start(daemon, started)
    pid = None
    for _ in range(4):
        gone = pid
        pid = until(lambda: (now := daemon.worker_pid("app-0")) not in (None, gone) and now, 20,
                    "another worker of it runs")
        kill(pid)
    until(lambda: pids(daemon)["app-0"] is None, what="its end is noticed")
    before = pids(daemon)
    sockets = listeners(ports[0])
    crowd = started(Crowd(ports[0]))
    steady = started(Crowd(ports[1]))
    assert before["app-0"] is None

    ask_for_it(daemon)

    until(lambda: "takes over" in daemon.log(), what="it is another one")
    crowd.goes_on()
    assert listeners(ports[0]) == sockets
    assert crowd.unlucky() == []
    assert steady.unlucky() == []


@pytest.mark.limit(60)
def test_while_the_configuration_is_out_of_reach(daemon, started):
    """It goes on with what it knows."""
    ports = start(daemon, started)
    before = pids(daemon)
    crowd = started(Crowd(ports[0]))
    daemon.config.rename(daemon.directory / "elsewhere")

    ask_for_it(daemon)

    all_replaced(daemon, before)
    assert [outcome(port) for port in ports] == ["hello"] * 3
    (daemon.directory / "elsewhere").rename(daemon.config)
    assert crowd.unlucky() == []


@pytest.mark.limit(60)
def test_a_drain_goes_on(daemon, started):
    """What is being drained when it begins keeps its bound."""
    ports = start(daemon, started, 'drain_timeout = "4s";')
    before = pids(daemon)
    sock = connect(ports[0], timeout=20)
    crowd = started(Crowd(ports[1]))
    (daemon.config / "10-apps.conf").write_text(
        (daemon.config / "10-apps.conf").read_text().replace(str(ports[0]), str(free_ports(1)[0])))
    post(daemon, "/v1/reload")

    ask_for_it(daemon)

    all_replaced(daemon, before)
    assert ending(sock) in ("fin", "reset")
    until(lambda: len(roles(daemon)) == 4, what="the old ones are gone")
    assert crowd.unlucky() == []


def until_executed(daemon):
    """The log's next supervisor has begun: from the exec to there signals have no handler."""
    begun = daemon.log().count(f"supervisor[{daemon.pid}] fproxy ")
    return lambda: daemon.log().count(f"supervisor[{daemon.pid}] fproxy ") > begun


@pytest.mark.limit(60)
def test_signals_all_the_while_end_nobody(daemon, started):
    """While a binary is executed nobody handles signals: they wait."""
    start(daemon, started)
    for _ in range(3):
        before, is_executed = pids(daemon), until_executed(daemon)
        ask_for_it(daemon)
        deadline = time.monotonic() + 10 * SLOWNESS
        while not is_executed() and time.monotonic() < deadline:
            daemon.signal(signal.SIGHUP)
            time.sleep(0.001)
        all_replaced(daemon, before)
        assert daemon.process.poll() is None
        assert daemon.status()["supervisor"]["pid"] == daemon.pid
    assert daemon.reload()["applied"]


@pytest.mark.limit(60)
def test_a_stop_in_the_midst_of_it_is_a_stop(daemon, started):
    start(daemon, started)
    for moment_ms in (100, 105, 110, 120, 140, 180):        # the exec is 100 ms after the answer
        ask_for_it(daemon)
        time.sleep(moment_ms / 1000)
        daemon.stop(20)
        daemon.start()
