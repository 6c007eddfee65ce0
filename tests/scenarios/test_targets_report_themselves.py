"""kind = "push": a target says that it works, that it does not, or nothing; over HTTP on the admin
socket and with `fproxy report`."""
import json
import subprocess

from harness import BIN, EchoProcess, app, ask, free_port, kill, request, until

PUSH = 'kind = "push"; interval = "200ms"; rise = 1; fall = 1;'


def say(daemon, target, body=None, name="web"):
    path = f"/v1/apps/{name}/targets/{target.replace(':', '%3A')}/report"
    return request(daemon, "POST", path, body=None if body is None else json.dumps(body))[0]


def command(daemon, *arguments):
    return subprocess.run([BIN / "fproxy", "report", "--runtime-dir", daemon.runtime, *arguments],
                          capture_output=True, text=True, check=False)


def endpoint(daemon, target):
    return next(each for each in daemon.inspect("web")["endpoints"]
                if target.address in (each["target"], each["address"]))


def test_it_works_is_silent_and_fails(daemon, started):
    port, target, other = free_port(), started(EchoProcess()), started(EchoProcess())
    daemon.write_apps(app("web", port, [target, other], probe=f'{PUSH} ttl = "3s";'))
    daemon.start()
    assert say(daemon, target.address) == 204
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it has reported")
    assert endpoint(daemon, target)["last_probe"]["kind"] == "push"
    assert ask(port) == "hello"

    assert say(daemon, target.address, {"ok": False, "detail": "the disk is full"}) == 204
    found = until(lambda: endpoint(daemon, target)["state"] == "unavailable" and
                  endpoint(daemon, target), what="it has reported that it fails")
    assert found["reason"] == "mismatch"
    assert found["last_probe"]["detail"].endswith(": the disk is full")

    assert say(daemon, target.address, {"ok": True}) == 204
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it works again")
    found = until(lambda: endpoint(daemon, target)["state"] == "unavailable" and
                  endpoint(daemon, target), what="it was silent")
    assert found["reason"] == "ttl_expired"
    # The other one never said a word.
    until(lambda: endpoint(daemon, other)["reason"] == "ttl_expired", what="so was the other")


def test_a_probe_of_our_own_port_stands_beside_it(daemon, started):
    """Where no probe of the list has the role readiness, there is the one of `probe` too."""
    target = started(EchoProcess())
    daemon.write_apps(app("web", free_port(), [target],
                          'probes = ( { name = "live"; role = "liveness"; kind = "tcp"; '
                          'send = "x"; expect = "x"; } );', probe=f'{PUSH} ttl = "1h";'))
    daemon.start()
    assert say(daemon, target.address) == 204
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it has reported")


def test_an_address_speaks_for_itself_as_it_is_written(daemon, started):
    """Of a target that is a name: exactly as `inspect` shows it, for so it is found later."""
    target = started(EchoProcess())
    name = target.address.replace("127.0.0.1", "localhost")
    daemon.write_apps(app("web", free_port(), [name], probe=f'{PUSH} ttl = "1h";'))
    daemon.start()
    until(lambda: any(each["address"] == target.address
                      for each in daemon.inspect("web")["endpoints"]), what="it is resolved")
    for wrong in (target.address.replace(":", ":0"), "127.0.0.2:80", "[::ffff:127.0.0.1]:80"):
        assert say(daemon, wrong) == 404, wrong
    assert say(daemon, target.address) == 204
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it has reported")


def test_a_failure_is_seen_at_once(daemon, started):
    """Long before the next look at what was said."""
    target = started(EchoProcess())
    daemon.write_apps(app("web", free_port(), [target],
                          probe='kind = "push"; interval = "1h"; rise = 1; fall = 1;'))
    daemon.start()
    for ok, state in ((True, "available"), (False, "unavailable"), (True, "available")):
        assert say(daemon, target.address, {"ok": ok}) == 204
        until(lambda: endpoint(daemon, target)["state"] == state, what=f"it is {state}")


def test_a_new_prober_takes_nobody_for_silent(daemon, started):
    target = started(EchoProcess())
    daemon.write_apps(app("web", free_port(), [target], probe=f'{PUSH} ttl = "1h";'))
    daemon.start()
    assert say(daemon, target.address) == 204
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it has reported")
    before = daemon.status()["prober"]["pid"]
    kill(before)
    until(lambda: daemon.status()["prober"]["pid"] not in (0, before), what="there is another")
    until(lambda: "has not reported yet" in endpoint(daemon, target)["last_probe"]["detail"],
          what="it has looked")
    assert endpoint(daemon, target)["state"] == "available"
    assert say(daemon, target.address, {"ok": False}) == 204
    until(lambda: endpoint(daemon, target)["state"] == "unavailable", what="it has heard")


def test_the_command(daemon, started):
    target = started(EchoProcess())
    daemon.write_apps(app("web", free_port(), [target], probe=f'{PUSH} ttl = "1h";'),
                      app("deaf", free_port(), [target]))
    daemon.start()
    assert command(daemon, "web", target.address).returncode == 0
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it has reported")
    assert command(daemon, "web", target.address, "--fail", "--detail", "50% \"gone\"").returncode == 0
    until(lambda: endpoint(daemon, target)["state"] == "unavailable", what="it fails")
    assert endpoint(daemon, target)["last_probe"]["detail"].endswith('50% "gone"')
    assert command(daemon, "web", target.address, "--degraded").returncode == 0
    until(lambda: endpoint(daemon, target)["state"] != "unavailable", what="it works")
    for arguments, status, words in (
            (("deaf", target.address), 1, 'kind = "push"'),
            (("web", "nobody:1"), 2, "no such target"),
            (("nothing", target.address), 2, "no such app"),
            (("web", "a/b c%00"), 2, "no such target")):
        result = command(daemon, *arguments)
        assert result.returncode == status and words in result.stderr, result


def test_what_is_no_report_is_refused(daemon, started):
    target = started(EchoProcess())
    daemon.write_apps(app("web", free_port(), [target], probe=f'{PUSH} ttl = "1h";'))
    daemon.start()
    for body in ([], {"ok": 1}, {"degraded": "no"}, {"detail": 5}, "no"):
        assert say(daemon, target.address, body) == 400, body
    assert request(daemon, "POST", f"/v1/apps/web/targets/{target.address}/report",
                   body="{not json")[0] == 400
    assert say(daemon, target.address, {"detail": "x" * 5000}) == 204
    # Cut between two letters, or nobody could read any of it.
    assert say(daemon, target.address, {"ok": False, "detail": "\n" + "\u00e4" * 5000}) == 204
    until(lambda: endpoint(daemon, target)["last_probe"]["detail"].endswith("\u00e4" * 50),
          what="it is told")
    for path in ("/v1/apps/web/targets//report", "/v1/apps/web/targets/%00/report",
                 f"/v1/apps/web/targets/{'a' * 3000}/report", "/v1/apps//targets/a/report"):
        assert request(daemon, "POST", path)[0] == 404, path
