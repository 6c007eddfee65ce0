"""Every address of a name becomes an endpoint; a name's answers are kept for the next start."""
import pytest

from harness import (SLOWNESS, DnsServer, Target, answer, app, ask, asks, free_port, free_ports,
                     until)

START_S = 6 / SLOWNESS      # within 6 s, however slow it is: a lookup may take 7 s


def dns_config(address, more=""):
    return f'daemon = {{ dns = {{ servers = ["{address}"]; {more} }}; }};'


def test_two_addresses_of_one_name_are_two_endpoints(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("v4"), port=target_port))
    started(Target(answer("v6"), port=target_port, host="::1"))
    dns = started(DnsServer(daemon.directory,
                            {"two.test": {"A": ["127.0.0.1"], "AAAA": ["::1"]}}))
    daemon.write_apps(app("web", port, [f"two.test:{target_port}"]),
                      more=dns_config(dns.address))
    daemon.start()
    daemon.until_available("web", 2)

    assert sorted(asks(port, 10)) == ["v4"] * 5 + ["v6"] * 5
    assert daemon.states("web") == {f"127.0.0.1:{target_port}": "available",
                                    f"[::1]:{target_port}": "available"}


def test_two_ipv4_addresses_and_a_dead_one(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("a"), port=target_port, host="127.0.0.1"))
    started(Target(answer("b"), port=target_port, host="127.0.0.2"))
    dns = started(DnsServer(daemon.directory, {
        "three.test": {"A": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}}))
    daemon.write_apps(app("web", port, [f"three.test:{target_port}"]),
                      more=dns_config(dns.address))
    daemon.start()
    daemon.until_available("web", 2)

    assert sorted(asks(port, 10)) == ["a"] * 5 + ["b"] * 5
    assert daemon.status("web")["targets"] == {"available": 2, "total": 3}


def start_once_and_stop(daemon, dns, port, target_port):
    daemon.write_apps(app("web", port, [f"name.test:{target_port}"]),
                      more=dns_config(dns.address))
    daemon.start()
    assert ask(port) == "good"
    until(lambda: daemon.sql("SELECT 1 FROM dns_cache WHERE name = 'name.test'"),
          what="the answer is in the database")
    daemon.stop()


def test_with_dns_dead_a_start_serves_from_the_cache(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    dns = DnsServer(daemon.directory, {"name.test": {"A": ["127.0.0.1"], "ttl": 5}})
    try:
        start_once_and_stop(daemon, dns, port, target_port)
    finally:
        dns.close()

    daemon.start(within=START_S)

    assert ask(port) == "good"
    assert daemon.status("web")["ready"] is True


def test_with_dns_silent_a_start_serves_from_the_cache(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    dns = started(DnsServer(daemon.directory, {"name.test": {"A": ["127.0.0.1"]}}))
    start_once_and_stop(daemon, dns, port, target_port)
    dns.set({"name.test": {"status": "silence"}})

    daemon.start(within=START_S)

    assert ask(port) == "good"


def test_with_dns_dead_and_nothing_cached_other_targets_serve(daemon, started):
    port, = free_ports(1)
    nobody = f"127.0.0.1:{free_port()}"
    daemon.write_apps(app("web", port, ["name.test:80", started(Target(answer("good")))]),
                      more=dns_config(nobody))
    daemon.start()

    assert ask(port) == "good"

    def reason():
        unresolved, = [e for e in daemon.inspect("web")["endpoints"] if e["address"] == ""]
        assert (unresolved["target"], unresolved["state"]) == ("name.test:80", "unresolved")
        return unresolved["reason"]

    until(lambda: reason() in ("dns_timeout", "dns_servfail"), 15, "the reason is known")


@pytest.mark.limit(60)
def test_a_name_that_appears_later_is_found(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    dns = started(DnsServer(daemon.directory, {}))
    daemon.write_apps(app("web", port, [f"late.test:{target_port}"]),
                      more=dns_config(dns.address, 'negative_min = "1s"; negative_max = "1s";'))
    daemon.start()
    daemon.until_state("web", f"late.test:{target_port}", "unresolved")

    dns.set({"late.test": {"A": ["127.0.0.1"]}})

    daemon.until_available("web", 1, within=15)
    assert ask(port) == "good"


@pytest.mark.limit(60)
def test_an_address_that_is_added_is_found_when_the_ttl_is_over(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("a"), port=target_port, host="127.0.0.1"))
    started(Target(answer("b"), port=target_port, host="127.0.0.2"))
    dns = started(DnsServer(daemon.directory, {"grows.test": {"A": ["127.0.0.1"], "ttl": 1}}))
    daemon.write_apps(app("web", port, [f"grows.test:{target_port}"]),
                      more=dns_config(dns.address, 'ttl_min = "1s";'))
    daemon.start()
    daemon.until_available("web", 1)

    dns.set({"grows.test": {"A": ["127.0.0.1", "127.0.0.2"], "ttl": 1}})

    daemon.until_available("web", 2, within=10)
    assert sorted(asks(port, 4)) == ["a", "a", "b", "b"]


@pytest.mark.limit(60)
def test_a_name_with_more_addresses_than_room_gets_a_larger_board(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port, host="0.0.0.0"))
    few = [f"127.0.0.{i}" for i in range(1, 3)]
    many = [f"127.0.0.{i}" for i in range(1, 41)]
    dns = started(DnsServer(daemon.directory, {"pool.test": {"A": few, "ttl": 1}}))
    daemon.write_apps(app("web", port, [f"pool.test:{target_port}"]),
                      more=dns_config(dns.address, 'ttl_min = "1s";'))
    daemon.start()
    daemon.until_available("web", 2)

    dns.set({"pool.test": {"A": many, "ttl": 1}})

    daemon.until_available("web", 40, within=15)
    assert asks(port, 80) == ["good"] * 80
    assert len(daemon.inspect("web")["endpoints"]) == 40
    boards = [path.name for path in daemon.runtime.iterdir() if path.name.startswith("board-")]
    assert len(boards) == 1
