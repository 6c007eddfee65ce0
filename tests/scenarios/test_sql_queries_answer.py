"""Every query of docs/sql.md runs on a database as it is; some are known to answer what is in it."""
import re
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness import EchoProcess, app, free_port, until

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(timezone.utc)


def ago(**span):
    at = NOW - timedelta(**span)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def queries():
    """[(the paragraph before it, on one line; the query)]"""
    text = (ROOT / "docs" / "sql.md").read_text()
    return [(" ".join(text[:found.start()].rstrip().rpartition("\n\n")[2].split()), found.group(1))
            for found in re.finditer(r"^```sql\n(.*?)^```", text, re.S | re.M)]


def query(words):
    """The one query whose introduction contains these words."""
    found, = [sql for before, sql in queries() if words in before]
    return found


def insert(db, table, **row):
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def move(db, at, to, target="a:1", address="10.0.0.1:1", before="available", reason="ok", name="web"):
    insert(db, "transitions", at=at, app=name, target=target, address=address, from_state=before,
           to_state=to, reason=reason, detail="")


def endpoint(db, target, address, state, name="web"):
    insert(db, "endpoints", app=name, target=target, address=address, state=state,
           since=ago(hours=1), reason="ok", weight=1, updated_at=ago(seconds=5))


@pytest.fixture
def db(monkeypatch):
    """The tables of a new database; rows are the test's, and of the present."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(timezone.utc))
    database = sqlite3.connect(":memory:")
    database.executescript((ROOT / "store" / "schema.sql").read_text())
    database.row_factory = sqlite3.Row
    yield database
    database.close()


def answers(db, words):
    return [dict(row) for row in db.execute(query(words))]


def test_all_run_on_an_empty_database(db):
    assert len(queries()) >= 32
    for before, sql in queries():
        assert db.execute(sql).fetchall() == [], before


def test_who_was_down_most(db):
    endpoint(db, "a:1", "10.0.0.1:1", "available")
    endpoint(db, "b:1", "10.0.0.2:1", "unavailable")
    move(db, ago(minutes=60), "unavailable")
    move(db, ago(minutes=50), "recovering", before="unavailable")
    move(db, ago(minutes=30), "available", before="recovering")
    move(db, ago(minutes=5), "unavailable", "b:1", "10.0.0.2:1")
    move(db, ago(minutes=90), "unavailable", "removed:1", "10.0.0.9:1")
    rows = answers(db, "Who was down most")
    assert [row["target"] for row in rows] == ["a:1", "b:1"]
    assert rows[0]["minutes_down"] == pytest.approx(30, abs=0.2)
    assert rows[1]["minutes_down"] == pytest.approx(5, abs=0.5)


def test_availability_by_day(db):
    """Up from noon to noon of two days ago to yesterday, but for six hours; then down."""
    endpoint(db, "a:1", "10.0.0.1:1", "unavailable")
    day = (NOW - timedelta(days=2)).strftime("%Y-%m-%d")
    next_day = (NOW - timedelta(days=1)).strftime("%Y-%m-%d")
    move(db, f"{day}T12:00:00.000Z", "available", before="unknown")
    move(db, f"{day}T15:00:00.000Z", "unavailable")
    move(db, f"{day}T18:00:00.000Z", "available", before="recovering")
    move(db, f"{next_day}T12:00:00.000Z", "unavailable")
    rows = {row["day"]: row for row in answers(db, "Availability of each endpoint by day")}
    assert rows[day]["up_percent"] == pytest.approx(75) and rows[day]["hours_known"] == 12
    assert rows[next_day]["up_percent"] == pytest.approx(50)
    assert rows[next_day]["hours_known"] == 24
    assert rows[NOW.strftime("%Y-%m-%d")]["up_percent"] == 0
    assert len(rows) == 3


def test_availability_as_the_probes_saw_it(db):
    for minute, failures in ((3, 0), (2, 5)):
        for address in ("10.0.0.1:1", "10.0.0.2:1"):
            insert(db, "probe_summary", app="web", target="a:1", address=address, probe="tcp",
                   minute="2026-01-31T12:%02d:00.000Z" % minute, runs=10, failures=failures,
                   p50_ms=1, max_ms=minute)
    row, = answers(db, "Availability by day as the probes saw it")
    assert row == {"app": "web", "target": "a:1", "day": "2026-01-31", "probes": 40,
                   "passed_percent": 75.0}


def test_the_slowest(db):
    for minutes, slow in ((10, 5.0), (20, 80.0), (30, 7.0)):
        insert(db, "probe_summary", app="web", target="a:1", address="10.0.0.1:1", probe="tcp",
               minute=ago(minutes=minutes), runs=10, failures=0, p50_ms=1, max_ms=slow)
        insert(db, "probe_results", at=ago(minutes=minutes), app="web", target="a:1",
               address="10.0.0.1:1", probe="tcp", outcome="ok", duration_ms=slow, detail="")
    assert [row["max_ms"] for row in answers(db, "slowest minutes")] == [80, 7, 5]
    assert [row["duration_ms"] for row in answers(db, "slowest single probes")] == [80, 7, 5]


def test_what_flaps(db):
    for i in range(8):
        move(db, ago(minutes=30 - i), ("available", "unavailable")[i % 2])
        move(db, ago(hours=20 - i), ("available", "unavailable")[i % 2], "slow:1", "10.0.0.3:1")
    row, = answers(db, "What flaps")
    assert row["target"] == "a:1" and row["most_in_10_minutes"] == 8
    assert row["began"] == ago(minutes=30)


def test_what_changed_before_an_outage(db):
    move(db, ago(minutes=10), "unavailable", before="failing", reason="connect_refused")
    insert(db, "rollouts", app="web", from_generation=1, to_generation=2, outcome="done", reason="",
           started_at=ago(minutes=12), finished_at=ago(minutes=11))
    insert(db, "rollouts", app="web", from_generation=0, to_generation=1, outcome="done", reason="",
           started_at=ago(hours=2), finished_at=ago(hours=2))
    insert(db, "rollouts", app="other", from_generation=1, to_generation=2, outcome="done", reason="",
           started_at=ago(minutes=12), finished_at=ago(minutes=11))
    insert(db, "crashes", at=ago(minutes=13), process="prober", app=None, pid=7, signal=11,
           exit_code=None, restart_delay_ms=0)
    insert(db, "events", at=ago(minutes=9), app="web", kind="later", level="error", message="",
           fields=None)
    rows = answers(db, "What changed in the five minutes before an outage")
    assert [(row["what"], row["detail"].strip()) for row in rows] == [
        ("rollout", "done to generation 2"), ("crash", "prober signal 11")]


def test_what_dns_changed(db):
    move(db, ago(minutes=9), "available", before="unknown")
    move(db, ago(minutes=8), "unresolved", reason="ttl_expired")
    move(db, ago(minutes=7), "available", address="10.0.0.2:1", before="unknown")
    move(db, ago(minutes=6), "unavailable", address="10.0.0.2:1")
    rows = answers(db, "Which addresses names gained and lost")
    assert [(row["address"], row["what"]) for row in rows] == [
        ("10.0.0.2:1", "came"), ("10.0.0.1:1", "left"), ("10.0.0.1:1", "came")]


def test_rollouts_and_crashes(db):
    for number, outcome in enumerate(("done", "failed", "rolled_back", None)):
        insert(db, "rollouts", app=f"app{number}", from_generation=1, to_generation=2,
               outcome=outcome, reason="why", started_at=ago(minutes=9),
               finished_at=outcome and ago(minutes=8))
    for minutes in (1, 2, 300):
        insert(db, "crashes", at=ago(minutes=minutes), process="worker", app="web", pid=7, signal=11,
               exit_code=None, restart_delay_ms=0)
    ended = answers(db, "did not end well")
    assert {row["outcome"] for row in ended} == {"failed", "rolled_back", "running"}
    crash, = answers(db, "What keeps crashing")
    assert crash["times"] == 2


def test_all_run_on_what_a_daemon_wrote(daemon, started):
    good, flaky = started(EchoProcess("good")), started(EchoProcess("flaky"))
    probe = 'interval = "250ms"; timeout = "200ms"; rise = 1; fall = 2;'
    daemon.write_apps(app("five-thousand", free_port(), [good, flaky, "no-such.invalid:1"],
                          probe=probe))
    daemon.start()
    daemon.until_state("five-thousand", flaky, "available")
    flaky.close()
    daemon.until_state("five-thousand", flaky, "unavailable")
    until(lambda: daemon.sql("SELECT 1 FROM transitions WHERE to_state = 'unavailable'"),
          what="it is written")
    until(lambda: daemon.sql("SELECT 1 FROM dns_cache"), what="so is what DNS said")
    for _, sql in queries():
        daemon.sql(sql)
    down = daemon.sql(query("What gets none, why"))
    assert {row[1] for row in down} == {flaky.address, "no-such.invalid:1"}
    worst = daemon.sql(query("Who was down most"))
    assert [row[1] for row in worst] == [flaky.address]
    failures = daemon.sql(query("word for word"))
    assert failures[0][:3] == ("five-thousand", "connect_refused", "connection refused")
    assert daemon.sql(query("Names whose last answer had no address"))[0][0] == "no-such.invalid"
