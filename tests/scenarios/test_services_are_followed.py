"""A target may be a service: its SRV records tell hosts, ports, priorities and weights."""
import pytest

from harness import SLOWNESS, DnsServer, Target, answer, app, ask, asks, free_ports, until
from harness.lives import kill, pids

CONFIG = ('daemon = {{ dns = {{ servers = ["{}"]; ttl_min = "1s"; negative_min = "1s"; '
          'negative_max = "1s"; }}; }};')
NAME = "srv:_web._tcp.test"


class Site:
    def __init__(self, daemon, started, more='drain_timeout = "1s";'):
        self.daemon, self.started = daemon, started
        self.port, self.a, self.b = free_ports(3)
        self.targets = {}
        self.dns = started(DnsServer(daemon.directory, {}))
        self.text = app("web", self.port, [NAME], more)

    def begin(self, name, port):
        self.targets[name] = self.started(Target(answer(name), port=port))

    def names(self, *services):
        self.dns.set({"_web._tcp.test": {"SRV": list(services), "ttl": 1},
                      "a.test": {"A": ["127.0.0.1"], "ttl": 1},
                      "b.test": {"A": ["127.0.0.1"], "ttl": 1}})

    def start(self):
        self.daemon.write_apps(self.text, more=CONFIG.format(self.dns.address))
        self.daemon.start()

    def endpoint(self, port):
        found = [e for e in self.daemon.inspect("web")["endpoints"]
                 if e["address"] == f"127.0.0.1:{port}"]
        return found[0] if found else None


@pytest.fixture
def site(daemon, started):
    site = Site(daemon, started)
    site.begin("a", site.a)
    site.begin("b", site.b)
    return site


def test_the_second_priority_serves_while_the_first_cannot(daemon, site):
    site.names(f"10 5 {site.a} a.test", f"20 5 {site.b} b.test")
    site.start()
    daemon.until_available("web", 2)
    assert asks(site.port, 6) == ["a"] * 6
    assert {e["target"] for e in daemon.inspect("web")["endpoints"]} == {NAME}

    site.targets["a"].close()
    daemon.until_state("web", f"127.0.0.1:{site.a}", "unavailable")
    assert asks(site.port, 6) == ["b"] * 6

    site.begin("a", site.a)
    daemon.until_state("web", f"127.0.0.1:{site.a}", "available")
    assert asks(site.port, 6) == ["a"] * 6


def test_records_come_go_and_change(daemon, site):
    site.names(f"10 5 {site.a} a.test")
    site.start()
    daemon.until_available("web", 1)
    assert site.endpoint(site.a)["weight"] == 5

    site.names(f"10 5 {site.a} a.test", f"10 9 {site.b} b.test")
    daemon.until_available("web", 2)
    assert sorted(asks(site.port, 14)) == ["a"] * 5 + ["b"] * 9
    assert site.endpoint(site.b)["weight"] == 9

    site.names(f"10 7 {site.b} b.test")
    until(lambda: site.endpoint(site.a) is None, what="a is drained and gone")
    assert asks(site.port, 4) == ["b"] * 4
    until(lambda: site.endpoint(site.b)["weight"] == 7, what="the new weight is shown")


def test_no_service_means_none(daemon, site):
    site.names(f"10 5 {site.a} a.test")
    site.start()
    daemon.until_available("web", 1)

    site.names("0 0 0 .")

    daemon.until_state("web", NAME, "unresolved")
    endpoint, = daemon.inspect("web")["endpoints"]
    assert endpoint["reason"] == "dns_empty"
    until(lambda: daemon.sql("SELECT 1 FROM transitions WHERE detail = 'the name says that there "
                             "is no such service; drains for 1 s'"), what="why is recorded")
    site.names(f"10 5 {site.a} a.test")
    daemon.until_available("web", 1)
    assert ask(site.port) == "a"


def test_a_killed_prober_and_a_dead_dns_server_are_noticed_by_nobody(daemon, site):
    site.names(f"10 5 {site.a} a.test", f"20 5 {site.b} b.test")
    site.start()
    daemon.until_available("web", 2)
    site.dns.close()
    before = daemon.states("web")
    prober = pids(daemon)["prober"]

    kill(prober)

    until(lambda: pids(daemon).get("prober") not in (None, prober), what="there is a new prober")
    until(lambda: daemon.try_status() is not None, what="it tells its status")
    assert asks(site.port, 6) == ["a"] * 6
    assert daemon.states("web") == before


def test_with_dns_dead_a_start_serves_from_what_was_known(daemon, site):
    site.names(f"10 5 {site.a} a.test", f"20 5 {site.b} b.test")
    site.start()
    daemon.until_available("web", 2)
    until(lambda: len(daemon.sql("SELECT 1 FROM endpoints WHERE state = 'available'")) == 2,
          what="both are in the database")
    daemon.stop()
    site.dns.close()

    daemon.start(within=6 / SLOWNESS)       # within 6 s in any case: a lookup may take 7 s

    assert sorted(daemon.states("web")) == sorted(f"127.0.0.1:{p}" for p in (site.a, site.b))
    assert ask(site.port) in ("a", "b")
