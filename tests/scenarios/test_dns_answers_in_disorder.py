"""Whatever DNS servers do, it ends in a named outcome, in bounded time, with few questions."""
import socket
import time

import pytest

from harness import (SLOWNESS, DnsServer, Target, answer, app, ask, asks, free_port, free_ports,
                     until)


def dns_config(servers, more=""):
    listed = ", ".join(f'"{server}"' for server in servers)
    return f'daemon = {{ dns = {{ servers = [{listed}]; {more} }}; }};'


def start(daemon, servers, *apps, more=""):
    daemon.write_apps(*apps, more=dns_config(servers, more))
    daemon.start()


def endpoint(daemon, name="web"):
    found, = daemon.inspect(name)["endpoints"]
    return found


def test_a_chain_of_aliases_is_followed_and_a_loop_is_empty(daemon, started):
    ports = free_ports(2)
    target = started(Target(answer("good")))
    dns = started(DnsServer(daemon.directory, {
        "one.test": {"CNAME": "two.test"}, "two.test": {"CNAME": "three.test"},
        "three.test": {"A": ["127.0.0.1"]},
        "left.test": {"CNAME": "right.test"}, "right.test": {"CNAME": "left.test"},
        "self.test": {"CNAME": "self.test"}}))
    start(daemon, [dns.address],
          app("chain", ports[0], [f"one.test:{target.port}"]),
          app("loop", ports[1], ["left.test:80", "self.test:80"]))

    assert ask(ports[0]) == "good"
    until(lambda: {e["reason"] for e in daemon.inspect("loop")["endpoints"]} == {"dns_empty"},
          what="loops are told as empty answers")
    assert dns.questions("left.test") <= 3


def test_two_hundred_addresses_come_by_tcp(daemon, started):
    port, target_port = free_ports(2)
    addresses = [f"127.0.1.{i}" for i in range(1, 201)]
    started(Target(answer("good"), port=target_port, host="0.0.0.0"))
    dns = started(DnsServer(daemon.directory, {"many.test": {"A": addresses, "ttl": 60}}))
    start(daemon, [dns.address], app("web", port, [f"many.test:{target_port}"]))

    daemon.until_available("web", 200, within=15)

    assert {e["address"] for e in daemon.inspect("web")["endpoints"]} == {
        f"{address}:{target_port}" for address in addresses}
    assert asks(port, 20) == ["good"] * 20


def test_a_ttl_of_zero_asks_once_a_second_at_most(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    dns = started(DnsServer(daemon.directory, {"hasty.test": {"A": ["127.0.0.1"], "ttl": 0}}))
    start(daemon, [dns.address], app("web", port, [f"hasty.test:{target_port}"]),
          more='ttl_min = "0s";')
    begin, first = time.monotonic(), dns.questions("hasty.test")

    until(lambda: dns.questions("hasty.test") >= first + 3, what="it is asked again")

    # Two whole waits at least, each of 80 % of a second less the jitter.
    assert time.monotonic() - begin > 2 * 0.7
    assert ask(port) == "good"


def refusing_server():
    """Nobody listens there: an ICMP message comes back at once."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def silent_server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.limit(60)
def test_of_several_servers_one_is_enough(daemon, started, silent_server):
    ports, target = free_ports(8), started(Target(answer("good")))
    names = [f"n{i}.test" for i in range(8)]
    dns = started(DnsServer(daemon.directory, {name: {"A": ["127.0.0.1"]} for name in names}))
    daemon.write_apps(*(app(f"app{i}", ports[i], [f"{name}:{target.port}"])
                        for i, name in enumerate(names)),
                      more=dns_config([refusing_server(), silent_server, dns.address]))
    begin = time.monotonic()

    daemon.start(within=15)

    for i in range(8):
        until(lambda i=i: daemon.states(f"app{i}").get(f"127.0.0.1:{target.port}") == "available",
              what=f"app{i} is available")
    assert time.monotonic() - begin < 7 * SLOWNESS      # what one question may take at most
    assert [ask(port) for port in ports] == ["good"] * 8


def test_a_refusal_by_one_server_holds_nobody_up(daemon, started):
    port, target = free_port(), started(Target(answer("good")))
    names = [f"n{i}.test" for i in range(20)]
    dns = started(DnsServer(daemon.directory, {name: {"A": ["127.0.0.1"]} for name in names}))
    daemon.write_apps(app("web", port, [f"{name}:{target.port}" for name in names]),
                      more=dns_config([refusing_server(), dns.address], 'timeout = "15s";'))
    begin = time.monotonic()

    daemon.start()

    daemon.until_available("web", 20)
    assert time.monotonic() - begin < 10    # who waited for the refused question: 15 s
    assert asks(port, 20) == ["good"] * 20


def test_thousands_of_names_are_no_storm(daemon, started):
    port, target = free_port(), started(Target(answer("good")))
    names = [f"n{i}.test" for i in range(2000)]
    zone = {name: {"A": ["127.0.0.1"], "ttl": 200} for name in names}
    dns = started(DnsServer(daemon.directory, zone))
    start(daemon, [dns.address],
          app("web", port, [f"{name}:{target.port}" for name in names],
              probe='kind = "none";'),
          more='timeout = "20s";')      # the server may be slow: nothing is to be asked twice

    until(lambda: daemon.status("web")["targets"]["available"] == 2000, 30, "all are known")

    assert dns.questions("n0.test") <= 2
    asked = dns.count_path.read_text().count("\n")
    assert asked <= 2 * 2000 * 1.1      # A and AAAA once each; a few may have been lost
    assert ask(port) == "good"
