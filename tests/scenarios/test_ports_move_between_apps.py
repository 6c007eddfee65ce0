"""A port can go from one app to another, and two apps can exchange theirs, in one change: no
client is refused, and each comes to the new owner from then on. Connections that are there
belong to the port's old owner, and drain."""
import time

import pytest

from harness import SLOWNESS, EchoProcess, Load, Talk, Target, app, ask, free_ports, until

RATE = 60 // SLOWNESS
ROUNDS = 10
SOON_S = 5          # two processes change hands, each of their threads when its turn comes


@pytest.fixture
def targets(started):
    return {name: started(EchoProcess(name)) for name in ("a", "b")}


def configure(daemon, targets, ports_a, ports_b, files=("10-apps.conf", "10-apps.conf")):
    apps = (app("a", ports_a, [targets["a"]]), app("b", ports_b, [targets["b"]]))
    if files[0] == files[1]:
        daemon.replace_apps(*apps)
        return
    for text, file in zip(apps, files):
        daemon.replace_apps(text, file=file)


def all_come_to(load, owner):
    """Whoever begins from some moment on, and that is soon."""
    begin = time.monotonic()

    def the_last_ten_did():
        came = sorted(result for result in list(load.results) if result[0] > begin)[-10:]
        return len(came) == 10 and {said for _, _, said in came} == {owner}

    until(the_last_ten_did, what=f"all come to {owner}")


@pytest.mark.limit(60)
@pytest.mark.parametrize("files", [("10-apps.conf", "10-apps.conf"), ("10-a.conf", "20-b.conf"),
                                   ("20-a.conf", "10-b.conf")])
def test_a_port_moves(daemon, started, targets, files):
    port_a, port_b, moving = free_ports(3)
    configure(daemon, targets, [port_a, moving], [port_b], files)
    daemon.start()
    loads = [started(Load(port, RATE)) for port in (port_a, port_b, moving)]
    until(lambda: all(load.done() for load in loads), what="clients come")
    pids = [daemon.worker_pid(name) for name in "ab"]

    for round_number in range(ROUNDS):
        if round_number % 2:
            configure(daemon, targets, [port_a, moving], [port_b], files)
        else:
            configure(daemon, targets, [port_a], [port_b, moving], files)
        daemon.apply()
        owner = "a" if round_number % 2 else "b"
        until(lambda: ask(moving) == owner, SOON_S, f"{owner} has it")
        all_come_to(loads[2], owner)

    for load in loads:
        load.finish()
    print(f"{ROUNDS} moves: {loads[2].done()} clients of the port that moved")
    assert loads[0].failed("a") == [] and loads[1].failed("b") == []
    assert loads[2].failed("a", "b") == []
    assert pids == [daemon.worker_pid(name) for name in "ab"]


@pytest.mark.limit(60)
@pytest.mark.parametrize("files", [("10-apps.conf", "10-apps.conf"), ("10-a.conf", "20-b.conf")])
def test_two_apps_exchange_their_ports(daemon, started, targets, files):
    one, two = free_ports(2)
    configure(daemon, targets, [one], [two], files)
    daemon.start()
    loads = [started(Load(port, RATE)) for port in (one, two)]
    until(lambda: all(load.done() for load in loads), what="clients come")

    for round_number in range(ROUNDS):
        ports = ([one], [two]) if round_number % 2 else ([two], [one])
        configure(daemon, targets, *ports, files)
        daemon.apply()
        owners = "ab" if round_number % 2 else "ba"
        until(lambda: [ask(one), ask(two)] == list(owners), SOON_S, "they are exchanged")
        for load, owner in zip(loads, owners):
            all_come_to(load, owner)

    for load in loads:
        load.finish()
        assert load.failed("a", "b") == []
    assert {daemon.status(name)["generation"] for name in "ab"} == {ROUNDS + 1}


def test_a_port_of_a_removed_app_moves(daemon, started, targets):
    port_b, moving = free_ports(2)
    configure(daemon, targets, [moving], [port_b])
    daemon.start()
    load = started(Load(moving, RATE))
    until(lambda: load.done() > 10, what="clients come")

    daemon.replace_apps(app("b", [port_b, moving], [targets["b"]]))
    daemon.apply()

    until(lambda: ask(moving) == "b", SOON_S, "b has it")
    all_come_to(load, "b")
    load.finish()
    assert load.failed("a", "b") == []
    until(lambda: daemon.names() == ["b"], what="a is gone")


def test_an_app_gets_another_name(daemon, started, targets):
    """To the daemon that is one app less and one more; to its clients it is nothing."""
    port, = free_ports(1)
    daemon.replace_apps(app("first", port, [targets["a"]]))
    daemon.start()
    load = started(Load(port, RATE))
    until(lambda: load.done() > 10, what="clients come")

    for name in ("second", "third", "first"):
        daemon.replace_apps(app(name, port, [targets["a"]]))
        daemon.apply()
        until(lambda: daemon.names() == [name], what="the other name is gone")
        all_come_to(load, "a")
    load.finish()
    assert load.failed("a") == []


def test_connections_of_the_old_owner_drain_with_it(daemon, started):
    """They are not handed to an app that has another target."""
    port_a, port_b, moving = free_ports(3)
    echoes = {name: started(Target()) for name in ("a", "b")}
    configure(daemon, echoes, [port_a, moving], [port_b])
    daemon.start()
    stays, drains = started(Talk(port_a)), started(Talk(moving))

    configure(daemon, echoes, [port_a], [port_b, moving])
    daemon.apply()

    assert stays.lasts() and drains.lasts()
    until(lambda: drains.ended, 5, "its time is over")
    assert drains.ended in ("fin", "reset")
    assert stays.lasts()


def test_who_has_a_port_keeps_it(daemon, targets):
    """Taken without being given: only who wants it is held back, until it is given."""
    port_a, port_b, moving = free_ports(3)
    configure(daemon, targets, [port_a, moving], [port_b], ("20-a.conf", "10-b.conf"))
    daemon.start()

    daemon.replace_apps(app("b", [port_b, moving], [targets["b"]]), file="10-b.conf")
    result = daemon.reload()

    assert not result["applied"]
    assert [held["app"] for held in result["held_back"]] == ["b"]
    assert str(moving) in result["held_back"][0]["reason"]
    assert "20-a.conf" in result["held_back"][0]["reason"]
    assert daemon.status("b")["state"] == "config_error"
    assert [ask(port) for port in (port_a, moving, port_b)] == ["a", "a", "b"]
    assert daemon.status("a")["generation"] == 1

    daemon.replace_apps(app("a", [port_a], [targets["a"]]), file="20-a.conf")
    daemon.apply()
    until(lambda: [ask(port) for port in (port_a, moving, port_b)] == ["a", "b", "b"], SOON_S,
          "b has it")
