"""inspect reads the boards while something runs, the database when nothing does, and its exit
status answers the question that was asked."""
import json
import os
import signal

import pytest

from harness import EchoProcess, app, free_port, until


@pytest.fixture
def shop(daemon, started):
    """One app with a good and a dead target."""
    daemon.dead = f"127.0.0.1:{free_port()}"
    daemon.good = started(EchoProcess("good"))
    daemon.write_apps(app("shop", free_port(), [daemon.good, daemon.dead]),
                      app("lost", free_port(), [daemon.dead]))
    daemon.start()
    daemon.until_state("shop", daemon.dead, "unavailable")
    daemon.until_state("shop", daemon.good, "available")
    return daemon


def inspect(daemon, *arguments):
    return daemon.run("fproxy-probe", "inspect", *arguments)


def test_the_exit_status_answers(shop):
    assert inspect(shop).returncode == 0
    assert inspect(shop, "shop").returncode == 0
    assert inspect(shop, "lost").returncode == 1
    assert inspect(shop, "shop", shop.good.address).returncode == 0
    assert inspect(shop, "shop", shop.dead).returncode == 1
    unknown = inspect(shop, "shpo")
    assert unknown.returncode == 2
    assert "did you mean `shop'?" in unknown.stderr
    assert inspect(shop, "shop", "10.0.0.1:1").returncode == 2


def test_the_reason_is_told(shop):
    text = inspect(shop, "lost").stdout
    assert "unavailable" in text
    assert "connect_refused" in text
    assert "\033[" not in text
    answer = json.loads(inspect(shop, "shop", shop.dead, "--json").stdout)
    endpoint, = answer["apps"][0]["endpoints"]
    assert endpoint["reason"] == "connect_refused"
    assert endpoint["last_probe"]["outcome"] == "connect_refused"
    assert endpoint["last_probe"]["kind"] == "tcp"


def test_when_nothing_runs_the_database_speaks(shop):
    good, dead = shop.good.address, shop.dead
    shop.stop()
    before = sorted(os.listdir(shop.state))

    everything = inspect(shop, "--json")
    assert everything.returncode == 0
    assert "nothing runs" in everything.stderr
    apps = {one["app"]: one for one in json.loads(everything.stdout)["apps"]}
    assert not apps["shop"]["ready"]
    states = {each["address"]: each["state"] for each in apps["shop"]["endpoints"]}
    assert states == {good: "available", dead: "unavailable"}
    assert inspect(shop, "shop").returncode == 1
    assert sorted(os.listdir(shop.state)) == before


def test_without_anything_it_says_what_to_do(daemon):
    answer = inspect(daemon)

    assert answer.returncode == 2
    assert "--runtime-dir" in answer.stderr


@pytest.mark.limit(60)
def test_a_silent_prober_is_told(shop):
    prober, = (pid for pid, words in shop.children() if words[0].startswith("fproxy-prober"))
    os.kill(prober, signal.SIGSTOP)
    try:
        until(lambda: "no sign of life" in inspect(shop).stderr, 20, "the silence is told")
        assert "available" in inspect(shop).stdout
    finally:
        os.kill(prober, signal.SIGCONT)
    until(lambda: inspect(shop).stderr == "", 10, "the prober is heard again")
