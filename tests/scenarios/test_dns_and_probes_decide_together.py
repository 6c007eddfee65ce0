"""An address leaves when DNS names others, and only as its probes allow; a new one has to pass
first; what DNS does not say takes nothing away."""
import time

import pytest

from harness import DnsServer, Target, answer, app, ask, asks, connect, free_ports, until

DRAIN = 'drain_timeout = "2s";'


def dns_config(dns, more=""):
    return (f'daemon = {{ dns = {{ servers = ["{dns.address}"]; ttl_min = "1s"; '
            f'negative_min = "1s"; negative_max = "1s"; {more} }}; }};')


class Site:
    """The app "web" of one name, with a target at each address that has one."""

    def __init__(self, daemon, started, addresses, entry, more=DRAIN, **options):
        self.daemon, self.started = daemon, started
        self.port, self.target_port = free_ports(2)
        self.targets = {}
        for address in addresses:
            self.begin(address)
        self.dns = started(DnsServer(daemon.directory, {"name.test": entry}))
        daemon.write_apps(app("web", self.port, [f"name.test:{self.target_port}"], more, **options),
                          more=dns_config(self.dns))
        daemon.start()

    def begin(self, address):
        self.targets[address] = self.started(
            Target(answer(address), port=self.target_port, host=address))

    def names(self, *addresses, **more):
        self.dns.set({"name.test": {"A": list(addresses), "ttl": 1, **more}})

    def state(self, address):
        return self.daemon.states("web").get(f"{address}:{self.target_port}")

    def until_state(self, address, state, within=10):
        until(lambda: self.state(address) == state, within, f"{address} is {state}")

    def transitions(self, address):
        return self.daemon.sql(
            "SELECT from_state, to_state, reason, detail FROM transitions "
            "WHERE address = ? ORDER BY id", f"{address}:{self.target_port}")

    def until_transition(self, address, *wanted):
        until(lambda: wanted in self.transitions(address), what=f"{wanted} is recorded")


A, B, C = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def test_what_left_dns_but_passes_drains(daemon, started):
    site = Site(daemon, started, [A, B], {"A": [A, B], "ttl": 1})
    daemon.until_available("web", 2)
    clients = [connect(site.port) for _ in range(2)]    # one each, held open

    site.names(B)

    site.until_state(A, "draining")
    assert asks(site.port, 10) == [B] * 10
    until(lambda: site.state(A) is None, what="it is gone after drain_timeout")
    assert asks(site.port, 4) == [B] * 4
    for client in clients:              # also the one whose endpoint is no more
        client.sendall(b"hello")
        client.shutdown(1)
    assert sorted(client.recv(100).decode() for client in clients) == [A, B]
    site.until_transition(A, "available", "draining", "ttl_expired",
                          "the name no longer has this address; drains for 2 s")
    site.until_transition(A, "draining", "unresolved", "ttl_expired",
                          "the name no longer has this address; drained for 2 s")


def test_what_is_named_again_while_it_drains_was_never_away(daemon, started):
    site = Site(daemon, started, [A, B], {"A": [A, B], "ttl": 1}, 'drain_timeout = "30s";')
    daemon.until_available("web", 2)
    site.names(B)
    site.until_state(A, "draining")

    site.names(A, B)

    site.until_state(A, "available")
    assert sorted(asks(site.port, 4)) == [A, A, B, B]
    site.until_transition(A, "draining", "available", "ok", "the name has this address again")
    assert all("unknown" not in row[:2] for row in site.transitions(A)[1:])


def test_what_left_dns_and_fails_goes_at_once(daemon, started):
    site = Site(daemon, started, [A], {"A": [A, B], "ttl": 1}, 'drain_timeout = "30s";')
    daemon.until_available("web", 1)
    site.until_state(B, "unavailable")

    site.names(A)

    until(lambda: site.state(B) is None, what="it is gone")
    site.until_transition(B, "unavailable", "unresolved", "ttl_expired",
                          "the name no longer has this address, and its probes do not pass")


def test_what_drains_and_begins_to_fail_goes_at_once(daemon, started):
    site = Site(daemon, started, [A, B], {"A": [A, B], "ttl": 1}, 'drain_timeout = "60s";')
    daemon.until_available("web", 2)
    site.names(B)
    site.until_state(A, "draining")

    site.targets[A].close()

    until(lambda: site.state(A) is None, what="it is gone")
    assert asks(site.port, 4) == [B] * 4


@pytest.mark.parametrize("nothing", ["nxdomain", "empty", "servfail", "silence"])
def test_what_dns_does_not_say_takes_nothing_away(daemon, started, nothing):
    site = Site(daemon, started, [A, B], {"A": [A, B], "ttl": 1})
    daemon.until_available("web", 2)
    asked = site.dns.questions("name.test")

    site.dns.set({"name.test": {"status": nothing}})

    until(lambda: site.dns.questions("name.test") >= asked + 3, 30, "it was asked three times")
    assert sorted(asks(site.port, 4)) == [A, A, B, B]
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'dns_hold' AND app = 'web' AND "
                             "message LIKE '%stay in use%'"), what="it is told")
    site.names(A, B)
    until(lambda: daemon.sql("SELECT 1 FROM events WHERE kind = 'dns_hold' AND "
                             "message LIKE '%answers again%'"), what="that it is over as well")


@pytest.mark.limit(90)
def test_a_name_that_is_no_more_takes_what_fails_with_it(daemon, started):
    site = Site(daemon, started, [A], {"A": [A, B], "ttl": 1})
    daemon.until_available("web", 1)
    site.until_state(B, "unavailable")
    begin = time.monotonic()

    site.dns.set({})

    until(lambda: site.state(B) is None, 60, "what fails is gone")
    assert time.monotonic() - begin >= 30
    assert site.state(A) == "available"
    assert asks(site.port, 4) == [A] * 4
    until(lambda: any(to == "unresolved" and detail.startswith("no such name, ")
                      for _, to, _, detail in site.transitions(B)), what="why is recorded")


def test_a_new_address_gets_no_client_before_it_passes(daemon, started):
    site = Site(daemon, started, [A], {"A": [A], "ttl": 1},
                DRAIN + ' connect = { stagger = "5s"; per_try = "5s"; };',
                probe='interval = "3s"; timeout = "3s";')
    daemon.until_available("web", 1)
    Target.become_black_hole(started(Target(answer(B), port=site.target_port, host=B)))

    site.names(A, B)

    until(lambda: site.state(B) is not None, what="it is there")
    while site.state(B) == "unknown":       # its first probe is on its way
        begin = time.monotonic()
        assert ask(site.port) == A
        assert time.monotonic() - begin < 2     # nobody was tried before: that takes 5 s
    assert site.state(B) == "unavailable"


@pytest.mark.limit(60)
def test_while_what_is_named_does_not_work_the_old_one_serves(daemon, started):
    site = Site(daemon, started, [A], {"A": [A], "ttl": 1}, 'drain_timeout = "1s";')
    daemon.until_available("web", 1)

    site.names(B)

    site.until_state(A, "draining")
    end = time.monotonic() + 3              # three times what it may drain
    while time.monotonic() < end:
        assert ask(site.port) == A
    assert site.state(A) == "draining"
    site.begin(B)
    site.until_state(B, "available")
    until(lambda: site.state(A) is None, what="the old one is gone")
    assert asks(site.port, 4) == [B] * 4


@pytest.mark.limit(60)
def test_a_name_that_names_some_of_its_addresses_at_a_time_has_them_all(daemon, started):
    addresses = [f"127.0.0.{i}" for i in range(1, 7)]
    site = Site(daemon, started, addresses, {"A": addresses, "some": 2, "ttl": 1},
                'drain_timeout = "15s";')
    until(lambda: len(daemon.states("web")) == 6 and
          set(daemon.states("web").values()) == {"available"}, 30, "all are known and used")
    asked = site.dns.questions("name.test")
    changes = daemon.log().count(" -> ")

    until(lambda: site.dns.questions("name.test") >= asked + 4, 30, "it was asked four times")

    assert sorted(asks(site.port, 12)) == sorted(addresses * 2)
    assert daemon.log().count(" -> ") == changes


@pytest.mark.limit(60)
def test_a_probe_that_begins_to_fail_asks_dns_again(daemon, started):
    site = Site(daemon, started, [A, B], {"A": [A], "ttl": 200})
    daemon.until_available("web", 1)
    site.names(B, ttl=200)
    assert site.dns.questions("name.test") == 1     # the next would be in 160 s

    site.targets[A].close()

    site.until_state(B, "available")
    until(lambda: site.state(A) is None, what="the old one is gone")
    assert asks(site.port, 4) == [B] * 4
    assert site.dns.questions("name.test") <= 4
