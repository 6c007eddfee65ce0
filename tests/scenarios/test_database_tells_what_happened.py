"""fproxy.db: the tables and views of the contract, with what this run has done."""
import re

from harness import DnsServer, EchoProcess, app, free_ports, until

COLUMNS = {
    "config_generations": "app generation status source config hash reason created_at",
    "last_good_config": "app generation",
    "dns_cache": "name type address ttl_s resolved_at expires_at status",
    "endpoints": "app target address state since reason weight updated_at penalty penalty_at",
    "available_targets": "app target address",
    "unavailable_targets": "app target address",
    "transitions": "id at app target address from_state to_state reason detail",
    "probe_results": "id at app target address probe outcome duration_ms detail",
    "probe_summary": "app target address probe minute runs failures p50_ms max_ms",
    "rollouts": "id app from_generation to_generation outcome reason started_at finished_at",
    "crashes": "id at process app pid signal exit_code restart_delay_ms",
    "events": "id at app kind level message fields",
    "overrides": "app target action since note",
}
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def start(daemon, started):
    """A target that works, one that is dead, and a name."""
    port, dead, named = free_ports(3)
    good = started(EchoProcess("good"))
    started(EchoProcess("named", port=named))
    dns = started(DnsServer(daemon.directory, {"name.test": {"A": ["127.0.0.1"], "ttl": 77}}))
    daemon.write_apps(app("web", port, [good, f"127.0.0.1:{dead}", f"name.test:{named}"]),
                      more=f'daemon = {{ dns = {{ servers = ["{dns.address}"]; }}; }};')
    daemon.start()
    daemon.until_state("web", f"127.0.0.1:{dead}", "unavailable")
    daemon.until_available("web", 2)
    until(lambda: daemon.sql("SELECT count(*) FROM available_targets") == [(2,)] and
          daemon.sql("SELECT count(*) FROM unavailable_targets") == [(1,)] and
          daemon.sql("SELECT count(*) > 0 FROM events") == [(1,)], what="it is written")
    return good, f"127.0.0.1:{dead}", f"name.test:{named}"


def test_tables_and_views_have_their_names_and_columns(daemon):
    daemon.start()

    for table, columns in COLUMNS.items():
        daemon.sql(f"SELECT {', '.join(columns.split())} FROM {table}")
    (version,), = daemon.sql("PRAGMA user_version")
    assert version >= 1
    assert daemon.sql("PRAGMA journal_mode") == [("wal",)]


def test_configurations_that_worked_are_kept(daemon, started):
    start(daemon, started)

    (name, generation, status, source, config), = daemon.sql(
        "SELECT app, generation, status, source, config FROM config_generations")
    assert (name, generation, status) == ("web", 1, "good")
    assert source == str(daemon.config / "10-apps.conf")
    assert 'name = "web"' in config
    assert daemon.sql("SELECT app, generation FROM last_good_config") == [("web", 1)]
    assert daemon.sql("SELECT app, from_generation, to_generation, outcome FROM rollouts") == [
        ("web", 0, 1, "done")]


def test_what_is_known_of_targets_and_why(daemon, started):
    good, dead, named = start(daemon, started)

    rows = daemon.sql("SELECT target, address, state, reason, weight FROM endpoints")
    assert sorted(rows) == sorted([
        (good.address, good.address, "available", "ok", 1),
        (dead, dead, "unavailable", "connect_refused", 1),
        (named, named.replace("name.test", "127.0.0.1"), "available", "ok", 1)])
    assert ("unknown", "available", "ok") in daemon.sql(
        "SELECT from_state, to_state, reason FROM transitions WHERE target = ?", good.address)
    assert "unavailable" in [to for to, in daemon.sql(
        "SELECT to_state FROM transitions WHERE target = ?", dead)]
    outcomes = daemon.sql("SELECT DISTINCT target, probe, outcome FROM probe_results "
                          "WHERE target != ?", named)
    assert sorted(outcomes) == sorted([(good.address, "tcp", "ok"),
                                       (dead, "tcp", "connect_refused")])
    assert ("name.test", "A", "127.0.0.1", 77, "ok") in daemon.sql(
        "SELECT name, type, address, ttl_s, status FROM dns_cache")


def test_times_are_utc_text(daemon, started):
    start(daemon, started)

    for table, column in (("config_generations", "created_at"), ("endpoints", "since"),
                          ("endpoints", "updated_at"), ("transitions", "at"),
                          ("probe_results", "at"), ("rollouts", "started_at"),
                          ("rollouts", "finished_at"), ("dns_cache", "resolved_at"),
                          ("dns_cache", "expires_at"), ("events", "at")):
        times = [time for time, in daemon.sql(f"SELECT {column} FROM {table}")]
        assert times and all(UTC.fullmatch(time) for time in times), (table, column, times)


def test_what_is_down_at_the_end_is_known_at_the_next_start(daemon, started):
    start(daemon, started)
    before = daemon.sql("SELECT target, state FROM endpoints ORDER BY target")
    daemon.stop()
    assert daemon.sql("SELECT target, state FROM endpoints ORDER BY target") == before

    daemon.start()
    daemon.until_available("web", 2)
    assert daemon.status("web")["generation"] == 1      # the same configuration
