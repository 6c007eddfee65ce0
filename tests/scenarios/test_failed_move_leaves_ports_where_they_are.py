"""A port that was to move to another app, and did not: who has it keeps it, and who did not get it
has no claim to it. Mending either file mends it."""
import pytest

from harness import EchoProcess, app, ask, free_ports, occupy, until

FILES = [("10-aa.conf", "20-bb.conf"), ("20-aa.conf", "10-bb.conf")]


@pytest.fixture
def targets(started):
    return {name: started(EchoProcess(name)) for name in ("aa", "bb")}


def configure(daemon, targets, name, port, file):
    daemon.replace_apps(app(name, port, [targets[name]]), file=file)


def assert_held_back(result, name, *reasons):
    assert not result["applied"]
    assert [held["app"] for held in result["held_back"]] == [name]
    assert all(str(reason) in result["held_back"][0]["reason"] for reason in reasons)


@pytest.fixture(params=FILES)
def failed(request, daemon, targets):
    """aa has `port`; it was to go to `taken`, which another program has, and bb to get `port`."""
    port, taken = free_ports(2)
    file_aa, file_bb = request.param
    configure(daemon, targets, "aa", port, file_aa)
    daemon.start()
    with occupy(taken):
        configure(daemon, targets, "aa", taken, file_aa)
        configure(daemon, targets, "bb", port, file_bb)
        assert not daemon.reload()["applied"]
        assert ask(port) == "aa"
        assert not daemon.status("bb")["ready"]
        yield port, taken, file_aa, file_bb


def test_who_takes_it_back_has_it(daemon, targets, failed):
    port, _, file_aa, file_bb = failed
    other, = free_ports(1)
    configure(daemon, targets, "aa", port, file_aa)

    for _ in range(2):
        assert_held_back(daemon.reload(), "bb", f"{file_bb}:3: bb: ports: ", port, "aa")
        aa, bb = daemon.status("aa"), daemon.status("bb")
        assert (aa["state"], aa["generation"]) == ("ready", 1)
        assert (bb["state"], bb["ready"]) == ("config_error", False)
        assert ask(port) == "aa"

    configure(daemon, targets, "aa", other, file_aa)
    daemon.apply()
    until(lambda: daemon.status("bb")["ready"], what="it has its port")
    assert [ask(other), ask(port)] == ["aa", "bb"]


def test_who_did_not_get_it_can_have_another(daemon, targets, failed):
    port, _, file_aa, file_bb = failed
    other, = free_ports(1)
    configure(daemon, targets, "aa", port, file_aa)
    configure(daemon, targets, "bb", other, file_bb)

    daemon.apply()

    assert [ask(port), ask(other)] == ["aa", "bb"]


def test_it_moves_when_the_other_one_is_free(daemon, targets, failed):
    port, taken, file_aa, _ = failed
    other, = free_ports(1)
    configure(daemon, targets, "aa", other, file_aa)

    daemon.reload()

    until(lambda: daemon.status("bb")["ready"], what="it has its port")
    assert [ask(other), ask(port)] == ["aa", "bb"]


@pytest.mark.parametrize("file_bb", ["10-bb.conf", "30-bb.conf"])
def test_who_was_rolled_back_to_it_keeps_it(daemon, targets, file_bb):
    port, newer = free_ports(2)
    configure(daemon, targets, "aa", port, "20-aa.conf")
    daemon.start()
    configure(daemon, targets, "aa", newer, "20-aa.conf")
    daemon.apply()
    assert daemon.rollback("aa")["outcome"] == "done"
    assert ask(port) == "aa"

    configure(daemon, targets, "bb", port, file_bb)
    assert not daemon.reload()["applied"]
    assert ask(port) == "aa"
    assert daemon.status("aa")["state"] == "ready"

    configure(daemon, targets, "aa", [port, newer], "20-aa.conf")
    result = daemon.reload()
    assert_held_back(result, "bb", port, "aa")
    assert [ask(port), ask(newer)] == ["aa", "aa"]
