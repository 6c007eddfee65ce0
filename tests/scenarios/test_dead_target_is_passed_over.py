"""A target that refuses connections gets no client, from the first client on."""
from harness import EchoProcess, app, asks, free_ports


def test_no_client_notices_a_target_that_is_dead_from_the_start(daemon, started):
    port, dead = free_ports(2)
    good = [started(EchoProcess("one")), started(EchoProcess("two"))]
    daemon.write_apps(app("web", port, [good[0], f"127.0.0.1:{dead}", good[1]]))
    daemon.start()

    assert set(asks(port, 30)) == {"one", "two"}
    daemon.until_state("web", f"127.0.0.1:{dead}", "unavailable")
    endpoint, = [e for e in daemon.inspect("web")["endpoints"]
                 if e["address"] == f"127.0.0.1:{dead}"]
    assert endpoint["reason"] == "connect_refused"
    assert daemon.status("web")["ready"] is True


def test_a_target_that_comes_to_life_gets_clients(daemon, started):
    port, late = free_ports(2)
    daemon.write_apps(app("web", port, [started(EchoProcess("one")), f"127.0.0.1:{late}"]))
    daemon.start()
    daemon.until_state("web", f"127.0.0.1:{late}", "unavailable")

    started(EchoProcess("two", port=late))

    daemon.until_state("web", f"127.0.0.1:{late}", "available")
    assert set(asks(port, 4)) == {"one", "two"}
