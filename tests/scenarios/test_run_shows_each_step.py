"""`fproxy-probe run`: the configured probes now, by the prober's code, without a daemon; for operators
and for CI."""
import json
import os
import subprocess

import pytest

from harness import BIN, EchoProcess, Target, app, apps_text, free_port, until

EXCHANGE = r'kind = "exchange"; send = "PING\r\n"; expect = "+PONG"; interval = "1s"; timeout = "300ms";'


class Run:
    def __init__(self, directory):
        self.config = directory / "files"
        self.state = directory / "state"
        self.config.mkdir()

    def write(self, *apps):
        (self.config / "a.conf").write_text(apps_text(*apps))

    def __call__(self, *arguments, config=True):
        command = [BIN / "fproxy-probe", "run", *arguments, "--state-dir", self.state]
        if config:
            command += ["--config", self.config]
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("FPROXY_")}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                              env=environment)

    def json(self, *arguments):
        result = self(*arguments, "--json")
        assert result.returncode in (0, 1), result
        found = json.loads(result.stdout)
        assert found["passed"] == (result.returncode == 0)
        return found["results"]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def redis(sock):
    while sock.recv(4096):
        sock.sendall(b"+PONG\r\n\xff\0")


def silent(sock):
    while sock.recv(4096):
        pass


def test_one_that_works(run, started):
    target = started(Target(redis))
    run.write(app("web", free_port(), [target], probe=EXCHANGE))
    result = run("web")
    assert result.returncode == 0 and result.stderr == ""
    first, connected, sent, heard, end = result.stdout.splitlines()
    assert first == f"web {target.address}, probe exchange:"
    assert connected.endswith("ms  connected")
    assert sent.endswith(r'ms  sent "PING\r\n" (6 bytes)')
    assert heard.endswith(r'ms  heard "+PONG\r\n\xff\x00" (9 bytes)')
    assert "ms  ok: answered in " in end

    found, = run.json("web", target.address)
    assert set(found) == {"app", "target", "address", "probe", "kind", "outcome", "duration_ms",
                          "detail", "steps"}
    assert (found["app"], found["target"], found["address"], found["probe"], found["kind"],
            found["outcome"]) == ("web", target.address, target.address, "exchange", "exchange", "ok")
    assert [step["what"] for step in found["steps"]] == ["connected", "sent", "heard"]
    assert found["steps"][1]["text"] == r"PING\r\n" and found["steps"][1]["bytes"] == 6
    assert found["duration_ms"] > 0


def test_those_that_do_not(run, started):
    """Each with its reason; the good one among them changes nothing."""
    good, mute, other = started(Target(redis)), started(Target(silent)), started(EchoProcess())
    closed = f"127.0.0.1:{free_port()}"
    hasty = started(Target(lambda sock: sock.recv(100)))
    run.write(app("web", free_port(), [good, mute, other, hasty, closed, "nobody.invalid:80"],
                  probe=EXCHANGE))
    results = {found["target"]: found for found in run.json("web")}
    assert {name: found["outcome"] for name, found in results.items() if name != "nobody.invalid:80"} \
        == {good.address: "ok", mute.address: "read_timeout", other.address: "mismatch",
            hasty.address: "unexpected_eof", closed: "connect_refused"}
    lost = results["nobody.invalid:80"]
    assert lost["outcome"].startswith("dns_") and lost["address"] == "" and lost["steps"] == []
    assert run("web", good.address).returncode == 0
    assert run("web", closed).returncode == 1


def test_names_addresses_and_options(run, started):
    target = started(Target(redis))
    port = target.port
    run.write(app("web", free_port(), [f"localhost:{port}"], probe=EXCHANGE),
              app("slow", free_port(), [started(Target(silent))],
                  probe=r'kind = "exchange"; expect = "x"; interval = "1h"; timeout = "30m";'))
    addresses = {found["address"] for found in run.json("web")}
    assert f"127.0.0.1:{port}" in addresses
    found, = run.json("web", f"127.0.0.1:{port}")           # one of its addresses
    assert found["target"] == f"localhost:{port}" and found["outcome"] == "ok"
    closed = free_port()
    found, = run.json("web", "--address", f"127.0.0.1:{closed}")
    assert found["outcome"] == "connect_refused" and found["address"] == f"127.0.0.1:{closed}"
    found, = run.json("slow", "--timeout", "100ms")
    assert found["outcome"] == "read_timeout" and found["detail"].startswith("after 0.1 s")


def test_several_probes(run, started):
    """As many as the app requires have to pass; those of another port go there."""
    target, closed = started(Target(redis)), free_port()
    text = app("web", free_port(), [target],
               more=f'''probes = ( {{ name = "live"; kind = "tcp"; }},
                                   {{ name = "deep"; kind = "tcp"; port = {closed}; }} );
                        probes_require = "REQUIRE";''', probe='interval = "1s";')
    for require, status in (("all", 1), ("any", 0), ("1 of 2", 0), ("2 of 2", 1)):
        run.write(text.replace("REQUIRE", require))
        result = run("web", "--json")
        assert result.returncode == status, (require, result)
        assert [(found["probe"], found["outcome"]) for found in json.loads(result.stdout)["results"]] \
            == [("live", "ok"), ("deep", "connect_refused")]


def test_what_cannot_be_run(run, started):
    target = started(Target(redis))
    run.write(app("web", free_port(), [target], probe=EXCHANGE),
              app("push", free_port(), [target], probe='kind = "push";'),
              app("none", free_port(), [target], probe='kind = "none";'),
              app("broken", free_port(), [target], probe='kind = "tpc";'))
    for arguments, words in (
            ((), "which app?"), (("web", "a", "b"), "too much"), (("nothing",), "no valid app"),
            (("web", "nobody:1"), "has no target"), (("push",), "report themselves"),
            (("none",), "no probe that can be run"), (("broken",), "did you mean"),
            (("web", "--timeout", "soon"), "no timeout"), (("web", "--address", "name:1"), "IP:PORT")):
        result = run(*arguments)
        assert result.returncode == 2 and words in result.stderr, (arguments, result)


def test_the_last_good_configuration(daemon, started, run):
    """Where the files have it no more, or are broken."""
    target = started(Target(redis))
    daemon.write_apps(app("web", free_port(), [target], probe=EXCHANGE))
    daemon.start()
    until(lambda: daemon.sql("SELECT 1 FROM last_good_config"), what="it is recorded")
    run.state = daemon.state
    environment = {**os.environ, "FPROXY_CONFIG_PATH": str(run.config)}
    command = [BIN / "fproxy-probe", "run", "web", "--state-dir", daemon.state]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "last good configuration" in result.stderr, result
    assert "connected" in result.stdout
    if os.geteuid() == 0:
        (daemon.state / "fproxy.db").chmod(0o644)
        os.chown(daemon.state / "fproxy.db", 65534, -1)
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "this runs as root, fproxy as nobody" in result.stderr
        os.chown(daemon.state / "fproxy.db", 0, -1)
