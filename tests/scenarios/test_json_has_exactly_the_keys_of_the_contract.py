"""`fproxy status --json` and `fproxy-probe inspect --json`: what scripts rely on."""
import re

from harness import DnsServer, EchoProcess, app, connect, free_ports, until

UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def start(daemon, started):
    port, dead = free_ports(2)
    dns = started(DnsServer(daemon.directory, {}))
    good = started(EchoProcess("good"))
    daemon.write_apps(
        app("web", [port, f"[::1]:{dead}"], [good, f"127.0.0.1:{dead}", "none.test:80"]),
        more=f'daemon = {{ dns = {{ servers = ["{dns.address}"]; }}; }};')
    daemon.start()
    daemon.until_state("web", f"127.0.0.1:{dead}", "unavailable")
    until(lambda: "dns_nxdomain" in [e["reason"] for e in daemon.inspect("web")["endpoints"]],
          what="the name is looked up")
    return good, port, dead


def test_status(daemon, started):
    _, port, dead = start(daemon, started)
    status = daemon.status()

    assert set(status) == {"version", "supervisor", "prober", "config_errors",
                           "apps"}
    assert set(status["supervisor"]) == {"pid", "uptime_s"}
    assert set(status["prober"]) == {"pid", "ready", "crash_loop", "last_end", "probe_lag"}
    prober = status["prober"]
    assert (prober["ready"], prober["crash_loop"], prober["last_end"]) == (True, False, None)
    web, = status["apps"]
    assert set(web) == {"name", "state", "ready", "generation", "ports", "worker",
                        "connections", "targets", "panics", "overrides", "rollback",
                        "last_rollout"}
    assert (web["name"], web["state"], web["ready"], web["generation"]) == (
        "web", "degraded", True, 1)
    assert web["ports"] == [port, f"[::1]:{dead}"]
    assert web["worker"] == {"name": "web", "pid": web["worker"]["pid"], "outdated": False,
                             "crash_loop": False, "last_end": None}
    assert web["connections"] == 0
    assert web["targets"] == {"available": 1, "total": 3}
    rollout = web["last_rollout"]
    assert set(rollout) == {"outcome", "reason", "started_at", "finished_at"}
    assert (rollout["outcome"], rollout["reason"]) == ("done", "")
    assert UTC.fullmatch(rollout["started_at"]) and UTC.fullmatch(rollout["finished_at"])


def test_connections_are_counted(daemon, started):
    _, port, _ = start(daemon, started)

    clients = [connect(port) for _ in range(7)]
    until(lambda: daemon.status("web")["connections"] == 7, what="seven are connected")
    for client in clients:
        client.close()
    until(lambda: daemon.status("web")["connections"] == 0, what="all have gone")


def test_inspect(daemon, started):
    good, _, dead = start(daemon, started)
    web = daemon.inspect("web")

    assert set(web) == {"app", "ready", "panic", "ladder", "panics", "generation", "endpoints"}
    assert (web["ladder"], web["panics"]) == ("normal", 0)
    assert (web["app"], web["ready"], web["panic"]) == ("web", True, False)
    by_target = {endpoint["target"]: endpoint for endpoint in web["endpoints"]}
    assert len(by_target) == len(web["endpoints"]) == 3
    for endpoint in web["endpoints"]:
        assert set(endpoint) == {"target", "address", "state", "since", "weight", "percent",
                                 "tier", "flapping", "ejections", "reason", "detail",
                                 "last_probe"}
        assert UTC.fullmatch(endpoint["since"])
        assert (endpoint["weight"], endpoint["percent"], endpoint["tier"]) == (1, 100, 0)
        assert (endpoint["flapping"], endpoint["ejections"]) == (False, 0)

    works = by_target[good.address]
    assert (works["address"], works["state"], works["reason"]) == (
        good.address, "available", "ok")
    assert set(works["last_probe"]) == {"at", "kind", "outcome", "duration_ms", "lag_ms",
                                        "detail"}
    assert (works["last_probe"]["kind"], works["last_probe"]["outcome"]) == ("tcp", "ok")
    assert UTC.fullmatch(works["last_probe"]["at"])
    assert 0 <= works["last_probe"]["duration_ms"] < 250
    assert works["last_probe"]["lag_ms"] >= 0

    broken = by_target[f"127.0.0.1:{dead}"]
    assert (broken["state"], broken["last_probe"]["outcome"]) == (
        "unavailable", "connect_refused")
    missing = by_target["none.test:80"]
    assert (missing["state"], missing["reason"], missing["address"]) == (
        "unresolved", "dns_nxdomain", "")
    assert missing["last_probe"]["lag_ms"] is None
