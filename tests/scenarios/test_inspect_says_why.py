"""inspect --why tells the chain from the DNS answer to the board, and what happens next; without a
database it says less, and never fails."""
import json
import re

import pytest

from harness import DnsServer, EchoProcess, Target, answer, app, free_port, free_ports, until

PROBE = 'interval = "500ms"; timeout = "400ms"; rise = 3; fall = 2;'


@pytest.fixture
def shop(daemon, started):
    daemon.good = started(EchoProcess("good"))
    daemon.dead = f"127.0.0.1:{free_port()}"
    daemon.write_apps(app("shop", free_port(), [daemon.good, daemon.dead, "no-such.invalid:80"],
                          probe=PROBE))
    daemon.start()
    daemon.until_state("shop", daemon.dead, "unavailable")
    daemon.until_state("shop", daemon.good, "available")
    until(lambda: daemon.sql("SELECT 1 FROM transitions WHERE target = ?", daemon.dead),
          what="it is in the database")
    return daemon


def why(daemon, *arguments):
    return daemon.run("fproxy-probe", "inspect", "--why", *arguments)


def why_json(daemon, target):
    answer = why(daemon, "shop", target, "--json")
    endpoint, = json.loads(answer.stdout)["apps"][0]["endpoints"]
    return endpoint["why"]


def test_each_step_is_told(shop):
    answer = why(shop, "shop", shop.dead)
    assert answer.returncode == 1 and answer.stderr == ""
    steps = dict(re.findall(r"^  (\w+) +(.*)$", answer.stdout, re.M))
    assert answer.stdout.startswith(f"shop: {shop.dead} is unavailable\n")
    assert "no DNS is asked" in steps["dns"]
    assert shop.dead in steps["address"]
    assert "failed" in steps["probe"] and "connection refused" in steps["probe"]
    assert "2 failures in a row take it down" in steps["rule"]
    assert "3 successes bring it back" in steps["rule"]
    assert steps["state"].startswith("unavailable since ")
    assert "not handed to new connections; 1 of 3 endpoints of shop are" in steps["board"]
    assert "3 more successes make it available" in steps["next"]
    assert "unknown -> unavailable: connect_refused" in steps["changes"]
    assert re.search("tcp connect_refused.*, connection refused$", steps["recorded"])


def test_the_json_has_what_the_sentences_say(shop):
    found = why_json(shop, shop.dead)
    assert found["rule"]["rise"] == 3 and found["rule"]["fall"] == 2
    assert found["rule"]["successes"] == 0 and found["rule"]["failures"] >= 1
    assert found["board"] == {"handed_out": False, "endpoints_handed_out": 1, "endpoints": 3}
    assert found["next"]["what"] == "probe" and found["next"]["successes_needed"] == 3
    assert found["next"]["at"] < found["next"]["change_at_the_earliest"]
    assert found["transitions"][0]["to_state"] == "unavailable"
    assert found["results"][0]["outcome"] == "connect_refused"

    good = why_json(shop, shop.good.address)
    assert good["board"]["handed_out"] and good["next"]["failures_needed"] == 2


def test_a_name_without_address(shop):
    until(lambda: why_json(shop, "no-such.invalid:80")["dns"]["answers"], what="DNS has answered")
    found = why_json(shop, "no-such.invalid:80")
    assert found["dns"]["name"] == "no-such.invalid" and not found["dns"]["literal"]
    assert {answer["status"] for answer in found["dns"]["answers"]} == {"nxdomain"}
    assert "no such name" in found["sentences"]["dns"]
    assert found["next"]["what"] == "lookup"


def test_the_addresses_of_a_name_and_one_that_leaves(daemon, started):
    port, target_port = free_ports(2)
    for host in ("127.0.0.1", "127.0.0.2"):
        started(Target(answer("ok"), port=target_port, host=host))
    zone = {"two.test": {"A": ["127.0.0.1", "127.0.0.2"], "ttl": 1}}
    dns = started(DnsServer(daemon.directory, zone))
    name, second = f"Two.test:{target_port}", f"127.0.0.2:{target_port}"
    daemon.write_apps(app("web", port, [name], 'drain_timeout = "1s";'), more=f'daemon = {{ dns = {{ servers = '
                      f'["{dns.address}"]; ttl_min = "1s"; ttl_max = "1s"; }}; }};')
    daemon.start()
    daemon.until_available("web", 2)

    def told():
        return dict(re.findall(r"^  (\w+) +(.*)$", why(daemon, "web", second).stdout, re.M))

    until(lambda: "Two.test resolves to 127.0.0.1, 127.0.0.2 (learnt " in told()["dns"],
          what="both are told")
    answers = json.loads(why(daemon, "web", second, "--json").stdout)
    answers = answers["apps"][0]["endpoints"][0]["why"]["dns"]["answers"]
    assert {each["address"] for each in answers} >= {"127.0.0.1", "127.0.0.2"}

    dns.set({"two.test": {"A": ["127.0.0.1"], "ttl": 1}})
    until(lambda: why(daemon, "web", second).returncode == 2, what="the second address has left")
    until(lambda: daemon.sql("SELECT 1 FROM transitions WHERE reason = 'ttl_expired' AND "
                             "to_state = 'unresolved'"), what="it is written")
    then = json.loads(daemon.run("fproxy-probe", "inspect", "--at", "now", "--json").stdout)
    left = [each["address"] for each in then["apps"][0]["endpoints"]]
    assert left == [f"127.0.0.1:{target_port}"]


def test_what_it_announces_comes_true(shop, started):
    """It says what is missing, one success after the other, until it is available."""
    seen = set()
    started(EchoProcess("back", port=int(shop.dead.rpartition(":")[2])))

    def available():
        answer = json.loads(why(shop, "shop", shop.dead, "--json").stdout)
        endpoint, = answer["apps"][0]["endpoints"]
        seen.add((endpoint["why"]["rule"]["successes"],
                  (endpoint["why"]["next"] or {})["successes_needed"]))
        return endpoint["state"] == "available"

    until(available, what="it is available")
    for successes, needed in seen:
        assert needed is None or successes + needed == 3


def test_without_a_database_it_says_less(shop):
    elsewhere = shop.directory / "elsewhere"
    elsewhere.mkdir()
    answer = why(shop, "shop", shop.dead, "--state-dir", elsewhere)
    assert answer.returncode == 1
    assert "without" in answer.stderr and "fproxy.db" in answer.stderr
    assert "its thresholds are not known here" in answer.stdout
    assert "the next probe" in answer.stdout
    (elsewhere / "fproxy.db").write_bytes(b"no database at all" * 100)
    broken = why(shop, "shop", shop.dead, "--state-dir", elsewhere, "--json")
    assert broken.returncode == 1 and "not a database" in broken.stderr
    assert json.loads(broken.stdout)["apps"][0]["endpoints"][0]["why"]["rule"]["rise"] is None


def test_when_nothing_runs(shop):
    shop.stop()
    answer = why(shop, "shop", shop.dead)
    assert answer.returncode == 1
    assert "nothing runs" in answer.stderr
    assert "nothing, until fproxy is started" in answer.stdout
    assert why(shop, "shop", "--watch").returncode == 2
