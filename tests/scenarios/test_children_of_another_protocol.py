"""A supervisor finds children of a later version, whose messages it does not know: they hear
nothing but what all versions understand, are not taken for hung, and others take over from them."""
import time

import pytest

from harness import (COMMON, EchoProcess, StandIn, app, ask, connect, free_port, is_alive,
                     kill_supervisor, listeners, outcome, pids, read_all, until)

HUNG_S = 8              # twice unanswered after 3 s each, then SIGABRT and SIGKILL


def serve_web(daemon, started, more='drain_timeout = "20s";'):
    port = free_port()
    echo = started(EchoProcess())
    daemon.write_apps(app("web", port, [echo], more))
    daemon.start()
    return port


def in_the_queue(port):
    """A client that nobody has accepted yet, and that has said all."""
    client = connect(port)
    client.sendall(b"patience")
    client.shutdown(1)
    return client


def lives_on(stand_in, since):
    until(lambda: time.monotonic() - since > HUNG_S, 2 * HUNG_S, "it would have been killed")
    assert not stand_in.has_ended()


def ends_when_empty(stand_in):
    stand_in.say_gone()
    until(stand_in.has_ended, what="it is told to end")
    assert stand_in.heard[-1][0] == "STOP"


@pytest.mark.limit(60)
def test_a_worker_is_succeeded_on_its_own_sockets(daemon, started):
    port = serve_web(daemon, started)
    sockets = listeners(port)
    kill_supervisor(daemon)
    old = started(StandIn(daemon, "worker-web.1", later=1))
    client = in_the_queue(port)

    began = time.monotonic()
    daemon.start()

    until(lambda: pids(daemon).get("web") not in (None, 0, old.pid), what="a new worker serves")
    assert read_all(client) == b"patience"
    assert (ask(port), listeners(port)) == ("hello", sockets)
    lives_on(old, began)
    assert old.heard == [("APP_RETIRE", 0)]             # handover_timeout: no limit
    ends_when_empty(old)
    assert {name for name, _ in old.heard} <= COMMON


@pytest.mark.limit(60)
def test_what_changed_meanwhile_goes_to_a_new_worker(daemon, started):
    port = serve_web(daemon, started)
    other = started(EchoProcess("other"))
    kill_supervisor(daemon)
    old = started(StandIn(daemon, "worker-web.1", later=1))
    client = in_the_queue(port)
    daemon.write_apps(app("web", port, [other]))

    daemon.start()

    until(lambda: ask(port) == "other", what="the new configuration serves")
    assert read_all(client)
    ends_when_empty(old)
    assert {name for name, _ in old.heard} <= COMMON


@pytest.mark.limit(60)
def test_an_app_removed_meanwhile_leaves_within_its_bound(daemon, started):
    port = serve_web(daemon, started)
    kill_supervisor(daemon)
    old = started(StandIn(daemon, "worker-web.1", later=1))
    (daemon.config / "10-apps.conf").unlink()

    daemon.launch()

    until(lambda: old.heard, what="it is told")
    assert old.heard == [("APP_RETIRE", 20000)]         # as APP_DRAIN of its drain_timeout
    ends_when_empty(old)
    until(lambda: daemon.names() == [], what="nothing is left of it")


@pytest.mark.limit(60)
@pytest.mark.parametrize("stops", [True, False], ids=["stops", "stays"])
def test_the_prober_is_succeeded(daemon, started, stops):
    port = serve_web(daemon, started)
    before = pids(daemon)
    kill_supervisor(daemon)
    old = started(StandIn(daemon, "prober.1", later=1, stops=stops))

    daemon.start(within=20)

    until(lambda: pids(daemon)["prober"] not in (0, old.pid), 20, "a new prober is there")
    until(old.has_ended, what="the old one is not")
    assert old.heard == [("STOP", None)]
    assert pids(daemon)["web"] == before["web"] and is_alive(before["web"])
    daemon.until_available("web", 1)
    assert ask(port) == "hello"
    assert outcome(port) != "refused"
