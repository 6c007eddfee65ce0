"""Without any probe: a target that cannot be reached costs a client another try, no more."""
import time

from harness import SLOWNESS, EchoProcess, Target, app, asks, free_ports, outcome

NO_PROBE = 'kind = "none";'


def timed_outcome(port):
    begin = time.monotonic()
    return outcome(port), time.monotonic() - begin


def test_refused_tries_go_on_to_other_targets(daemon, started):
    port, *dead = free_ports(4)
    targets = [f"127.0.0.1:{number}" for number in dead] + [started(EchoProcess("good"))]
    daemon.write_apps(app("web", port, targets, probe=NO_PROBE))
    daemon.start()

    assert asks(port, 20) == ["good"] * 20


def test_no_retries_means_no_second_try(daemon, started):
    port, dead = free_ports(2)
    targets = [f"127.0.0.1:{dead}", started(EchoProcess("good"))]
    daemon.write_apps(app("web", port, targets, "connect = { retries = 0; };  threads = 1;",
                          probe=NO_PROBE))
    daemon.start()

    # One after the other goes to the one and to the other target; then the dead one is known.
    assert sorted(outcome(port) for _ in range(2)) == ["good", "reset"]
    assert outcome(port) == "good"


def test_a_try_that_hangs_gets_company_after_stagger(daemon, started):
    port, = free_ports(1)
    targets = [started(Target.black_hole()), started(EchoProcess("good"))]
    daemon.write_apps(app("web", port, targets,
                          'connect = { stagger = "2s"; per_try = "9s"; }; threads = 1;',
                          probe=NO_PROBE))
    daemon.start()

    results = [timed_outcome(port) for _ in range(4)]

    assert [said for said, _ in results] == ["good"] * 4
    slow = [seconds for _, seconds in results if seconds > 1.5]
    assert len(slow) <= 1                   # then the worker knows
    assert all(seconds < 2 + 2 * SLOWNESS for seconds in slow)  # alone it would have 9 s


def test_the_client_is_reset_when_connect_timeout_is_over(daemon, started):
    port, = free_ports(1)
    targets = [started(Target.black_hole()), started(Target.black_hole())]
    daemon.write_apps(app("web", port, targets, 'connect = { timeout = "1s"; };',
                          probe=NO_PROBE))
    daemon.start()

    said, seconds = timed_outcome(port)

    assert said == "reset"
    assert 0.9 < seconds < 1 + 1.5 * SLOWNESS


def test_per_try_ends_a_try_that_hangs(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(Target.black_hole())],
                          'connect = { per_try = "300ms"; retries = 0; };', probe=NO_PROBE))
    daemon.start()

    said, seconds = timed_outcome(port)

    assert said == "reset"
    assert 0.25 < seconds < 0.3 + 2 * SLOWNESS


def test_company_is_of_the_other_family(daemon, started):
    """Three IPv4 targets are black holes, as when the way there is broken: then comes IPv6."""
    port, = free_ports(1)
    holes = [started(Target.black_hole()) for _ in range(3)]
    good = started(Target(host="::1"))
    daemon.write_apps(app("web", port, [*holes, good],
                          'connect = { stagger = "2s"; per_try = "9s"; }; threads = 1;',
                          probe=NO_PROBE))
    daemon.start()

    said, seconds = timed_outcome(port)

    assert said == "hello"
    assert 1.8 < seconds < 3.9          # with a second black hole first it would be four
