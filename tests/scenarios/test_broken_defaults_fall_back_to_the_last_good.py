"""`daemon` and `defaults` have a last good too: a mistake in their file changes no app."""
import pytest

from harness import EchoProcess, app, ask, free_ports, until

GOOD = """
daemon = { log_level = "debug"; probe_concurrency = 77; };
defaults = { idle_timeout = "7m"; connect = { retries = 9; }; };
"""
BAD = {
    "no syntax": GOOD + "defaults = {",
    "a wrong value": """
        daemon = { log_level = "loud"; probe_concurrency = 99; };
        defaults = { idle_timeout = "7"; connect = { retries = 8; }; };""",
    "emptied": "",
}


def until_good_has(daemon, name, setting):
    """The store writes what serves a moment after it does."""
    query = "SELECT 1 FROM last_good_config WHERE app = ? AND instr(config, ?) > 0"
    until(lambda: daemon.sql(query, name, setting), what=f"{setting} is in {name}'s last good")


def start_well_and_stop(daemon, started, port):
    target = started(EchoProcess("good"))
    daemon.write("00-common.conf", GOOD)
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    assert ask(port) == "good"
    until_good_has(daemon, "web", 'idle_timeout = "7m"')
    daemon.stop()
    return target


@pytest.mark.parametrize("how", BAD)
def test_apps_of_other_files_stay_as_they_were(daemon, started, how):
    port, new = free_ports(2)
    target = start_well_and_stop(daemon, started, port)
    before = len(daemon.log())
    daemon.write("00-common.conf", BAD[how])
    daemon.write_apps(app("new", new, [target]), file="20-new.conf")

    daemon.start()

    assert (ask(port), ask(new)) == ("good", "good")
    assert daemon.status("web")["generation"] == 1
    assert daemon.status("web")["state"] == "ready"
    until(lambda: daemon.sql("SELECT 1 FROM last_good_config WHERE app = 'new'"),
          what="the new app is recorded")
    until_good_has(daemon, "new", 'idle_timeout = "7m"')
    groups = dict(daemon.sql("SELECT name, config FROM config_groups"))
    assert "probe_concurrency = 77" in groups["daemon"]
    assert "idle_timeout = \"7m\"" in groups["defaults"]
    log = daemon.log()[before:]
    for group in ("daemon", "defaults"):
        assert f"the last good `{group}' of {daemon.config}/00-common.conf holds" in log
    assert " debug supervisor" in log


def test_what_is_corrected_or_removed_counts_again(daemon, started):
    port, = free_ports(1)
    start_well_and_stop(daemon, started, port)
    daemon.write("00-common.conf", "defaults = {")
    daemon.start()
    daemon.stop()

    daemon.write("00-common.conf", 'defaults = { idle_timeout = "8m"; };')
    daemon.start()
    assert daemon.status("web")["generation"] == 2
    until_good_has(daemon, "web", 'idle_timeout = "8m"')
    daemon.stop()
    assert daemon.sql("SELECT name FROM config_groups") == [("defaults",)]

    (daemon.config / "00-common.conf").unlink()
    daemon.start()
    assert daemon.status("web")["generation"] == 3
    until_good_has(daemon, "web", 'idle_timeout = "1h"')
