"""`fproxy plan` tells how many connections a change would drain: of removed ports as well."""
import json
import re

from harness import EchoProcess, Talk, app, apps_text, free_ports, until


def plan(daemon, directory, *options):
    return daemon.run("fproxy", "plan", *options, directory).stdout


def drains(daemon, directory):
    web, = json.loads(plan(daemon, directory, "--json"))["apps"]
    return web["drain"]["at_least"], web["drain"]["at_most"]


def test_of_removed_ports_it_knows_the_number(daemon, started):
    stays, goes, loopback = free_ports(3)
    one, two = started(EchoProcess()), started(EchoProcess())
    ports = [stays, goes, f"127.0.0.1:{loopback}"]
    daemon.replace_apps(app("web", ports, [one, two], "threads = 2;"))
    daemon.start()
    daemon.until_available("web", 2)
    talks = [started(Talk(port)) for port, count in ((stays, 4), (goes, 3), (loopback, 2))
             for _ in range(count)]
    until(lambda: daemon.status("web")["connections"] == 9 and all(t.said for t in talks),
          what="all talk")

    next_config = daemon.directory / "next"
    next_config.mkdir()

    def will_be(ports, targets):
        text = apps_text(app("web", ports, targets, "threads = 2;"))
        (next_config / file.name).write_text(text)

    file, = daemon.config.glob("*.conf")
    will_be([stays, ports[2]], [one, two])
    assert drains(daemon, next_config) == (3, 3)
    assert re.search("^    3 connections through it drain$", plan(daemon, next_config), re.M)
    will_be([stays], [one, two])
    assert drains(daemon, next_config) == (5, 5)
    assert "1 update; 5 connections will have to drain. Nothing was applied." in plan(
        daemon, next_config)

    # With a target as well some may be the same: between the larger of both and their sum.
    will_be([stays], [one])
    least, most = drains(daemon, next_config)
    assert 5 <= least < most <= 9
