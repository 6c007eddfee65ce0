"""A prober that is killed is replaced by one that takes over what the boards tell: addresses of
names, also while DNS is dead, and which endpoint is down; so nobody is refused meanwhile, and
nobody is sent to what is known to be dead."""
import os
import signal

import pytest

from harness import DnsServer, Target, answer, app, ask, free_ports, until

SLOW = 'interval = "20s"; timeout = "10s"; rise = 1; fall = 1;'


def replace_prober(daemon):
    killed = daemon.status()["prober"]["pid"]
    os.kill(killed, signal.SIGKILL)
    until(lambda: daemon.status()["prober"]["pid"] not in (None, killed),
          what="another one runs")


def endpoints(daemon):
    return {endpoint["address"]: (endpoint["state"], endpoint["since"])
            for endpoint in daemon.inspect("web")["endpoints"]}


def test_names_keep_their_addresses_while_dns_is_dead(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    dns = started(DnsServer(daemon.directory, {"name.test": {"A": ["127.0.0.1"]}}))
    daemon.write_apps(app("web", port, [f"name.test:{target_port}"], more='panic = "fail";'),
                      more=f'daemon = {{ dns = {{ servers = ["{dns.address}"]; }}; }};')
    daemon.start()
    daemon.until_available("web", 1)
    before = endpoints(daemon)
    dns.close()

    replace_prober(daemon)

    assert [ask(port) for _ in range(50)] == ["good"] * 50
    assert endpoints(daemon) == before


@pytest.mark.parametrize("initial", ["history", "up", "down"])
def test_what_is_down_is_not_tried_and_keeps_its_time(daemon, started, initial):
    port, good_port, dead_port = free_ports(3)
    started(Target(answer("good"), port=good_port))
    dead = f"127.0.0.1:{dead_port}"
    daemon.write_apps(app("web", port, [f"127.0.0.1:{good_port}", dead], probe=SLOW,
                          more=f'panic = "fail"; initial = "{initial}";'))
    daemon.start()
    daemon.until_state("web", dead, "unavailable")
    daemon.until_available("web", 1)
    before = endpoints(daemon)

    replace_prober(daemon)

    assert [ask(port) for _ in range(50)] == ["good"] * 50
    assert endpoints(daemon) == before


def test_a_slot_that_nobody_needs_any_more_is_free(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    dns = started(DnsServer(daemon.directory, {
        "name.test": {"A": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}}))
    daemon.write_apps(app("web", port, [f"name.test:{target_port}"]),
                      more=f'daemon = {{ dns = {{ servers = ["{dns.address}"]; }}; }};')
    daemon.start()
    until(lambda: len(endpoints(daemon)) == 3, what="all three are there")
    dns.set({"name.test": {"A": ["127.0.0.1"]}})

    replace_prober(daemon)

    until(lambda: set(endpoints(daemon)) == {f"127.0.0.1:{target_port}"},
          what="those that are gone are not shown")
