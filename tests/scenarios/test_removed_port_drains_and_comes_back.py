"""A port that is configured no more refuses new clients at once, and lets those that are there
end within drain_timeout. It can be had again at once, by the same app or by another program."""
import socket
import time

import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, ask, free_ports, outcome, until)

DRAIN_S = 3
LATE_S = 2 * SLOWNESS
ROUNDS = 20


@pytest.fixture
def scene(daemon, started):
    """configure(PORT...) of the app that begins with both."""
    ports = free_ports(2)
    target = started(EchoProcess())

    def configure(*ports):
        daemon.replace_apps(app("web", ports, [target], f'drain_timeout = "{DRAIN_S}s";'))

    configure(*ports)
    daemon.start()
    daemon.until_available("web", 1)
    return *ports, configure


def test_its_connections_drain_and_the_other_ports_stay(daemon, started, scene):
    stays, goes, configure = scene
    other = started(Talk(stays))
    talks = [started(Talk(goes)) for _ in range(10)]
    begin = time.monotonic()
    configure(stays)
    daemon.apply()
    end = time.monotonic()

    until(lambda: outcome(goes) == "refused", 1, "it is refused")
    assert daemon.status("web")["ports"] == [stays]
    assert daemon.status("web")["connections"] == 11
    assert ask(stays) == "hello"
    assert all(talk.lasts() for talk in talks)
    until(lambda: all(talk.ended for talk in talks), DRAIN_S + 4, "they have ended")

    endings = sorted(talk.ended_at for talk in talks)
    print(f"{len(talks)} ended between {endings[0] - begin:.2f} s and {endings[-1] - begin:.2f} s")
    assert endings[0] - begin >= DRAIN_S * 2 / 3 - 0.05
    assert endings[-1] - end <= DRAIN_S + LATE_S
    assert other.lasts()


def test_it_works_at_once_when_it_is_back(daemon, started, scene):
    stays, goes, configure = scene
    load = started(Load(stays, 50 // SLOWNESS))
    other = started(Talk(stays))

    for _ in range(ROUNDS):
        talk = started(Talk(goes))
        configure(stays)
        daemon.apply()
        configure(stays, goes)
        daemon.apply()
        assert ask(goes) == "hello"
        assert talk.lasts()
        talk.close()
    load.finish()
    assert load.failed("hello") == []
    assert other.lasts()


def test_another_program_can_have_it(daemon, scene):
    stays, goes, configure = scene
    configure(stays)
    daemon.apply()
    until(lambda: outcome(goes) == "refused", 1, "it is refused")

    with socket.create_server(("127.0.0.1", goes)):
        assert ask(stays) == "hello"
