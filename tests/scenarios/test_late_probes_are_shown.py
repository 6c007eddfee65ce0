"""How late probes begin is shown: of an endpoint, and of the prober as a whole. That it was late is
no target's failure."""
import json
import os
import signal
import time
from datetime import datetime

import pytest

from harness import EchoProcess, app, free_port, hang, until

LATE_MS = 1500
KEYS = {"probes", "p50_ms", "p99_ms", "max_ms", "overruns_lately", "overruns"}


def start(daemon, started):
    daemon.good = started(EchoProcess("good"))
    daemon.write_apps(app("shop", free_port(), [daemon.good],
                          probe='interval = "1s"; timeout = "500ms"; fall = 1;'))
    daemon.start()
    daemon.until_state("shop", daemon.good, "available")
    return daemon.status()["prober"]["pid"]


def why(daemon):
    return daemon.run("fproxy-probe", "inspect", "--why", "shop")


def next_at(daemon):
    answer = daemon.run("fproxy-probe", "inspect", "--why", "shop", "--json")
    endpoint, = json.loads(answer.stdout)["apps"][0]["endpoints"]
    return datetime.fromisoformat(endpoint["why"]["next"]["at"].replace("Z", "+00:00")).timestamp()


def last_lag_ms(daemon):
    endpoint, = daemon.inspect("shop")["endpoints"]
    return endpoint["last_probe"]["lag_ms"]


def probe_lag(daemon):
    return daemon.status()["prober"]["probe_lag"]


def test_those_that_are_on_time(daemon, started):
    start(daemon, started)
    lag = until(lambda: probe_lag(daemon), what="the prober told of its lag")

    assert set(lag) == KEYS
    assert lag["probes"] >= 1 and lag["overruns"] <= lag["probes"]
    assert lag["p50_ms"] <= lag["p99_ms"] <= lag["max_ms"]
    assert last_lag_ms(daemon) < LATE_MS
    shown = why(daemon).stdout
    assert "; it started on time." in shown or " ms late." in shown
    assert "prober: " in shown and " probes in the last minute began up to " in shown


def hang_between_probes(daemon, prober):
    """When the next one is due: one that was under way would end late, and the next be on time."""
    for _ in range(5):
        hang(prober)
        stopped = time.time()
        due = next_at(daemon)
        if due > stopped:
            return due
        os.kill(prober, signal.SIGCONT)
        until(lambda: next_at(daemon) > stopped, what="it has gone on")
    pytest.fail("a probe is always under way")


def test_those_that_are_late(daemon, started):
    prober = start(daemon, started)
    until(lambda: probe_lag(daemon), what="the prober told of its lag")
    due = hang_between_probes(daemon, prober)
    until(lambda: time.time() > due + LATE_MS / 1000, what="the next probe is late")
    assert daemon.status()["prober"]["pid"] == prober
    os.kill(prober, signal.SIGCONT)

    # The next one is late, those after it are not: the sum of them has it for a minute.
    # One that was a little late before is no answer.
    lag = until(lambda: (told := probe_lag(daemon)) and told["overruns"] and
                told["max_ms"] >= LATE_MS and told, what="the prober tells that one was late")
    assert lag["overruns_lately"] >= 1
    assert "began later than their jitter" in daemon.run("fproxy", "status").stdout
    assert "later than their jitter, " in daemon.run("fproxy-probe", "inspect").stdout
    answer = json.loads(daemon.run("fproxy-probe", "inspect", "--json").stdout)
    assert set(answer["probe_lag"]) == KEYS and answer["probe_lag"]["max_ms"] >= LATE_MS
    assert daemon.states("shop") == {daemon.good.address: "available"}
    assert daemon.sql("SELECT count(*) FROM transitions WHERE to_state = 'unavailable'") == [(0,)]
