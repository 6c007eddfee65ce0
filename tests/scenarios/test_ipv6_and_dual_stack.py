"""IPv6 at both ends, and listeners that take both families, one, or a range of ports."""
import pytest

from harness import EchoProcess, Target, answer, app, ask, free_port, free_ports, outcome


def test_ipv6_clients_reach_ipv6_targets(daemon, started):
    port, = free_ports(1)
    target = started(Target(answer("six"), host="::1"))
    daemon.write_apps(app("six", f"[::1]:{port}", [target]))
    daemon.start()
    daemon.until_state("six", target, "available")

    assert ask(port, host="::1") == "six"
    assert outcome(port, host="127.0.0.1") == "refused"
    assert daemon.status("six")["ports"] == [f"[::1]:{port}"]


def test_a_port_alone_takes_both_families_and_targets_may_mix(daemon, started):
    port, = free_ports(1)
    targets = [started(Target(answer("six"), host="::1")), started(Target(answer("four")))]
    daemon.write_apps(app("both", port, targets))
    daemon.start()
    daemon.until_available("both", 2)

    for host in ("127.0.0.1", "::1"):
        assert {ask(port, host=host) for _ in range(4)} == {"six", "four"}
    assert daemon.status("both")["ports"] == [port]


def test_an_ipv4_address_takes_ipv4_only(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("four", f"127.0.0.1:{port}", [started(EchoProcess("four"))]))
    daemon.start()

    assert ask(port) == "four"
    assert outcome(port, host="::1") == "refused"


@pytest.mark.parametrize("how", ["range", "list"])
def test_several_ports_of_one_app(daemon, started, how):
    for _ in range(100):
        first = free_port()
        ports = [first] + [p for p in range(first + 1, first + 5) if outcome(p) == "refused"]
        if len(ports) == 5:
            break
    wanted = [f"{first}-{first + 4}"] if how == "range" else ports
    daemon.write_apps(app("many", wanted, [started(EchoProcess("good"))]))
    daemon.start()

    assert {ask(port) for port in ports} == {"good"}
    assert daemon.status("many")["ports"] == ports
