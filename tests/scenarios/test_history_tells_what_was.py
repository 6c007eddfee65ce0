"""The past: who was available at an instant, what happened since, and what other thresholds would
have made of it."""
import json
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import pytest

from harness import EchoProcess, app, free_port, until

PROBE = 'interval = "250ms"; timeout = "200ms"; rise = 1; fall = 3;'


def utc(seconds):
    at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=int(seconds * 1000))
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def probe(daemon, *arguments, **environment):
    return daemon.run("fproxy-probe", *arguments, **environment)


def at(daemon, when, *arguments):
    return probe(daemon, "inspect", "--at", when, *arguments)


def states(answer, name="shop"):
    apps = {one["app"]: one for one in json.loads(answer.stdout)["apps"]}
    return {each["target"]: each["state"] for each in apps[name]["endpoints"]}


@pytest.fixture
def shop(daemon, started):
    """A target that died and came back; daemon.moments are before, during and after."""
    daemon.good, target = started(EchoProcess("good")), started(EchoProcess("flaky"))
    daemon.flaky = target.address
    daemon.dead = f"127.0.0.1:{free_port()}"
    daemon.ports = [free_port(), free_port()]
    daemon.write_apps(app("shop", daemon.ports[0], [daemon.good, target, daemon.dead], probe=PROBE))
    daemon.born = time.time()
    daemon.start()
    daemon.until_state("shop", target, "available")
    daemon.until_state("shop", daemon.dead, "unavailable")
    daemon.moments = [time.time()]
    target.close()
    daemon.until_state("shop", target, "unavailable")
    daemon.moments.append(time.time())
    started(EchoProcess("back", port=target.port))
    daemon.until_state("shop", target, "available")
    daemon.moments.append(time.time())
    until(lambda: daemon.sql("SELECT count(*) FROM transitions WHERE target = ? AND "
                             "to_state = 'available'", daemon.flaky) == [(2,)], what="it is written")
    return daemon


def test_who_was_available_then(shop):
    for moment, state in zip(shop.moments, ("available", "unavailable", "available")):
        answer = at(shop, utc(moment), "--json")
        assert answer.returncode == 0, answer.stderr
        assert states(answer) == {shop.good.address: "available", shop.flaky: state,
                                  shop.dead: "unavailable"}
    during = utc(shop.moments[1])
    assert at(shop, during, "shop").returncode == 0
    assert at(shop, during, "shop", shop.flaky).returncode == 1
    assert at(shop, utc(shop.moments[2]), "shop", shop.flaky).returncode == 0
    text = at(shop, during, "shop").stdout
    assert f"At {during}" in text and "connect_refused: connection refused" in text


def test_what_history_does_not_have_is_not_invented(shop):
    early = at(shop, utc(shop.born - 60))
    assert early.returncode == 2 and early.stdout == ""
    assert "nothing is known" in early.stderr and "history begins later" in early.stderr
    document = at(shop, utc(shop.born - 60), "--json")
    assert document.returncode == 2
    assert json.loads(document.stdout)["not_known"] == 0       # all of them came later
    assert states(document) == {}
    assert at(shop, utc(time.time() + 600)).returncode == 2
    wrong = at(shop, "noonish")
    assert wrong.returncode == 2 and "10m ago" in wrong.stderr
    assert at(shop, "now", "shpo").returncode == 2

    # Pruned: of what has not changed since there is no transition left, and its row is older.
    shop.stop()
    with sqlite3.connect(shop.state / "fproxy.db") as db:
        db.execute("DELETE FROM transitions WHERE at < ? OR target = ?",
                   (utc(shop.moments[0]), shop.good.address))
        db.execute("DELETE FROM probe_results WHERE at < ?", (utc(shop.moments[2]),))
        db.execute("DELETE FROM rollouts")
    db.close()
    pruned = at(shop, utc(shop.moments[0]), "--json")
    known = json.loads(pruned.stdout)
    assert known["history_from"] > utc(shop.moments[0])
    assert states(pruned) == {shop.good.address: "available", shop.dead: "unavailable"}
    assert known["not_known"] == 1
    assert "Of 1 endpoint that is there now, nothing is known then" in \
        at(shop, utc(shop.moments[0])).stdout


def test_targets_of_another_generation_are_not_shown(shop, started):
    before = time.time()
    shop.replace_apps(app("shop", shop.ports[0], [shop.good], probe=PROBE),
                      app("late", shop.ports[1], [shop.good], probe=PROBE))
    shop.apply()
    shop.until_state("late", shop.good, "available")
    until(lambda: shop.sql("SELECT 1 FROM transitions WHERE app = 'late'"), what="it is written")
    after = at(shop, "now", "--json")
    assert states(after) == {shop.good.address: "available"}
    assert states(after, "late") == {shop.good.address: "available"}
    assert json.loads(after.stdout)["apps"][1]["generation"] == 2
    then = at(shop, utc(before), "--json")
    assert set(states(then)) == {shop.good.address, shop.flaky, shop.dead}
    assert states(then, "late") == {}
    assert at(shop, utc(before), "late").returncode == 2


def test_history_shows_charts_and_rows(shop):
    plain = probe(shop, "history", "shop", shop.flaky, LC_ALL="C")
    assert plain.returncode == 0 and plain.stdout.isascii()
    assert "failing -> unavailable" in plain.stdout and "median |" in plain.stdout
    assert plain.stdout.rstrip().splitlines()[-1].split()[-1] == "ok"
    blocks = probe(shop, "history", "shop", shop.flaky, LC_ALL="C.UTF-8")
    assert any(block in blocks.stdout for block in "▁▂▃▄▅▆▇█")

    answer = json.loads(probe(shop, "history", "shop", shop.flaky, "-n", "1000", "--json").stdout)
    steps = [(each["from_state"], each["to_state"]) for each in answer["transitions"]]
    assert steps[0] == ("unknown", "available")
    assert all(before[1] == after[0] for before, after in zip(steps, steps[1:]))
    assert steps[-1][1] == "available"
    assert sum(each["outcome"] == "connect_refused" for each in answer["results"]) >= 3
    endpoint, = answer["endpoints"]
    assert sum(minute["failures"] for minute in endpoint["minutes"]) >= 3
    last = json.loads(probe(shop, "history", "-n", "2", "--json").stdout)
    assert len(last["transitions"]) + len(last["results"]) == 2

    assert probe(shop, "history", "shpo").returncode == 2
    assert probe(shop, "history", "-n", "-1").returncode == 2
    assert probe(shop, "history", "--since", "soon").returncode == 2


def test_nothing_recorded_is_said(shop):
    shop.replace_apps(app("shop", shop.ports[0], [shop.good], probe=PROBE),
                      app("mute", shop.ports[1], [shop.good], probe='kind = "none";'))
    shop.apply()
    until(lambda: shop.sql("SELECT 1 FROM endpoints WHERE app = 'mute'"), what="it is written")
    history = probe(shop, "history", "mute")
    assert history.returncode == 1 and "nothing is recorded since" in history.stderr
    replay = probe(shop, "replay", "mute", "--fall", "1")
    assert replay.returncode == 1 and "no result of a probe" in replay.stderr
    why = probe(shop, "inspect", "--why", "mute")
    assert why.returncode == 0 and 'none (kind = "none")' in why.stdout


def test_replay_agrees_with_what_happened(shop):
    """With the configured thresholds it finds as many declarations as there were."""
    happened = shop.sql("SELECT count(*) FROM transitions WHERE to_state = 'unavailable' AND "
                        "from_state = 'failing'")[0][0]
    answer = probe(shop, "replay", "shop", "--fall", "1", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["configuration_known"]
    assert (found["configured"]["fall"], found["configured"]["rise"]) == (3, 1)
    assert (found["asked"]["fall"], found["asked"]["rise"]) == (1, 1)
    assert found["configured"]["down"] == happened == 1
    assert found["configured"]["detect_median_ms"] > 0
    assert found["asked"]["detect_max_ms"] == 0
    assert found["asked"]["down_ms"] > found["configured"]["down_ms"]
    assert len(found["endpoints"]) == 3
    patient = json.loads(probe(shop, "replay", "shop", shop.flaky, "--fall", "1000",
                               "--json").stdout)
    assert patient["asked"]["down"] == 0 and patient["asked"]["blips"] >= 1
    text = probe(shop, "replay", "shop", "--rise", "5").stdout
    assert "FALSE ALARMS" in text and shop.flaky in text


def test_replay_needs_a_threshold_and_an_app(shop):
    assert probe(shop, "replay", "shop").returncode == 2
    assert probe(shop, "replay", "--fall", "1").returncode == 2
    assert probe(shop, "replay", "shop", "--fall", "0").returncode == 2
    assert probe(shop, "replay", "shpo", "--fall", "1").returncode == 2
    assert probe(shop, "replay", "shop", "--state-dir", "/nowhere", "--fall", "1").returncode == 2
