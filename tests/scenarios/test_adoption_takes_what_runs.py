"""What a new supervisor finds is adopted as it is: several apps in one process, a generation that
drains; and what changed in the configuration while none lived is applied as any live change."""
import pytest

from harness import (Conversation, Crowd, EchoProcess, app, ask, connect, ending, free_ports,
                     generations, is_alive, kill_supervisor, listeners, outcome, pids, reload,
                     roles, until)


def serve_three(daemon, started, more=""):
    ports = free_ports(3)
    echo = started(EchoProcess())
    for i, port in enumerate(ports):
        daemon.write_apps(app(f"app-{i}", port, [echo], more), file=f"{i}.conf")
    daemon.start()
    return ports, echo


@pytest.mark.limit(60)
def test_what_was_configured_meanwhile_is_applied_live(daemon, started):
    ports, echo = serve_three(daemon, started)
    before, numbers = pids(daemon), generations(daemon)
    other_port, new_port = free_ports(2)
    conversation = started(Conversation(ports[0]))
    crowd = started(Crowd(ports[0]))
    kill_supervisor(daemon)

    daemon.write_apps(app("app-0", [ports[0], other_port], [echo]), file="0.conf")
    daemon.write_apps(app("new", new_port, [echo]), file="new.conf")
    daemon.start()

    until(lambda: generations(daemon)["app-0"] > numbers["app-0"], what="the change applies")
    until(lambda: daemon.status("app-0")["last_rollout"]["outcome"] == "done",
          what="it is done")
    assert [ask(other_port), ask(new_port)] == ["hello"] * 2
    after = pids(daemon)
    assert {name: after[name] for name in before} == before
    assert generations(daemon)["app-1"] == numbers["app-1"]
    conversation.goes_on()
    assert crowd.unlucky() == []


@pytest.mark.limit(60)
def test_apps_are_told_in_the_same_order_whoever_brought_them(daemon, started):
    """Files in another order than names; an app that comes later; all in one process, then adopted."""
    ports = free_ports(4)
    echo = started(EchoProcess())
    for file, name, port in zip("0123", ["delta", "alpha", "charlie", "bravo"], ports):
        if name == "bravo":
            daemon.start()
        daemon.write_apps(app(name, port, [echo], 'worker = "all";'), file=f"{file}.conf")
    order = ["alpha", "bravo", "charlie", "delta"]
    until(lambda: daemon.names() == order, what="all four are told by name")
    kill_supervisor(daemon)
    daemon.start()
    assert daemon.names() == order


@pytest.mark.limit(60)
def test_an_app_removed_meanwhile_drains_and_stops(daemon, started):
    ports, _ = serve_three(daemon, started, 'drain_timeout = "20s";')
    before = pids(daemon)
    conversation = started(Conversation(ports[0]))
    kill_supervisor(daemon)

    (daemon.config / "0.conf").unlink()
    daemon.launch()

    until(lambda: outcome(ports[0]) == "refused", what="nobody is taken any more")
    conversation.goes_on()                      # that is what drain_timeout is for
    conversation.close()
    until(lambda: not is_alive(before["app-0"]), what="its process ends with its connection")
    after = pids(daemon)
    assert (after["app-1"], after["prober"]) == (before["app-1"], before["prober"])
    assert ask(ports[1]) == "hello"


@pytest.mark.limit(60)
def test_a_file_broken_meanwhile_stops_nothing(daemon, started):
    ports, _ = serve_three(daemon, started)
    before, numbers = pids(daemon), generations(daemon)
    conversation = started(Conversation(ports[0]))
    kill_supervisor(daemon)

    daemon.write("0.conf", "apps = ( { name = ")
    daemon.start()

    assert (pids(daemon), generations(daemon)) == (before, numbers)
    assert daemon.status("app-0")["state"] == "config_error"
    conversation.goes_on()
    assert ask(ports[0]) == "hello"


@pytest.mark.limit(60)
@pytest.mark.parametrize("how", ["worker", "pool"])
def test_several_apps_in_one_process(daemon, started, how):
    ports = free_ports(6)
    echo = started(EchoProcess())
    own = [f'worker = "shared-{i % 2}";' if how == "worker" else "" for i in range(6)]
    daemon.write_apps(*(app(f"app-{i}", port, [echo], own[i]) for i, port in enumerate(ports)),
                      more="daemon = { worker_pool = 2; };" if how == "pool" else "")
    daemon.start()
    before = pids(daemon), generations(daemon), [listeners(port) for port in ports]
    assert len(daemon.children()) == 3
    conversations = [started(Conversation(port)) for port in ports]
    crowd = started(Crowd(ports[0]))

    for _ in range(2):
        left = kill_supervisor(daemon)
        assert len(left) == 3
        daemon.start()
        assert (pids(daemon), generations(daemon),
                [listeners(port) for port in ports]) == before

    for conversation in conversations:
        conversation.goes_on()
    assert crowd.unlucky() == []


@pytest.mark.limit(90)
def test_in_the_middle_of_a_drain(daemon, started):
    """A port was taken away, and its connection has its time still."""
    port, leaving_port = free_ports(2)
    echo = started(EchoProcess())
    long = 'drain_timeout = "60s";'
    daemon.write_apps(app("web", [port, leaving_port], [echo], long))
    daemon.start()
    before = pids(daemon)
    stays, leaves = started(Conversation(port)), started(Conversation(leaving_port))
    daemon.write_apps(app("web", [port], [echo], long))
    assert reload(daemon)["applied"]
    until(lambda: outcome(leaving_port) == "refused", what="that port is closed")
    number = generations(daemon)

    kill_supervisor(daemon)
    leaves.goes_on()
    daemon.start()

    assert (pids(daemon), generations(daemon)) == (before, number)
    stays.goes_on()
    leaves.goes_on()
    assert daemon.status("web")["connections"] == 2
    leaves.close()
    until(lambda: daemon.status("web")["connections"] == 1, what="it is counted no more")
    boards = [path.name for path in daemon.runtime.glob("board-web.*")]
    assert len(boards) <= 2, boards
    stays.goes_on()


@pytest.mark.limit(60)
def test_a_drain_that_goes_on_ends_in_time(daemon, started):
    port, leaving_port = free_ports(2)
    echo = started(EchoProcess())
    short = 'drain_timeout = "2s";'
    daemon.write_apps(app("web", [port, leaving_port], [echo], short))
    daemon.start()
    stays = started(Conversation(port))
    leaves = connect(leaving_port)
    daemon.write_apps(app("web", [port], [echo], short))
    assert reload(daemon)["applied"]
    kill_supervisor(daemon)

    assert ending(leaves) in ("fin", "reset")   # without a supervisor
    daemon.start()

    stays.goes_on()
    until(lambda: len(list(daemon.runtime.glob("traffic-web.*"))) == 1,
          what="nothing of the old generation is left")
    # It may have been killed before that was written.
    until(lambda: daemon.sql("SELECT generation FROM last_good_config") ==
          [(daemon.status("web")["generation"],)], what="what runs is known as good")
    assert sorted(roles(daemon).values()) == ["fproxy-prober", "fproxy-worker"]
