"""With nothing left to try the client is reset at once, instead of waiting for a timeout."""
import time

from harness import (SLOWNESS, EchoProcess, app, ask, connect, ending, free_ports, outcome,
                     until)

SLOW_PROBES = 'interval = "1h"; timeout = "250ms"; fall = 1;'


def timed_outcome(port):
    begin = time.monotonic()
    return outcome(port), time.monotonic() - begin


def assert_reset_at_once(port):
    """A few may find the machine busy."""
    tries = [timed_outcome(port) for _ in range(10)]
    assert {said for said, _ in tries} == {"reset"}
    assert sorted(seconds for _, seconds in tries)[5] < 0.1 * SLOWNESS


def two_dead(ports):
    return [f"127.0.0.1:{port}" for port in ports]


def silent_ending(port):
    try:
        with connect(port) as sock:
            return ending(sock)
    except ConnectionResetError:            # so soon that connect() tells it
        return "reset"


def test_panic_fail_resets_clients_at_once(daemon):
    port, *dead = free_ports(3)
    daemon.write_apps(app("web", port, two_dead(dead), 'panic = "fail";'))
    daemon.start()
    until(lambda: daemon.status("web")["state"] == "unavailable", what="it has no target")

    assert_reset_at_once(port)


def test_a_client_that_says_nothing_is_reset_too(daemon):
    """Not FIN, which would read as an empty answer. (Bytes that are unread make any end RST.)"""
    port, *dead = free_ports(3)
    daemon.write_apps(app("web", port, two_dead(dead)))
    daemon.start()

    assert [silent_ending(port) for _ in range(10)] == ["reset"] * 10


def test_panic_all_tries_every_target_and_then_resets(daemon):
    port, *dead = free_ports(3)
    daemon.write_apps(app("web", port, two_dead(dead), 'panic = "all";'))
    daemon.start()
    until(lambda: daemon.status("web")["state"] == "panic", what="it is in panic")
    assert daemon.inspect("web")["panic"] is True

    assert_reset_at_once(port)


def test_panic_all_finds_a_target_before_its_probe_does(daemon, started):
    port, first, second = free_ports(3)
    daemon.write_apps(app("web", port, two_dead([first, second]), 'panic = "all";',
                          SLOW_PROBES))
    daemon.start()
    until(lambda: daemon.status("web")["state"] == "panic", what="it is in panic")

    started(EchoProcess("back", port=second))

    assert ask(port) == "back"


def test_panic_fail_trusts_the_probe(daemon, started):
    port, first, second = free_ports(3)
    daemon.write_apps(app("web", port, two_dead([first, second]), 'panic = "fail";',
                          SLOW_PROBES))
    daemon.start()
    until(lambda: daemon.status("web")["state"] == "unavailable", what="it has no target")

    started(EchoProcess("back", port=second))

    assert outcome(port) == "reset"


def test_all_targets_die_while_it_runs_and_one_comes_back(daemon, started):
    port, back = free_ports(2)
    targets = [started(EchoProcess("one")), started(EchoProcess("two", port=back))]
    daemon.write_apps(app("web", port, targets, 'panic = "fail";'))
    daemon.start()
    daemon.until_available("web", 2)

    for target in targets:
        target.kill()
    until(lambda: daemon.status("web")["state"] == "unavailable", what="both are found out")
    assert outcome(port) == "reset"

    started(EchoProcess("again", port=back))
    until(lambda: outcome(port) == "again", what="it serves again")
