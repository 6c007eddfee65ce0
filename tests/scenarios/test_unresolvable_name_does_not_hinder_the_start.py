"""A name that does not exist holds up nothing and nobody; its target is shown as unresolved."""
from harness import DnsServer, EchoProcess, app, asks, free_ports


def test_an_app_with_an_unresolvable_name_serves_from_its_other_targets(daemon, started):
    port, = free_ports(1)
    dns = started(DnsServer(daemon.directory, {}))
    daemon.write_apps(app("web", port, ["no-such-name.test:80", started(EchoProcess("one"))]),
                      more=f'daemon = {{ dns = {{ servers = ["{dns.address}"]; }}; }};')
    daemon.start()

    assert asks(port, 10) == ["one"] * 10
    daemon.until_state("web", "no-such-name.test:80", "unresolved")
    endpoint, = [e for e in daemon.inspect("web")["endpoints"] if e["address"] == ""]
    assert endpoint["reason"] == "dns_nxdomain"
    assert daemon.status("web")["targets"] == {"available": 1, "total": 2}
