"""Clients connect all the time to A and B while A is rolled out fifty times: no client of either
fails, B is not touched in any way, and a connection of A whose port and target stay just goes
on, in the same process."""
import pytest

from harness import SLOWNESS, EchoProcess, Load, Talk, app, ask, free_ports, outcome, until

ROLLOUTS = 50
RATE = 150 // SLOWNESS


def config_of(round_number, port, extra, staying, others):
    """Every time something else: a target comes and one goes, a port comes or goes, and keys
    that have to do with neither."""
    targets = [staying, others[round_number % 3], others[(round_number + 1) % 3]]
    ports = [port, extra] if round_number % 2 else [port]
    return app("a", ports, targets, f"""
        idle_timeout = "{100 + round_number}s";
        connect = {{ retries = {2 + round_number % 3}; stagger = "{200 + round_number}ms"; }};
        half_close_timeout = "{50 + round_number}s";""")


@pytest.mark.limit(150)
def test_no_client_of_either_app_fails(daemon, started):
    port, extra, other = free_ports(3)
    staying = started(EchoProcess())
    others = [started(EchoProcess()) for _ in range(3)]
    daemon.write_apps(app("b", other, [staying]), file="20-b.conf")
    daemon.write_apps(app("a", port, [staying]), file="10-a.conf")
    daemon.start()
    before_a, before_b = daemon.status("a"), daemon.status("b")
    long_a, long_b = started(Talk(port)), started(Talk(other))
    load_a, load_b = started(Load(port, RATE)), started(Load(other, RATE))
    until(lambda: load_a.done() > 10 and load_b.done() > 10, what="clients come")

    for round_number in range(ROLLOUTS):
        done = load_a.done()
        daemon.replace_apps(config_of(round_number, port, extra, staying, others),
                            file="10-a.conf")
        daemon.apply()
        if round_number % 2:
            assert ask(extra) == "hello"
        elif round_number:
            until(lambda: outcome(extra) == "refused", what="the port is given back")
        until(lambda: load_a.done() >= done + 10, what="clients come")

    assert long_a.lasts() and long_b.lasts()
    after_a, after_b = daemon.status("a"), daemon.status("b")
    results_a, results_b = load_a.finish(), load_b.finish()
    print(f"{ROLLOUTS} rollouts: {len(results_a)} clients of a, {len(results_b)} of b, "
          f"{long_a.said} and {long_b.said} exchanges over the connections that stayed")
    assert load_a.failed("hello") == [] and load_b.failed("hello") == []
    assert after_a["generation"] == before_a["generation"] + ROLLOUTS
    assert after_a["worker"] == before_a["worker"]
    for key in ("generation", "worker", "state", "last_rollout"):
        assert after_b[key] == before_b[key]
    until(lambda: daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'a' AND "
                             "outcome = 'done'") == [(ROLLOUTS + 1,)], what="each is recorded")
    assert daemon.sql("SELECT count(*) FROM rollouts WHERE app = 'b'") == [(1,)]
