"""kill -9 of the supervisor under load: workers and prober serve on, new clients are taken all the
time, and the next fproxy adopts them: same processes, same generations, same listening sockets,
same connections."""
import pytest

from harness import (SLOWNESS, Conversation, Crowd, EchoProcess, app, ask, asks, crashes,
                     free_ports, generations, kill, kill_supervisor, listeners, pids, until)


def start(daemon, started, count=2):
    ports = free_ports(count)
    echo = started(EchoProcess())
    daemon.write_apps(*(app(f"app-{i}", port, [echo]) for i, port in enumerate(ports)))
    daemon.start()
    return ports


@pytest.mark.limit(90)
def test_not_one_connection_is_lost(daemon, started):
    ports = start(daemon, started)
    before = pids(daemon), generations(daemon), [listeners(port) for port in ports]
    last = {row["name"]: row["last_rollout"] for row in daemon.status()["apps"]}
    killed = daemon.pid
    conversations = [started(Conversation(port)) for port in ports for _ in range(5)]
    crowds = [started(Crowd(port)) for port in ports]

    left = kill_supervisor(daemon)

    assert left == sorted(before[0].values())
    for crowd in crowds:
        crowd.goes_on(100 // SLOWNESS)
    for conversation in conversations:
        conversation.goes_on()
    daemon.start()

    assert (pids(daemon), generations(daemon), [listeners(port) for port in ports]) == before
    assert {row["name"]: row["last_rollout"] for row in daemon.status()["apps"]} == last
    for conversation in conversations:
        conversation.goes_on()
    assert [crowd.unlucky() for crowd in crowds] == [[], []]
    until(lambda: crashes(daemon) == [("supervisor", None, killed, None)],
          what="its end is recorded")
    assert "taken over" in daemon.log()
    for conversation in conversations:
        conversation.close()
        assert conversation.trouble is None
    daemon.stop()


@pytest.mark.limit(120)
def test_again_and_again(daemon, started):
    ports = start(daemon, started)
    before = pids(daemon), generations(daemon), [listeners(port) for port in ports]
    conversation = started(Conversation(ports[0]))
    crowd = started(Crowd(ports[1]))

    for _ in range(5):
        kill_supervisor(daemon)
        crowd.goes_on()
        daemon.start()
        assert (pids(daemon), generations(daemon),
                [listeners(port) for port in ports]) == before

    conversation.goes_on()
    assert crowd.unlucky() == []
    assert len(daemon.children()) == len(before[0])


@pytest.mark.limit(60)
def test_one_that_is_killed_while_it_adopts(daemon, started):
    """At one of its first signs of life; the one after it adopts all the same."""
    ports = start(daemon, started, 5)
    before = pids(daemon), generations(daemon)
    conversations = [started(Conversation(port)) for port in ports]
    crowd = started(Crowd(ports[0]))
    kill_supervisor(daemon)

    for said in ("ended without stopping", "taken over", "ended without stopping"):
        told = len(daemon.log())
        daemon.launch()
        until(lambda: said in daemon.log()[told:], what=f"it says: {said}")
        kill_supervisor(daemon)
        crowd.goes_on()
    daemon.start()

    assert (pids(daemon), generations(daemon)) == before
    for conversation in conversations:
        conversation.goes_on()
    assert crowd.unlucky() == []


def test_children_that_die_meanwhile_are_replaced(daemon, started):
    """A worker and the prober died while nobody watched over them."""
    ports = start(daemon, started)
    before = pids(daemon)
    conversation = started(Conversation(ports[1]))
    kill_supervisor(daemon)
    for name in ("app-0", "prober"):
        kill(before[name])

    daemon.start()

    after = pids(daemon)
    assert after["app-1"] == before["app-1"]
    assert after["app-0"] not in (None, before["app-0"])
    assert after["prober"] not in (None, before["prober"])
    conversation.goes_on()
    assert asks(ports[0], 20) == ["hello"] * 20
    assert ask(ports[1]) == "hello"
